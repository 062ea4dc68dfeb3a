#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/elementwise.hpp>

#include <doctest/doctest.h>

#include <support/numeric.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using test::GuardedMatrix;

TEST_SUITE("simd/elementwise") {
  TEST_CASE_TEMPLATE("add, accumulate, scale and multiply: round once, for every length", T, float, double) {
    for (const Index cols : test::kLengths) {
      CAPTURE(cols);
      const auto x = test::normal_matrix<T>(3, cols, 71);
      const auto y = test::normal_matrix<T>(3, cols, 72, 2.0, 1, 2);
      GuardedMatrix<T> sum(3, cols, 2, 1);
      GuardedMatrix<T> product(3, cols, 0, 3);
      GuardedMatrix<T> scaled(3, cols, 5, 0);
      auto accumulated = y;
      simd::add(x.view(), y.view(), sum.view());
      simd::multiply(x.view(), y.view(), product.view());
      simd::scale(x.view(), T{0.3}, scaled.view());
      simd::accumulate(x.view(), accumulated.view());
      for (Index t = 0; t < 3; ++t) {
        for (Index d = 0; d < cols; ++d) {
          CHECK(sum(t, d) == x(t, d) + y(t, d));
          CHECK(accumulated(t, d) == x(t, d) + y(t, d));
          CHECK(product(t, d) == x(t, d) * y(t, d));
          CHECK(scaled(t, d) == T{0.3} * x(t, d));
        }
      }
      for (const auto* written : {&sum, &product, &scaled, &accumulated}) {
        CHECK(written->surroundings_untouched());
      }
    }
  }

  TEST_CASE("add, scale and multiply: work in place on either operand") {
    const auto x = test::normal_matrix<float>(4, 19, 73);
    const auto y = test::normal_matrix<float>(4, 19, 74);
    auto first = x;
    auto second = y;
    auto square = x;
    auto twice = x;
    simd::add(first.view(), y.view(), first.view());
    simd::add(x.view(), second.view(), second.view());
    simd::multiply(square.view(), square.view(), square.view());
    simd::scale(twice.view(), 2.0F, twice.view());
    for (Index t = 0; t < 4; ++t) {
      for (Index d = 0; d < 19; ++d) {
        CHECK(first(t, d) == x(t, d) + y(t, d));
        CHECK(second(t, d) == x(t, d) + y(t, d));
        CHECK(square(t, d) == x(t, d) * x(t, d));
        CHECK(twice(t, d) == x(t, d) + x(t, d));
      }
    }
  }

  TEST_CASE_TEMPLATE("column_sums: adds the sum of each column", T, float, double) {
    for (const Index rows : {0, 1, 2, 63, 64, 65, 200}) {
      for (const Index cols : {0, 1, 15, 16, 17, 33}) {
        CAPTURE(rows);
        CAPTURE(cols);
        const auto x = test::normal_matrix<T>(rows, cols, 75);
        GuardedMatrix<T> sums(1, cols);
        sums.fill(T{1});
        simd::column_sums(x.view(), sums.view().row(0));
        for (Index d = 0; d < cols; ++d) {
          double want = 1.0;
          double sizes = 1.0;
          for (Index t = 0; t < rows; ++t) {
            want += static_cast<double>(x(t, d));
            sizes += std::fabs(static_cast<double>(x(t, d)));
          }
          // at most 64 roundings in a block and one for each of the 4 blocks
          CHECK(std::fabs(sums(0, d) - want) <= 68 * std::numeric_limits<T>::epsilon() * sizes);
        }
        CHECK(sums.surroundings_untouched());
      }
    }
  }

  TEST_CASE("column_sums: a column's bits do not depend on the columns beside it") {
    const auto x = test::normal_matrix<float>(130, 40, 76);
    std::vector<float> whole(40);
    simd::column_sums(x.view(), std::span<float>(whole));
    for (Index d = 0; d < 40; ++d) {
      std::vector<float> one(1);
      simd::column_sums(x.view().col_block(d, 1), std::span<float>(one));
      CHECK(one[0] == whole[static_cast<std::size_t>(d)]);
    }
  }

  TEST_CASE("all: reject shapes that differ") {
    GuardedMatrix<float> good(2, 8);
    GuardedMatrix<float> wide(2, 7);
    GuardedMatrix<float> tall(3, 8);
    const auto g = good.view();
    const auto w = wide.view();
    CHECK_THROWS_WITH_AS(simd::add(g, w, g), "simd::add: y.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::add(g, g, tall.view()), "simd::add: out.rows() is 3, expected 2", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::accumulate(g, w), "simd::accumulate: y.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::scale(g, 1.0F, w), "simd::scale: y.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::multiply(g, w, g), "simd::multiply: y.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(simd::multiply(g, g, w), "simd::multiply: out.cols() is 7, expected 8", re::ShapeError);
    std::vector<float> sums(7);
    CHECK_THROWS_WITH_AS(
        simd::column_sums(g, std::span<float>(sums)), "simd::column_sums: y.size() is 7, expected 8", re::ShapeError);
  }
}
