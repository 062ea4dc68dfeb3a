#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/gemm_int8.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

namespace re = reasonembed;
using re::Arena;
using re::Index;
using re::int8;
using re::Matrix;
using re::MatrixView;
using re::simd::gemm;
using re::simd::Level;
using re::simd::PackedMatrix;
using re::simd::Store;
using test::GuardedMatrix;

namespace {

Matrix<float> random_matrix(Index rows, Index cols, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  Matrix<float> matrix(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (float& x : matrix.row(i)) {
      x = normal(engine);
    }
  }
  return matrix;
}

float largest(std::span<const float> row) {
  float most = 0;
  for (const float x : row) {
    most = std::max(most, std::abs(x));
  }
  return most;
}

/// What gemm promises, one element at a time: the integers of both sides, and one rounding for each scale.
float element(std::span<const float> a, std::span<const float> weight) {
  const float most_a = largest(a);
  const float most_w = largest(weight);
  const float inverse_a = most_a < 0x1p-100F ? 0.0F : 127.0F / most_a;
  const float inverse_w = most_w < 0x1p-100F ? 0.0F : 127.0F / most_w;
  long long sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    sum += std::lrint(a[k] * inverse_a) * std::lrint(weight[k] * inverse_w);
  }
  const float scale_a = inverse_a == 0.0F ? 0.0F : most_a / 127.0F;
  const float scale_w = inverse_w == 0.0F ? 0.0F : most_w / 127.0F;
  const float scaled = static_cast<float>(sum) * scale_a;
  return scaled * scale_w;
}

bool same_bits(float x, float y) {
  return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
}

/// Elements that are not what gemm promises.
Index wrong_elements(MatrixView<const float> a, MatrixView<const float> weight, MatrixView<const float> c) {
  Index wrong = 0;
  for (Index m = 0; m < c.rows(); ++m) {
    for (Index n = 0; n < c.cols(); ++n) {
      wrong += same_bits(c(m, n), element(a.row(m), weight.row(n))) ? 0 : 1;
    }
  }
  return wrong;
}

}  // namespace

TEST_SUITE("simd/gemm_int8") {
  TEST_CASE("gemm: an int8 product has the bits of its integers, at every level, at every edge of tiles") {
    Arena arena;
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      for (const Index m : {1, 3, 4, 7, 8, 9, 17}) {
        for (const Index n : {1, 15, 16, 17, 32, 47, 48, 49, 97}) {
          for (const Index k : {1, 2, 3, 4, 5, 15, 16, 17, 63, 130}) {
            CAPTURE(m);
            CAPTURE(n);
            CAPTURE(k);
            const Matrix<float> a = random_matrix(m, k, 1);
            const Matrix<float> weight = random_matrix(n, k, 2);
            const PackedMatrix<int8> packed(weight.view(), level);
            Matrix<float> c(m, n);
            gemm(a.view(), packed.view(), c.view(), Store::kOverwrite, arena);
            REQUIRE(wrong_elements(a.view(), weight.view(), c.view()) == 0);
          }
        }
      }
    }
  }

  TEST_CASE("gemm: a row of an int8 product depends neither on the rows beside it nor on strides") {
    Arena arena;
    const Matrix<float> a = random_matrix(700, 600, 3);  // more rows than are quantised at once
    const Matrix<float> weight = random_matrix(100, 600, 4);
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      const PackedMatrix<int8> packed(weight.view(), level);
      Matrix<float> whole(700, 100);
      gemm(a.view(), packed.view(), whole.view(), Store::kOverwrite, arena);
      for (const Index row : {0, 5, 431, 699}) {
        Matrix<float> wide(1, 612);
        std::copy_n(a.row(row).begin(), 600, wide.row(0).begin() + 5);
        Matrix<float> alone(1, 133);
        gemm(wide.view().col_block(5, 600), packed.view(), alone.view().col_block(1, 100), Store::kOverwrite, arena);
        for (Index n = 0; n < 100; ++n) {
          REQUIRE(same_bits(alone(0, n + 1), whole(row, n)));
        }
      }
    }
  }

  TEST_CASE("gemm: an int8 product adds to what is there, and finishes every element with the epilogue") {
    Arena arena;
    const Matrix<float> a = random_matrix(13, 37, 5);
    const Matrix<float> weight = random_matrix(50, 37, 6);
    std::vector<float> bias(50);
    for (std::size_t i = 0; i < bias.size(); ++i) {
      bias[i] = static_cast<float>(i);
    }
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      const PackedMatrix<int8> packed(weight.view(), level);
      Matrix<float> product(13, 50);
      gemm(a.view(), packed.view(), product.view(), Store::kOverwrite, arena);
      Matrix<float> sum = random_matrix(13, 50, 7);
      const Matrix<float> before = random_matrix(13, 50, 7);
      gemm(a.view(), packed.view(), sum.view(), Store::kAccumulate, arena, re::simd::AddBias<float>{bias});
      for (Index m = 0; m < 13; ++m) {
        for (Index n = 0; n < 50; ++n) {
          const float added = before(m, n) + product(m, n);
          REQUIRE(sum(m, n) == added + bias[static_cast<std::size_t>(n)]);
        }
      }
    }
  }

  TEST_CASE("gemm: the error of an int8 product is within what the steps allow") {
    Arena arena;
    const Matrix<float> a = random_matrix(9, 384, 8);
    const Matrix<float> weight = random_matrix(60, 384, 9);
    const PackedMatrix<int8> packed(weight.view());
    Matrix<float> c(9, 60);
    gemm(a.view(), packed.view(), c.view(), Store::kOverwrite, arena);
    for (Index m = 0; m < 9; ++m) {
      for (Index n = 0; n < 60; ++n) {
        const double s = static_cast<double>(largest(a.row(m))) / 127;
        const double t = static_cast<double>(largest(weight.row(n))) / 127;
        double exact = 0;
        double bound = 384 * s * t / 4;
        for (Index k = 0; k < 384; ++k) {
          const double x = a(m, k);
          const double w = weight(n, k);
          exact += x * w;
          bound += (s * std::abs(w) + t * std::abs(x)) / 2;
        }
        REQUIRE(std::abs(c(m, n) - exact) <= bound * 1.0001);
      }
    }
  }

  TEST_CASE("gemm: the largest sums fit: 65,536 products of the largest integers") {
    Arena arena;
    constexpr Index kDepth = PackedMatrix<int8>::kMostInputs;
    Matrix<float> a(2, kDepth);
    Matrix<float> weight(3, kDepth);
    for (Index k = 0; k < kDepth; ++k) {
      a(0, k) = 127;
      a(1, k) = -127;
      weight(0, k) = 127;
      weight(1, k) = -127;
      weight(2, k) = k % 2 == 0 ? 127 : -127;
    }
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      const PackedMatrix<int8> packed(weight.view(), level);
      Matrix<float> c(2, 3);
      gemm(a.view(), packed.view(), c.view(), Store::kOverwrite, arena);
      const float most = 127.0F * 127.0F * static_cast<float>(kDepth);
      const std::array<float, 6> want = {most, -most, 0, -most, most, 0};
      for (Index i = 0; i < 6; ++i) {
        CHECK(c(i / 3, i % 3) == want[static_cast<std::size_t>(i)]);
      }
    }
  }

  TEST_CASE("gemm: zeros stay zeros, tiny rows count as zero, and a number that is not finite spoils its row alone") {
    Arena arena;
    const float inf = std::numeric_limits<float>::infinity();
    Matrix<float> a = random_matrix(6, 20, 10);
    std::fill(a.row(0).begin(), a.row(0).end(), 0.0F);
    std::fill(a.row(1).begin(), a.row(1).end(), 0x1p-120F);
    a(2, 19) = inf;
    a(3, 0) = std::numeric_limits<float>::quiet_NaN();
    std::fill(a.row(4).begin(), a.row(4).end(), std::numeric_limits<float>::max());
    Matrix<float> weight = random_matrix(5, 20, 11);
    std::fill(weight.row(1).begin(), weight.row(1).end(), 0.0F);
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      const PackedMatrix<int8> packed(weight.view(), level);
      Matrix<float> c(6, 5);
      gemm(a.view(), packed.view(), c.view(), Store::kOverwrite, arena);
      for (Index n = 0; n < 5; ++n) {
        CHECK(c(0, n) == 0.0F);
        CHECK(c(1, n) == 0.0F);
        CHECK(std::isnan(c(2, n)));
        CHECK(std::isnan(c(3, n)));
        CHECK(!std::isnan(c(4, n)));
        CHECK(std::isfinite(c(5, n)));
      }
      CHECK(c(5, 1) == 0.0F);
      CHECK(c(5, 0) == element(a.row(5), weight.row(0)));
    }
  }

  TEST_CASE("gemm: an int8 product leaves everything beside its result alone, and the scratch as it was") {
    const Matrix<float> a = random_matrix(11, 30, 12);
    const Matrix<float> weight = random_matrix(53, 30, 13);
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      const PackedMatrix<int8> packed(weight.view(), level);
      Arena arena;
      {
        const re::ArenaScope scope(arena);
        (void)arena.allocate<float>(re::simd::gemm_scratch<int8>(11, 30, level));
      }
      const auto most = arena.capacity();
      GuardedMatrix<float> c(11, 53, 64);
      gemm(a.view(), packed.view(), c.view(), Store::kOverwrite, arena);
      CHECK(c.surroundings_untouched());
      CHECK(arena.capacity() == most);
    }
  }

  TEST_CASE("gemm: an int8 product of no rows, no columns or no depth") {
    Arena arena;
    const PackedMatrix<int8> packed(Matrix<float>(3, 0).view());
    Matrix<float> c(2, 3);
    std::fill(c.row(0).begin(), c.row(0).end(), 5.0F);
    gemm(Matrix<float>(2, 0).view(), packed.view(), c.view(), Store::kOverwrite, arena);
    CHECK(c(0, 0) == 0.0F);
    CHECK(re::simd::gemm_scratch<int8>(0, 4, re::simd::best_level()) == 0);
    Matrix<float> none(0, 3);
    gemm(Matrix<float>(0, 0).view(), packed.view(), none.view(), Store::kOverwrite, arena);
  }
}
