#include <reasonembed/autograd/ops.hpp>
#include <reasonembed/autograd/rows.hpp>

#include <doctest/doctest.h>

#include <support/tape.hpp>

#include <cmath>
#include <cstddef>
#include <initializer_list>
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

TEST_SUITE("autograd/rows") {
  TEST_CASE("pick: chooses one element of each row, with gradient there alone") {
    const std::vector<Index> columns{2, 0, 2, 1};
    test::expect_gradient([&](DoubleTape&, const Inputs& x) { return ag::pick(x[0], columns); }, {{4, 3}});
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(4, 3, 1);
    const Var<double> x = tape.leaf(a.view());
    const Var<double> y = ag::pick(x, columns);
    CHECK(y.rows() == 4);
    CHECK(y.cols() == 1);
    tape.backward(ag::sum(ag::scale(y, 3.0)));
    for (Index row = 0; row < 4; ++row) {
      const Index chosen = columns[static_cast<std::size_t>(row)];
      CHECK(y.value()(row, 0) == a(row, chosen));
      for (Index col = 0; col < 3; ++col) {
        CHECK(x.gradient()(row, col) == (col == chosen ? 3.0 : 0.0));
      }
    }
  }

  TEST_CASE("pick: copies its columns") {
    std::vector<Index> columns{1};
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(1, 3, 1);
    const Var<double> x = tape.leaf(a.view());
    const Var<double> y = ag::pick(x, columns);
    columns[0] = 77;
    tape.backward(y);
    CHECK(x.gradient()(0, 1) == 1.0);
  }

  TEST_CASE("pick: runs on no rows and on constants") {
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::pick(x[0], std::span<const Index>()); },
                          {{0, 3}});
    Tape<double> tape;
    const Index only = 0;
    CHECK(ag::pick(tape.constant(4.0), std::span<const Index>(&only, 1)).item() == 4.0);
  }

  TEST_CASE("pick: rejects a wrong number of columns and columns out of range") {
    Tape<double> tape;
    const Matrix<double> a(2, 3);
    const Var<double> x = tape.leaf(a.view());
    const std::vector<Index> few{1};
    const std::vector<Index> high{1, 3};
    const std::vector<Index> low{-1, 0};
    CHECK_THROWS_WITH_AS((void)ag::pick(x, few), "autograd::pick: columns.size() is 1, expected 2", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        (void)ag::pick(x, high), "autograd::pick: columns[1] is 3, expected in [0, 3)", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        (void)ag::pick(x, low), "autograd::pick: columns[0] is -1, expected in [0, 3)", re::ShapeError);
  }

  TEST_CASE("gather_rows: chooses rows, repeated and left out") {
    const std::vector<Index> rows{3, 1, 3, 3};
    test::expect_gradient([&](DoubleTape&, const Inputs& x) { return ag::gather_rows(x[0], rows); }, {{4, 5}});
    test::expect_gradient(
        [&](DoubleTape&, const Inputs& x) { return ag::gather_rows(x[0], rows) * ag::gather_rows(x[0], rows); },
        {{4, 5}});
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(4, 2, 1);
    const Var<double> x = tape.leaf(a.view());
    const Var<double> y = ag::gather_rows(x, rows);
    CHECK(y.rows() == 4);
    tape.backward(ag::sum(y));
    for (Index row = 0; row < 4; ++row) {
      CHECK(y.value()(row, 1) == a(rows[static_cast<std::size_t>(row)], 1));
    }
    CHECK(x.gradient()(0, 0) == 0.0);
    CHECK(x.gradient()(1, 0) == 1.0);
    CHECK(x.gradient()(2, 0) == 0.0);
    CHECK(x.gradient()(3, 0) == 3.0);
  }

  TEST_CASE("gather_rows: no rows of some, and none of none") {
    const std::span<const Index> none;
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(4, 2, 1);
    const Var<double> x = tape.leaf(a.view());
    const Var<double> y = ag::gather_rows(x, none);
    CHECK(y.rows() == 0);
    CHECK(y.cols() == 2);
    tape.backward(ag::sum(y));
    CHECK(x.gradient()(3, 1) == 0.0);
    test::expect_gradient([&](DoubleTape&, const Inputs& in) { return ag::gather_rows(in[0], none); }, {{0, 2}});
  }

  TEST_CASE("gather_rows: rejects rows out of range") {
    Tape<double> tape;
    const Matrix<double> a(2, 3);
    const std::vector<Index> rows{0, 2};
    CHECK_THROWS_WITH_AS((void)ag::gather_rows(tape.leaf(a.view()), rows),
                         "autograd::gather_rows: rows[1] is 2, expected in [0, 2)",
                         re::ShapeError);
  }

  TEST_CASE("concat_rows: stacks parts, empty ones and one part twice included") {
    const auto stack = [](DoubleTape&, const Inputs& x) { return ag::concat_rows(std::span(x)); };
    test::expect_gradient(stack, {{2, 3}, {1, 3}, {4, 3}});
    test::expect_gradient(stack, {{2, 3}, {0, 3}, {1, 3}});
    test::expect_gradient(stack, {{1, 1}});
    test::expect_gradient(stack, {{0, 3}, {0, 3}});
    test::expect_gradient(
        [](DoubleTape& tape, const Inputs& x) {
          const Matrix<double> fixed = test::random_matrix(2, 3, 8);
          return ag::exp(ag::concat_rows({x[0], tape.constant(fixed.view()), x[0]}));
        },
        {{2, 3}});
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(2, 3, 1);
    const Matrix<double> b = test::random_matrix(1, 3, 2);
    const Var<double> y = ag::concat_rows({tape.constant(b.view()), tape.constant(a.view())});
    CHECK(y.rows() == 3);
    CHECK(y.value()(0, 1) == b(0, 1));
    CHECK(y.value()(2, 2) == a(1, 2));
    CHECK_FALSE(y.differentiated());
  }

  TEST_CASE("concat_rows: keeps its own list of parts") {
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(2, 2, 1);
    std::vector<Var<double>> parts{tape.leaf(a.view()), tape.leaf(a.view())};
    const Var<double> first = parts[0];
    const Var<double> y = ag::concat_rows(std::span<const Var<double>>(parts));
    parts.assign(2, Var<double>());
    tape.backward(ag::sum(y));
    CHECK(first.gradient()(1, 1) == 1.0);
  }

  TEST_CASE("concat_rows: rejects different widths and no parts") {
    Tape<double> tape;
    const Matrix<double> a(2, 3);
    const Matrix<double> b(2, 4);
    CHECK_THROWS_WITH_AS((void)ag::concat_rows({tape.leaf(a.view()), tape.leaf(b.view())}),
                         "autograd::concat_rows: part.cols() is 4, expected 3",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS((void)ag::concat_rows(std::span<const Var<double>>()),
                         "autograd::concat_rows: parts.size() is 0, expected at least 1",
                         re::ShapeError);
  }

  TEST_CASE("normalize_rows: gives unit rows, with gradients at any length") {
    test::expect_gradient_at_all_shapes(
        [](DoubleTape&, const Inputs& x) { return ag::normalize_rows(x[0]); }, 0.5, 2.0);
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::normalize_rows(x[0]); }, {{5, 8}}, -50.0, 50.0);
    for (const auto& [rows, cols] : test::kShapes) {
      Tape<double> tape;
      const Matrix<double> a = test::random_matrix(rows, cols, 1);
      const Var<double> y = ag::normalize_rows(tape.constant(a.view()));
      for (Index row = 0; row < rows; ++row) {
        double square = 0.0;
        for (const double v : y.value().row(row)) {
          square += v * v;
        }
        CHECK(std::abs(square - 1.0) < 1e-14);
      }
    }
  }

  TEST_CASE("normalize_rows: the gradient is orthogonal to the row, and a scale changes nothing") {
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(3, 6, 1);
    const Matrix<double> seed = test::random_matrix(3, 6, 2);
    const Var<double> x = tape.leaf(a.view());
    const Var<double> y = ag::normalize_rows(x);
    const Var<double> scaled = ag::normalize_rows(ag::scale(x, 1024.0));
    tape.backward(y, seed.view());
    for (Index row = 0; row < 3; ++row) {
      double along = 0.0;
      for (Index col = 0; col < 6; ++col) {
        along += x.gradient()(row, col) * a(row, col);
        CHECK(scaled.value()(row, col) == y.value()(row, col));
      }
      CHECK(std::abs(along) < 1e-14);
    }
  }

  TEST_CASE("normalize_rows: a zero row stays zero and its gradient finite") {
    Tape<double> tape;
    const Matrix<double> zero(2, 3);
    const Var<double> x = tape.leaf(zero.view());
    const Var<double> y = ag::normalize_rows(x);
    tape.backward(ag::sum(y));
    for (Index col = 0; col < 3; ++col) {
      CHECK(y.value()(1, col) == 0.0);
      CHECK(x.gradient()(1, col) == doctest::Approx(1.0 / ag::kShortestRow));
    }
  }

  TEST_CASE("normalize_rows: does not overflow in float") {
    Tape<float> tape;
    Matrix<float> large(1, 2);
    large(0, 0) = 3e25F;
    large(0, 1) = 4e25F;  // the square is beyond float
    const Var<float> x = tape.leaf(large.view());
    const Var<float> y = ag::normalize_rows(x);
    CHECK(y.value()(0, 0) == doctest::Approx(0.6F));
    CHECK(y.value()(0, 1) == doctest::Approx(0.8F));
  }
}
