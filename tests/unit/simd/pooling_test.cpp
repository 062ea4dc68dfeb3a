#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/pooling.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using test::GuardedMatrix;

namespace {

using Numbers = std::vector<std::int32_t>;

}  // namespace

TEST_SUITE("simd/pooling") {
  TEST_CASE_TEMPLATE("mean_pool: is the sum in token order times 1 / length", T, float, double) {
    const Numbers offsets{0, 1, 4, 11};
    for (const Index width : test::kLengths) {
      CAPTURE(width);
      const auto x = test::normal_matrix<T>(11, width, 141);
      GuardedMatrix<T> y(3, width, 2, 1);
      simd::mean_pool(x.view(), offsets, y.view());
      CHECK(y.surroundings_untouched());
      for (std::size_t b = 0; b < 3; ++b) {
        for (Index d = 0; d < width; ++d) {
          T sum{0};
          for (Index t = offsets[b]; t < offsets[b + 1]; ++t) {
            sum += x(t, d);
          }
          CHECK(y(static_cast<Index>(b), d) == sum * (T{1} / static_cast<T>(offsets[b + 1] - offsets[b])));
        }
      }
    }
  }

  TEST_CASE("mean_pool: a sequence's bits do not depend on its neighbours, nor does NaN leave it") {
    const Numbers offsets{0, 5, 12};
    auto x = test::normal_matrix<float>(12, 21, 142);
    GuardedMatrix<float> together(2, 21);
    GuardedMatrix<float> alone(1, 21);
    x.view()(2, 4) = std::numeric_limits<float>::quiet_NaN();
    simd::mean_pool(x.view(), offsets, together.view());
    simd::mean_pool(x.view().row_block(5, 7), Numbers{0, 7}, alone.view());
    CHECK(test::same_bits<float>(std::as_const(alone).view(), std::as_const(together).view().row_block(1, 1)));
    CHECK(std::isnan(together(0, 4)));
    CHECK(std::isfinite(together(0, 3)));
  }

  TEST_CASE("mean_pool_vjp: equals finite differences and overwrites") {
    const Numbers offsets{0, 3, 4, 9};
    auto x = test::normal_matrix<double>(9, 5, 143);
    const auto dy = test::normal_matrix<double>(3, 5, 144);
    GuardedMatrix<double> y(3, 5);
    GuardedMatrix<double> dx(9, 5, 1, 2);
    dx.fill(std::numeric_limits<double>::quiet_NaN());
    simd::mean_pool_vjp(dy.view(), offsets, dx.view());
    CHECK(dx.surroundings_untouched());
    const auto loss = [&] {
      simd::mean_pool(x.view(), offsets, y.view());
      return test::inner(y.view(), dy.view());
    };
    test::check_gradient(loss, x.view(), dx.view());
  }

  TEST_CASE_TEMPLATE("select_rows: copies rows, repeated and in any order", T, float, double) {
    const Numbers rows{4, 0, 4, 3};
    for (const Index width : test::kLengths) {
      CAPTURE(width);
      const auto x = test::normal_matrix<T>(5, width, 145);
      GuardedMatrix<T> y(4, width, 2, 1);
      simd::select_rows(x.view(), rows, y.view());
      CHECK(y.surroundings_untouched());
      for (Index i = 0; i < 4; ++i) {
        CHECK(test::same_bits<T>(std::as_const(y).view().row(i), x.view().row(rows[static_cast<std::size_t>(i)])));
      }
    }
  }

  TEST_CASE("select_rows_vjp: equals finite differences, overwrites, and adds where a row was taken twice") {
    const Numbers rows{4, 0, 4};
    auto x = test::normal_matrix<double>(5, 7, 146);
    const auto dy = test::normal_matrix<double>(3, 7, 147);
    GuardedMatrix<double> y(3, 7);
    GuardedMatrix<double> dx(5, 7, 1, 2);
    dx.fill(std::numeric_limits<double>::quiet_NaN());
    simd::select_rows_vjp(dy.view(), rows, dx.view());
    CHECK(dx.surroundings_untouched());
    const auto loss = [&] {
      simd::select_rows(x.view(), rows, y.view());
      return test::inner(y.view(), dy.view());
    };
    test::check_gradient(loss, x.view(), dx.view());
    for (Index d = 0; d < 7; ++d) {
      CHECK(dx(2, d) == 0.0);
      CHECK(dx(4, d) == dy(0, d) + dy(2, d));
    }
  }

  TEST_CASE("all: no sequences and no rows give nothing") {
    GuardedMatrix<float> none(0, 3);
    simd::mean_pool(none.view(), Numbers{0}, none.view());
    simd::mean_pool_vjp(none.view(), Numbers{0}, none.view());
    simd::select_rows(none.view(), Numbers{}, none.view());
    GuardedMatrix<float> dx(2, 3);
    dx.fill(1.0F);
    simd::select_rows_vjp(none.view(), Numbers{}, dx.view());
    CHECK(test::same_bits<float>(std::as_const(dx).view(), GuardedMatrix<float>(2, 3).view()));
  }

  TEST_CASE("all: reject empty sequences, rows that are not there and shapes that do not fit") {
    GuardedMatrix<float> x(6, 8);
    GuardedMatrix<float> y(2, 8);
    CHECK_THROWS_WITH_AS(simd::mean_pool(x.view(), Numbers{0, 6, 6}, y.view()),
                         "simd::mean_pool: length of sequence 1 is 0, expected at least 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::mean_pool_vjp(y.view(), Numbers{0, 0, 6}, x.view()),
                         "simd::mean_pool_vjp: length of sequence 0 is 0, expected at least 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::mean_pool(x.view(), Numbers{0, 2, 5}, y.view()),
                         "simd::mean_pool: offsets[2] is 5, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::mean_pool(x.view(), Numbers{0, 6}, y.view()),
                         "simd::mean_pool: y.rows() is 2, expected 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::mean_pool(x.view(), Numbers{0, 2, 6}, y.view().col_block(0, 7)),
                         "simd::mean_pool: y.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::mean_pool_vjp(y.view(), Numbers{0, 6}, x.view()),
                         "simd::mean_pool_vjp: dy.rows() is 2, expected 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::mean_pool_vjp(y.view().col_block(0, 7), Numbers{0, 2, 6}, x.view()),
                         "simd::mean_pool_vjp: dy.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::select_rows(x.view(), Numbers{0, 6}, y.view()),
                         "simd::select_rows: rows[1] is 6, expected 0 <= row < 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::select_rows(x.view(), Numbers{0}, y.view()),
                         "simd::select_rows: y.rows() is 2, expected 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::select_rows(x.view(), Numbers{0, 1}, y.view().col_block(0, 7)),
                         "simd::select_rows: y.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::select_rows_vjp(y.view(), Numbers{-1, 1}, x.view()),
                         "simd::select_rows_vjp: rows[0] is -1, expected 0 <= row < 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::select_rows_vjp(y.view(), Numbers{1}, x.view()),
                         "simd::select_rows_vjp: dy.rows() is 2, expected 1",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::select_rows_vjp(y.view().col_block(0, 7), Numbers{0, 1}, x.view()),
                         "simd::select_rows_vjp: dy.cols() is 7, expected 8",
                         re::ShapeError);
  }
}
