#include <reasonembed/autograd/elementwise.hpp>
#include <reasonembed/autograd/ops.hpp>

#include <doctest/doctest.h>

#include <support/tape.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace ag = reasonembed::autograd;
using ag::Tape;
using ag::Var;
using re::Index;
using re::Matrix;
using test::DoubleTape;
using test::Inputs;

namespace {

using Binary = Var<double> (*)(Var<double>, Var<double>);
using Reference = double (*)(double, double);

struct Case {
  const char* name;
  Binary function;
  Reference reference;
};

const std::array<Case, 4> kBinary{{
    {"add", [](Var<double> a, Var<double> b) { return ag::add(a, b); }, [](double a, double b) { return a + b; }},
    {"subtract",
     [](Var<double> a, Var<double> b) { return ag::subtract(a, b); },
     [](double a, double b) { return a - b; }},
    {"multiply",
     [](Var<double> a, Var<double> b) { return ag::multiply(a, b); },
     [](double a, double b) { return a * b; }},
    {"divide", [](Var<double> a, Var<double> b) { return ag::divide(a, b); }, [](double a, double b) { return a / b; }},
}};

/// The value of f at every element of x, and its derivative there.
template <class F>
std::vector<std::array<double, 2>> value_and_slope(F f, const std::vector<double>& x) {
  Tape<double> tape;
  const Var<double> in = tape.leaf(re::MatrixView<const double>(x.data(), 1, static_cast<Index>(x.size())));
  const Var<double> out = f(in);
  tape.backward(ag::sum(out));
  std::vector<std::array<double, 2>> result;
  for (std::size_t i = 0; i < x.size(); ++i) {
    result.push_back({out.value().flat()[i], in.gradient().flat()[i]});
  }
  return result;
}

}  // namespace

TEST_SUITE("autograd/elementwise") {
  TEST_CASE("add, subtract, multiply, divide: equal the scalar formula for every way to broadcast") {
    for (const Case& op : kBinary) {
      CAPTURE(op.name);
      for (const auto& [rows, cols] : test::kShapes) {
        for (const test::Shape& small : {test::Shape{rows, cols}, {1, cols}, {rows, 1}, {1, 1}}) {
          Tape<double> tape;
          const Matrix<double> a = test::random_matrix(rows, cols, 1);
          const Matrix<double> b = test::random_matrix(small.first, small.second, 2, 0.5, 2.0);
          const Var<double> y = op.function(tape.constant(a.view()), tape.constant(b.view()));
          REQUIRE(y.rows() == rows);
          REQUIRE(y.cols() == cols);
          for (Index row = 0; row < rows; ++row) {
            for (Index col = 0; col < cols; ++col) {
              const double right = b(small.first == 1 ? 0 : row, small.second == 1 ? 0 : col);
              REQUIRE(y.value()(row, col) == op.reference(a(row, col), right));
            }
          }
        }
      }
    }
  }

  TEST_CASE("add, subtract, multiply, divide: gradients for every way to broadcast") {
    for (const Case& op : kBinary) {
      CAPTURE(op.name);
      const auto f = [&](DoubleTape&, const Inputs& x) { return op.function(x[0], x[1]); };
      for (const auto& [rows, cols] : test::kShapes) {
        test::expect_gradient(f, {{rows, cols}, {rows, cols}}, 0.5, 2.0);
        test::expect_gradient(f, {{rows, cols}, {1, cols}}, 0.5, 2.0);
        test::expect_gradient(f, {{rows, cols}, {rows, 1}}, 0.5, 2.0);
        test::expect_gradient(f, {{rows, cols}, {1, 1}}, 0.5, 2.0);
      }
      for (const auto& shape : test::kEmptyShapes) {
        test::expect_gradient(f, {shape, shape});
      }
    }
  }

  TEST_CASE("add, subtract, multiply, divide: gradients when both arguments are one variable") {
    for (const Case& op : kBinary) {
      CAPTURE(op.name);
      test::expect_gradient_at_all_shapes(
          [&](DoubleTape&, const Inputs& x) { return op.function(x[0], x[0]) * ag::exp(x[0]); }, 0.5, 2.0);
    }
  }

  TEST_CASE("add, subtract, multiply, divide: gradients when one argument is a constant") {
    for (const Case& op : kBinary) {
      CAPTURE(op.name);
      const Matrix<double> fixed = test::random_matrix(3, 2, 8, 0.5, 2.0);
      test::expect_gradient(
          [&](DoubleTape& tape, const Inputs& x) { return op.function(tape.constant(fixed.view()), x[0]); },
          {{3, 2}},
          0.5,
          2.0);
      test::expect_gradient(
          [&](DoubleTape& tape, const Inputs& x) { return op.function(tape.constant(1.5), x[0]); }, {{1, 1}}, 0.5, 2.0);
      test::expect_gradient(
          [&](DoubleTape& tape, const Inputs& x) { return op.function(x[0], tape.constant(1.5)); }, {{3, 2}}, 0.5, 2.0);
    }
  }

  TEST_CASE("add: an empty matrix takes a row that is as wide") {
    Tape<double> tape;
    const Matrix<double> none(0, 3);
    const Matrix<double> row(1, 3);
    const Var<double> bias = tape.leaf(row.view());
    const Var<double> y = ag::add(tape.constant(none.view()), bias);
    CHECK(y.rows() == 0);
    tape.backward(ag::sum(y));
    CHECK(bias.gradient()(0, 2) == 0.0);
  }

  TEST_CASE("add, subtract, multiply, divide: reject shapes that do not fit, larger first arguments included") {
    Tape<double> tape;
    const Matrix<double> m23(2, 3);
    const Matrix<double> m32(3, 2);
    const Matrix<double> m13(1, 3);
    for (const Case& op : kBinary) {
      CAPTURE(op.name);
      const std::string where = std::string("autograd::") + op.name;
      CHECK_THROWS_WITH_AS(
          (void)op.function(tape.leaf(m23.view()), tape.leaf(m32.view())),
          (where + ": second argument is (3, 2), expected (2, 3) or 1 in place of either extent").c_str(),
          re::ShapeError);
      CHECK_THROWS_WITH_AS(
          (void)op.function(tape.leaf(m13.view()), tape.leaf(m23.view())),
          (where + ": second argument is (2, 3), expected (1, 3) or 1 in place of either extent").c_str(),
          re::ShapeError);
    }
  }

  TEST_CASE("add: the gradient of a broadcast row is the sum over rows in ascending order") {
    Tape<float> tape;
    const Matrix<float> wide = test::random_matrix<float>(37, 5, 1, -1e3, 1e3);
    const Matrix<float> zero(37, 5);
    const Matrix<float> row(1, 5);
    const Var<float> bias = tape.leaf(row.view());
    tape.backward(ag::add(tape.constant(zero.view()), bias), wide.view());
    for (Index col = 0; col < 5; ++col) {
      float expected = 0.0F;
      for (Index r = 0; r < 37; ++r) {
        expected += wide(r, col);
      }
      CHECK(bias.gradient()(0, col) == expected);
    }
  }

  TEST_CASE("scale, add_scalar: gradients and values") {
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::scale(x[0], -2.5); });
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::scale(x[0], 0.0); });
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::add_scalar(x[0], 7.0); });
    Tape<double> tape;
    CHECK(ag::scale(tape.constant(3.0), -2.0).item() == -6.0);
    CHECK(ag::add_scalar(tape.constant(3.0), -2.0).item() == 1.0);
  }

  TEST_CASE("exp, log: gradients and values") {
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::exp(x[0]); }, -3.0, 3.0);
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::log(x[0]); }, 0.2, 5.0);
    for (const auto& [value, slope] : value_and_slope([](Var<double> x) { return ag::exp(x); }, {-2.0, 0.0, 1.5})) {
      CHECK(slope == value);
    }
    const auto log = value_and_slope([](Var<double> x) { return ag::log(x); }, {0.5, 1.0, 0.0});
    CHECK(log[0][0] == std::log(0.5));
    CHECK(log[0][1] == 2.0);
    CHECK(log[1][0] == 0.0);
    CHECK(log[2][0] == -std::numeric_limits<double>::infinity());
  }

  TEST_CASE("log: undoes exp, in value and derivative") {
    for (const auto& [value, slope] :
         value_and_slope([](Var<double> x) { return ag::log(ag::exp(x)); }, {-2.0, 0.0, 0.3, 4.0})) {
      CHECK(slope == doctest::Approx(1.0).epsilon(1e-15));
      CHECK(std::abs(value) <= 4.0);
    }
  }

  TEST_CASE("relu: gradients on both sides of the kink, zero at it, and a NaN stays one") {
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::relu(x[0]); }, 0.1, 2.0);
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::relu(x[0]); }, -2.0, -0.1);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto y = value_and_slope([](Var<double> x) { return ag::relu(x); }, {-1.0, 0.0, 2.0, nan});
    CHECK(y[0] == std::array<double, 2>{0.0, 0.0});
    CHECK(y[1] == std::array<double, 2>{0.0, 0.0});
    CHECK(y[2] == std::array<double, 2>{2.0, 1.0});
    CHECK(std::isnan(y[3][0]));
  }

  TEST_CASE("clamp: gradients inside, zero outside, one at the ends") {
    const auto f = [](Var<double> x) { return ag::clamp(x, -1.0, 2.0); };
    const auto on_tape = [&](DoubleTape&, const Inputs& x) { return f(x[0]); };
    test::expect_gradient_at_all_shapes(on_tape, -0.9, 1.9);
    test::expect_gradient_at_all_shapes(on_tape, 2.1, 5.0);
    test::expect_gradient_at_all_shapes(on_tape, -5.0, -1.1);
    const auto y = value_and_slope(f, {-3.0, -1.0, 0.5, 2.0, 2.5, std::numeric_limits<double>::quiet_NaN()});
    CHECK(y[0] == std::array<double, 2>{-1.0, 0.0});
    CHECK(y[1] == std::array<double, 2>{-1.0, 1.0});
    CHECK(y[2] == std::array<double, 2>{0.5, 1.0});
    CHECK(y[3] == std::array<double, 2>{2.0, 1.0});
    CHECK(y[4] == std::array<double, 2>{2.0, 0.0});
    CHECK(std::isnan(y[5][0]));
  }

  TEST_CASE("clamp: refuses an empty interval and accepts one point") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(3.0);
    CHECK_THROWS_WITH_AS(
        (void)ag::clamp(x, 2.0, 1.0), "autograd::clamp: low is 2.000000, expected at most 1.000000", re::ConfigError);
    CHECK_THROWS_AS((void)ag::clamp(x, std::numeric_limits<double>::quiet_NaN(), 1.0), re::ConfigError);
    CHECK(ag::clamp(x, 1.0, 1.0).item() == 1.0);
  }

  TEST_CASE("detach: keeps the value, stops the gradient and copies nothing") {
    Tape<double> tape;
    const Var<double> x = tape.leaf(3.0);
    const Var<double> stopped = ag::detach(x);
    CHECK(stopped.value().data() == x.value().data());
    tape.backward(x * stopped);  // d/dx x c = c, not 2 x
    CHECK(x.gradient()(0, 0) == 3.0);
    CHECK_THROWS_AS(tape.backward(stopped), re::ConfigError);
  }

  TEST_CASE("operators: are the named functions") {
    Tape<double> tape;
    const Var<double> a = tape.leaf(6.0);
    const Var<double> b = tape.leaf(1.5);
    CHECK((a + b).item() == 7.5);
    CHECK((a - b).item() == 4.5);
    CHECK((a * b).item() == 9.0);
    CHECK((a / b).item() == 4.0);
    CHECK((a + 1.0).item() == 7.0);
    CHECK((a - 1.0).item() == 5.0);
    CHECK((a * 2).item() == 12.0);
    CHECK((2.0 * a).item() == 12.0);
    CHECK((a / 4.0).item() == 1.5);
    CHECK((-a).item() == -6.0);
    test::expect_gradient(
        [](DoubleTape&, const Inputs& x) {
          return (2.0 * x[0] - x[1] / 3.0 + 1.0) * -(x[0] - 0.5) / (x[1] + x[0] * x[0]);
        },
        {{3, 4}, {3, 4}},
        0.5,
        2.0);
  }

  TEST_CASE("float: agrees with double to the last bits") {
    const Matrix<double> at = test::random_matrix(4, 9, 3, 0.5, 2.0);
    Matrix<float> at_float(4, 9);
    for (std::size_t i = 0; i < at.flat().size(); ++i) {
      at_float.flat()[i] = static_cast<float>(at.flat()[i]);
    }
    const auto gradient = [](auto& tape, auto x) {
      tape.backward(ag::sum(ag::log(x) * ag::exp(-x) / (x + 1)));
      return x.gradient();
    };
    Tape<double> tape;
    Tape<float> tape_float;
    const auto exact = gradient(tape, tape.leaf(at.view()));
    const auto rounded = gradient(tape_float, tape_float.leaf(at_float.view()));
    for (Index row = 0; row < 4; ++row) {
      for (Index col = 0; col < 9; ++col) {
        // about ten roundings of terms below 4
        CHECK(std::abs(static_cast<double>(rounded(row, col)) - exact(row, col)) < 10 * 4 * 6e-8);
      }
    }
  }
}
