#include <reasonembed/autograd/ops.hpp>
#include <reasonembed/autograd/reductions.hpp>

#include <doctest/doctest.h>

#include <support/tape.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

namespace re = reasonembed;
namespace ag = reasonembed::autograd;
using ag::Tape;
using ag::Var;
using re::Index;
using re::Matrix;
using test::DoubleTape;
using test::Inputs;

TEST_SUITE("autograd/reductions") {
  TEST_CASE("sum, mean, sum_rows, sum_cols: gradients") {
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::sum(x[0]); }, 0.5, 2.0);
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::sum_rows(x[0]); });
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::sum_cols(x[0]); });
    for (const test::Shape& shape : test::kShapes) {
      test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::mean(x[0]); }, {shape}, 0.5, 2.0);
      test::expect_gradient(
          [](DoubleTape&, const Inputs& x) { return ag::sum(x[0]) * ag::mean(x[0] * x[0]); }, {shape}, 0.5, 2.0);
    }
  }

  TEST_CASE("sum, mean, sum_rows, sum_cols: equal plain loops") {
    for (const auto& [rows, cols] : test::kShapes) {
      Tape<double> tape;
      const Matrix<double> a = test::random_matrix(rows, cols, 1);
      const Var<double> x = tape.constant(a.view());
      double total = 0.0;
      std::vector<double> by_row(static_cast<std::size_t>(rows));
      std::vector<double> by_col(static_cast<std::size_t>(cols));
      for (Index row = 0; row < rows; ++row) {
        for (Index col = 0; col < cols; ++col) {
          total += a(row, col);
          by_row[static_cast<std::size_t>(row)] += a(row, col);
          by_col[static_cast<std::size_t>(col)] += a(row, col);
        }
      }
      CHECK(ag::sum(x).item() == total);
      CHECK(ag::mean(x).item() == total * (1.0 / static_cast<double>(rows * cols)));
      const Var<double> sum_rows = ag::sum_rows(x);
      const Var<double> sum_cols = ag::sum_cols(x);
      CHECK(sum_rows.rows() == rows);
      CHECK(sum_rows.cols() == 1);
      CHECK(sum_cols.rows() == 1);
      CHECK(sum_cols.cols() == cols);
      for (Index row = 0; row < rows; ++row) {
        CHECK(sum_rows.value()(row, 0) == by_row[static_cast<std::size_t>(row)]);
      }
      for (Index col = 0; col < cols; ++col) {
        CHECK(sum_cols.value()(0, col) == by_col[static_cast<std::size_t>(col)]);
      }
    }
  }

  TEST_CASE("sum, sum_rows, sum_cols: of nothing are zero") {
    Tape<double> tape;
    const Matrix<double> no_rows(0, 3);
    const Matrix<double> no_cols(2, 0);
    CHECK(ag::sum(tape.constant(no_rows.view())).item() == 0.0);
    CHECK(ag::sum_cols(tape.constant(no_rows.view())).value()(0, 2) == 0.0);
    CHECK(ag::sum_rows(tape.constant(no_cols.view())).value()(1, 0) == 0.0);
    CHECK(ag::sum_rows(tape.constant(no_rows.view())).rows() == 0);
  }

  TEST_CASE("mean: of nothing is an error, with and without gradients") {
    Tape<double> tape;
    const Matrix<double> none(0, 3);
    CHECK_THROWS_WITH_AS((void)ag::mean(tape.constant(none.view())),
                         "autograd::mean: variable is (0, 3), expected at least one element",
                         re::ShapeError);
    for (const test::Shape& shape : test::kEmptyShapes) {
      CHECK(
          ag::check_gradient([](DoubleTape&, const Inputs& x) { return ag::mean(x[0]); }, test::random_inputs({shape}))
              .threw);
    }
    CHECK_THROWS_AS((void)ag::mean(Var<double>()), re::ConfigError);
  }

  TEST_CASE("sum: in float is as exact as the rounding of the result") {
    Tape<float> tape;
    Matrix<float> many(1000, 100);
    for (float& x : many.flat()) {
      x = 0.1F;
    }
    many(0, 0) = 1e6F;  // a float sum would lose most of what follows
    const double exact = 1e6 + 99999.0 * static_cast<double>(0.1F);
    CHECK(ag::sum(tape.constant(many.view())).item() == static_cast<float>(exact));
    const Var<float> rows = ag::sum_rows(tape.constant(many.view()));
    CHECK(rows.value()(0, 0) == static_cast<float>(1e6 + 99.0 * static_cast<double>(0.1F)));
    const Var<float> cols = ag::sum_cols(tape.constant(many.view()));
    CHECK(cols.value()(0, 0) == static_cast<float>(1e6 + 999.0 * static_cast<double>(0.1F)));
  }

  TEST_CASE("sum: the sum of sum_rows, of sum_cols and of all is the same") {
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(11, 7, 1);
    const Var<double> x = tape.constant(a.view());
    const double total = ag::sum(x).item();
    CHECK(ag::sum(ag::sum_rows(x)).item() == doctest::Approx(total).epsilon(1e-14));
    CHECK(ag::sum(ag::sum_cols(x)).item() == doctest::Approx(total).epsilon(1e-14));
  }
}
