#include <reasonembed/simd/row_product.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>
#include <support/numeric.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace simd = re::simd;
using re::Arena;
using re::Index;
using re::Matrix;
using re::MatrixView;
using simd::Level;
using simd::RowProduct;

namespace {

/// The same product by `gemm`, whose bits are the promise.
Matrix<float> by_gemm(MatrixView<const float> a, MatrixView<const float> weight, Level level) {
  Arena arena;
  Matrix<float> c(a.rows(), weight.rows());
  const simd::PackedMatrix<float> packed(weight, level);
  simd::gemm(a, packed.view(), c.view(), simd::Store::kOverwrite, arena);
  return c;
}

bool same(MatrixView<const float> a, MatrixView<const float> b) {
  return test::same_bits<float>(a, b);
}

}  // namespace

TEST_SUITE("simd/row_product") {
  TEST_CASE("multiply: has the bits of gemm, for widths around registers, quads and panels") {
    for (const Level level : test::supported_levels()) {
      for (const Index n :
           {1, 2, 3, 4, 5, 15, 16, 17, 20, 21, 31, 32, 33, 36, 37, 47, 48, 49, 52, 53, 64, 96, 100, 145}) {
        for (const Index k : {1, 2, 3, 4, 5, 16, 17, 31, 64}) {
          CAPTURE(simd::name_of(level));
          CAPTURE(n);
          CAPTURE(k);
          const auto a = test::normal_matrix<float>(53, k, 1);
          const auto weight = test::normal_matrix<float>(n, k, 2);
          auto c = test::normal_matrix<float>(53, n, 3);
          Arena arena;
          RowProduct(weight.view(), level).multiply(a.view(), c.view(), arena);
          REQUIRE(same(c.view(), by_gemm(a.view(), weight.view(), level).view()));
          REQUIRE(c.surroundings_untouched());
        }
      }
    }
  }

  TEST_CASE("multiply: has the bits of gemm for every number of rows, chunks of the cache included") {
    for (const Level level : test::supported_levels()) {
      for (const Index rows : {0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 23, 24, 25, 47, 48, 49, 96, 97, 300}) {
        for (const Index n : {3, 16, 32, 52}) {
          CAPTURE(rows);
          CAPTURE(n);
          const auto a = test::normal_matrix<float>(rows, 200, 4);
          const auto weight = test::normal_matrix<float>(n, 200, 5);
          auto c = test::normal_matrix<float>(rows, n, 6);
          Arena arena;
          RowProduct(weight.view(), level).multiply(a.view(), c.view(), arena);
          REQUIRE(same(c.view(), by_gemm(a.view(), weight.view(), level).view()));
          REQUIRE(c.surroundings_untouched());
        }
      }
    }
  }

  TEST_CASE("multiply: sums longer than a block of the depth are cut where gemm cuts them") {
    for (const Level level : test::supported_levels()) {
      for (const Index k : {1023, 1024, 1025, 2048, 2500}) {
        CAPTURE(k);
        const auto a = test::normal_matrix<float>(9, k, 7);
        const auto weight = test::normal_matrix<float>(53, k, 8);
        auto c = test::normal_matrix<float>(9, 53, 9);
        Arena arena;
        RowProduct(weight.view(), level).multiply(a.view(), c.view(), arena);
        REQUIRE(same(c.view(), by_gemm(a.view(), weight.view(), level).view()));
      }
    }
  }

  TEST_CASE("multiply: is the sum of products within its error bound") {
    const Index k = 384;
    const auto a = test::normal_matrix<float>(20, k, 10);
    const auto weight = test::normal_matrix<float>(100, k, 11);
    Matrix<float> c(20, 100);
    Arena arena;
    RowProduct(weight.view()).multiply(a.view(), c.view(), arena);
    for (Index m = 0; m < 20; ++m) {
      for (Index n = 0; n < 100; ++n) {
        double sum = 0;
        double magnitude = 0;
        for (Index i = 0; i < k; ++i) {
          const double product = static_cast<double>(a.view()(m, i)) * static_cast<double>(weight.view()(n, i));
          sum += product;
          magnitude += std::fabs(product);
        }
        // a chain of k fma: k eps / 2 of the sum of the magnitudes
        REQUIRE(std::fabs(c(m, n) - sum) <= k * 0.6e-7 * magnitude);
      }
    }
  }

  TEST_CASE("multiply: K == 0 gives zeros and N == 0 gives nothing") {
    for (const Level level : test::supported_levels()) {
      Arena arena;
      const auto none = test::normal_matrix<float>(5, 0, 1);
      for (const Index cols : {3, 7}) {
        auto c = test::normal_matrix<float>(5, cols, 2);
        RowProduct(test::normal_matrix<float>(cols, 0, 3).view(), level).multiply(none.view(), c.view(), arena);
        for (Index m = 0; m < 5; ++m) {
          for (Index n = 0; n < cols; ++n) {
            CHECK(c.view()(m, n) == 0.0F);
          }
        }
      }
      Matrix<float> empty(5, 0);
      RowProduct(test::normal_matrix<float>(0, 4, 3).view(), level)
          .multiply(test::normal_matrix<float>(5, 4, 1).view(), empty.view(), arena);
    }
  }

  TEST_CASE("multiply: NaN and infinity stay in their row and column") {
    auto a = test::normal_matrix<float>(30, 10, 1);
    a.view()(17, 3) = std::numeric_limits<float>::quiet_NaN();
    a.view()(4, 9) = std::numeric_limits<float>::infinity();
    auto weight = test::normal_matrix<float>(52, 10, 2);
    weight.view()(50, 0) = std::numeric_limits<float>::quiet_NaN();
    Matrix<float> c(30, 52);
    Arena arena;
    RowProduct(weight.view()).multiply(a.view(), c.view(), arena);
    for (Index m = 0; m < 30; ++m) {
      for (Index n = 0; n < 52; ++n) {
        CAPTURE(m);
        CAPTURE(n);
        CHECK(std::isfinite(c(m, n)) == (m != 17 && m != 4 && n != 50));
      }
    }
  }

  TEST_CASE("multiply: refuses shapes that do not fit") {
    const RowProduct product(test::normal_matrix<float>(3, 8, 1).view());
    CHECK(product.n() == 3);
    CHECK(product.k() == 8);
    Arena arena;
    Matrix<float> c(2, 3);
    Matrix<float> narrow(2, 2);
    CHECK_THROWS_WITH_AS(product.multiply(Matrix<float>(2, 7).view(), c.view(), arena),
                         "simd::RowProduct::multiply: a.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(product.multiply(Matrix<float>(3, 8).view(), c.view(), arena),
                         "simd::RowProduct::multiply: c.rows() is 2, expected 3",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(product.multiply(Matrix<float>(2, 8).view(), narrow.view(), arena),
                         "simd::RowProduct::multiply: c.cols() is 2, expected 3",
                         re::ShapeError);
  }

  TEST_CASE("multiply: many threads may use one product, a moved one gives the same") {
    const auto a = test::normal_matrix<float>(100, 60, 1);
    RowProduct product(test::normal_matrix<float>(53, 60, 2).view());
    Matrix<float> expected(100, 53);
    Arena arena;
    product.multiply(a.view(), expected.view(), arena);
    const RowProduct moved = std::move(product);
    std::vector<Matrix<float>> found(4);
    {
      std::vector<std::jthread> threads;
      for (Matrix<float>& own : found) {
        threads.emplace_back([&] {
          Arena scratch;
          own = Matrix<float>(100, 53);
          moved.multiply(a.view(), own.view(), scratch);
        });
      }
    }
    for (const Matrix<float>& own : found) {
      CHECK(same(own.view(), expected.view()));
    }
  }
}
