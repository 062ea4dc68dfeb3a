#include <reasonembed/autograd/ops.hpp>
#include <reasonembed/autograd/softmax.hpp>

#include <doctest/doctest.h>

#include <support/tape.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
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

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Var<double> row_of(Tape<double>& tape, const std::vector<double>& values) {
  return tape.leaf(re::MatrixView<const double>(values.data(), 1, static_cast<Index>(values.size())));
}

}  // namespace

TEST_SUITE("autograd/softmax") {
  TEST_CASE("softmax_rows, log_softmax_rows: gradients") {
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::softmax_rows(x[0]); }, -3.0, 3.0);
    test::expect_gradient_at_all_shapes(
        [](DoubleTape&, const Inputs& x) { return ag::log_softmax_rows(x[0]); }, -3.0, 3.0);
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::softmax_rows(x[0]) * x[0]; }, {{4, 6}});
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::log_softmax_rows(x[0]) * x[0]; }, {{4, 6}});
  }

  TEST_CASE("softmax_rows: equals the formula and its rows sum to one") {
    for (const auto& [rows, cols] : test::kShapes) {
      Tape<double> tape;
      const Matrix<double> a = test::random_matrix(rows, cols, 1, -4.0, 4.0);
      const Var<double> y = ag::softmax_rows(tape.constant(a.view()));
      const Var<double> log_y = ag::log_softmax_rows(tape.constant(a.view()));
      for (Index row = 0; row < rows; ++row) {
        double normalizer = 0.0;
        double total = 0.0;
        for (const double x : a.row(row)) {
          normalizer += std::exp(x);
        }
        for (Index col = 0; col < cols; ++col) {
          const double expected = std::exp(a(row, col)) / normalizer;
          // a dozen roundings of numbers below 8
          CHECK(std::abs(y.value()(row, col) - expected) <= 12 * 8 * 0x1p-53 * expected);
          CHECK(std::abs(log_y.value()(row, col) - std::log(expected)) <= 12 * 8 * 0x1p-53);
          total += y.value()(row, col);
        }
        CHECK(std::abs(total - 1.0) < 1e-14);
      }
    }
  }

  TEST_CASE("log_softmax_rows: is unchanged by a shift of a row, however large") {
    Tape<double> tape;
    const Var<double> y = ag::log_softmax_rows(row_of(tape, {1.0, 2.0, 3.0}));
    const Var<double> far = ag::log_softmax_rows(row_of(tape, {1e6 + 1.0, 1e6 + 2.0, 1e6 + 3.0}));
    for (Index col = 0; col < 3; ++col) {
      CHECK(std::abs(y.value()(0, col) - far.value()(0, col)) < 1e6 * 0x1p-52);
    }
  }

  TEST_CASE("softmax_rows, log_softmax_rows: neither overflow nor underflow") {
    Tape<double> tape;
    const Var<double> x = row_of(tape, {1000.0, 0.0, -1000.0});
    const Var<double> y = ag::softmax_rows(x);
    const Var<double> log_y = ag::log_softmax_rows(x);
    CHECK(y.value()(0, 0) == 1.0);
    CHECK(y.value()(0, 2) == 0.0);
    CHECK(log_y.value()(0, 0) == 0.0);
    CHECK(log_y.value()(0, 1) == -1000.0);
    CHECK(log_y.value()(0, 2) == -2000.0);
    tape.backward(ag::sum(log_y));
    CHECK(x.gradient()(0, 0) == -2.0);
    CHECK(x.gradient()(0, 1) == 1.0);
  }

  TEST_CASE("softmax_rows, log_softmax_rows: minus infinity takes an element out") {
    Tape<double> tape;
    const Var<double> x = row_of(tape, {0.0, -kInfinity, 0.0});
    const Var<double> y = ag::softmax_rows(x);
    CHECK(y.value()(0, 0) == doctest::Approx(0.5).epsilon(1e-15));
    CHECK(y.value()(0, 1) == 0.0);
    const Var<double> log_y = ag::log_softmax_rows(x);
    CHECK(log_y.value()(0, 1) == -kInfinity);
    const Index first = 0;
    tape.backward(ag::sum(ag::pick(log_y, std::span<const Index>(&first, 1))));
    CHECK(x.gradient()(0, 0) == doctest::Approx(0.5).epsilon(1e-15));
    CHECK(x.gradient()(0, 1) == 0.0);
    CHECK(x.gradient()(0, 2) == doctest::Approx(-0.5).epsilon(1e-15));
  }

  TEST_CASE("softmax_rows: one column is one, with gradient zero") {
    Tape<double> tape;
    const Var<double> x = row_of(tape, {5.0});
    const Var<double> y = ag::softmax_rows(x);
    CHECK(y.item() == 1.0);
    tape.backward(y);
    CHECK(x.gradient()(0, 0) == 0.0);
    CHECK(ag::log_softmax_rows(x).item() == 0.0);
  }

  TEST_CASE("log_sum_exp: of an empty row is minus infinity") {
    CHECK(ag::detail::log_sum_exp(std::span<const double>()) == -kInfinity);
    const std::vector<double> row{0.0, 0.0};
    CHECK(ag::detail::log_sum_exp(std::span<const double>(row)) == doctest::Approx(std::log(2.0)).epsilon(1e-15));
  }

  TEST_CASE("softmax_rows, log_softmax_rows: a row does not depend on its neighbours") {
    Tape<float> tape;
    const Matrix<float> a = test::random_matrix<float>(9, 13, 1);
    const Var<float> all = ag::log_softmax_rows(tape.constant(a.view()));
    const Var<float> one = ag::log_softmax_rows(tape.constant(a.view().row_block(4, 1)));
    for (Index col = 0; col < 13; ++col) {
      CHECK(all.value()(4, col) == one.value()(0, col));
    }
  }

  TEST_CASE("log_softmax_rows: is the logarithm of softmax_rows") {
    Tape<float> tape;
    const Matrix<float> a = test::random_matrix<float>(5, 6, 1, -3.0, 3.0);
    const Var<float> y = ag::log(ag::softmax_rows(tape.constant(a.view())));
    const Var<float> direct = ag::log_softmax_rows(tape.constant(a.view()));
    for (Index row = 0; row < 5; ++row) {
      for (Index col = 0; col < 6; ++col) {
        // a relative rounding of the probability is an absolute one of its logarithm, of size below 8
        CHECK(std::abs(y.value()(row, col) - direct.value()(row, col)) < 2 * 6e-8F + 8 * 6e-8F);
      }
    }
  }
}
