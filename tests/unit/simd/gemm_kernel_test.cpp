#include <reasonembed/simd/gemm_kernel.hpp>
// behind the header under test, which must compile on its own
#include <reasonembed/core/aligned_buffer.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>
#include <support/numeric.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace detail = re::simd::detail;
using re::AlignedBuffer;
using re::Index;
using re::simd::Level;
using test::GuardedMatrix;

namespace {

template <class T>
AlignedBuffer<T> random_panel(Index depth, Index width, unsigned seed) {
  AlignedBuffer<T> panel(depth * width);
  std::mt19937 generator(seed);
  std::uniform_real_distribution<T> uniform(T(-1), T(1));
  for (T& x : panel.span()) {
    x = uniform(generator);
  }
  return panel;
}

/// What loads of float and double from b rely on; those of NEON rely on nothing.
std::size_t aligned_bytes(Level level) {
  if (detail::is_neon(level)) {
    return 1;
  }
  return level >= Level::kAvx512 ? 64 : 32;
}

}  // namespace

TEST_SUITE("simd/gemm_kernel") {
  TEST_CASE_TEMPLATE("gemm_kernel: every level has a tile that fits the buffer for edges", T, float, double) {
    for (const Level level : test::kLevels) {
      const detail::GemmKernel<T>& kernel = detail::gemm_kernel<T>(level);
      CHECK(kernel.rows > 0);
      CHECK(kernel.cols > 0);
      CHECK(kernel.rows * kernel.cols <= detail::kLargestTile);
      CHECK(kernel.cols % kernel.lanes == 0);
      for (std::size_t part = 0; part < static_cast<std::size_t>(kernel.cols / kernel.lanes); ++part) {
        CHECK((kernel.multiply_packed[part] != nullptr));
        CHECK((kernel.multiply_rows[part] != nullptr));
      }
      CHECK((kernel.pack_a_transposed != nullptr));
      CHECK((kernel.pack_a_copied != nullptr));
      CHECK((kernel.pack_b_transposed != nullptr));
      CHECK((kernel.pack_b_copied != nullptr));
    }
  }

  TEST_CASE_TEMPLATE("gemm_kernel: one step of b keeps the alignment that loads rely on", T, float, double) {
    for (const Level level : test::supported_levels()) {
      const std::size_t step = static_cast<std::size_t>(detail::gemm_kernel<T>(level).cols) * sizeof(T);
      CHECK(step % aligned_bytes(level) == 0);
    }
  }

  TEST_CASE_TEMPLATE("multiply: is a chain in the order of the depth, for any part of a tile", T, float, double) {
    for (const Level level : test::supported_levels()) {
      const detail::GemmKernel<T>& kernel = detail::gemm_kernel<T>(level);
      for (const Index depth : {0, 1, 2, 3, 4, 5, 63}) {
        for (Index part = 1; part <= kernel.cols / kernel.lanes; ++part) {
          for (const bool accumulate : {false, true}) {
            const AlignedBuffer<T> a = random_panel<T>(depth, kernel.rows, 1);
            const AlignedBuffer<T> b = random_panel<T>(depth, kernel.cols, 2);
            GuardedMatrix<T> rows = GuardedMatrix<T>(kernel.rows, depth, 3, 1);  // a as it lies in memory
            for (Index i = 0; i < kernel.rows; ++i) {
              for (Index k = 0; k < depth; ++k) {
                rows.view()(i, k) = a.data()[k * kernel.rows + i];
              }
            }
            GuardedMatrix<T> c = GuardedMatrix<T>(kernel.rows, part * kernel.lanes, depth, 1).fill_random(3);
            const GuardedMatrix<T> before = c;
            GuardedMatrix<T> in_place = c;
            detail::Tile<T> tile{
                depth, a.data(), b.data(), c.view().data(), c.view().stride(), accumulate, b.data(), 1, 0};
            kernel.multiply_packed[static_cast<std::size_t>(part) - 1](tile);
            tile.a = rows.view().data();
            tile.a_stride = rows.view().stride();
            tile.c = in_place.view().data();
            kernel.multiply_rows[static_cast<std::size_t>(part) - 1](tile);
            bool equal = true;
            for (Index i = 0; i < kernel.rows; ++i) {
              for (Index j = 0; j < part * kernel.lanes; ++j) {
                T sum = 0;
                for (Index k = 0; k < depth; ++k) {
                  const T x = a.data()[k * kernel.rows + i];
                  const T y = b.data()[k * kernel.cols + j];
                  const T product = x * y;
                  sum = level == Level::kPortable ? sum + product : std::fma(x, y, sum);
                }
                equal = equal && c(i, j) == (accumulate ? before(i, j) + sum : sum) && in_place(i, j) == c(i, j);
              }
            }
            CAPTURE(name_of(level));
            CAPTURE(depth);
            CAPTURE(part);
            CAPTURE(accumulate);
            CHECK(equal);
            CHECK(c.surroundings_untouched());
            CHECK(in_place.surroundings_untouched());
          }
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("multiply: overwriting does not read c", T, float, double) {
    for (const Level level : test::supported_levels()) {
      const detail::GemmKernel<T>& kernel = detail::gemm_kernel<T>(level);
      const AlignedBuffer<T> a(2 * kernel.rows);
      const AlignedBuffer<T> b(2 * kernel.cols);
      GuardedMatrix<T> c(kernel.rows, kernel.cols);
      c.fill(std::numeric_limits<T>::quiet_NaN());
      kernel.multiply_packed[static_cast<std::size_t>(kernel.cols / kernel.lanes) - 1](
          {2, a.data(), b.data(), c.view().data(), c.view().stride(), false, b.data(), 1, 0});
      bool zero = true;
      for (Index i = 0; i < kernel.rows; ++i) {
        for (const T x : c.view().row(i)) {
          zero = zero && x == 0;
        }
      }
      CHECK(zero);
    }
  }

  TEST_CASE("gemm_kernel: a weight in bf16 has the tile of the float kernel, and aligned loads of half the size") {
    for (const Level level : test::supported_levels()) {
      const auto& kernel = detail::gemm_kernel<float, re::bf16>(level);
      CHECK(kernel.rows == detail::gemm_kernel<float>(level).rows);
      CHECK(kernel.cols == detail::gemm_kernel<float>(level).cols);
      CHECK((kernel.pack_a_transposed == detail::gemm_kernel<float>(level).pack_a_transposed));
      const std::size_t step = static_cast<std::size_t>(kernel.cols) * sizeof(re::bf16);
      CHECK(step % std::max(aligned_bytes(level) / 2, sizeof(re::bf16)) == 0);
    }
  }

  TEST_CASE("multiply: panels in bf16 give the bits of the same panels in float, NaN, infinity and -0 included") {
    for (const Level level : test::supported_levels()) {
      const auto& narrow = detail::gemm_kernel<float, re::bf16>(level);
      const auto& wide = detail::gemm_kernel<float>(level);
      for (const Index depth : {0, 1, 2, 3, 64, 257}) {
        AlignedBuffer<float> a = random_panel<float>(depth, wide.rows, 4);
        AlignedBuffer<float> b = random_panel<float>(depth, wide.cols, 5);
        AlignedBuffer<re::bf16> stored(b.size());
        for (Index i = 0; i < b.size(); ++i) {
          b.span()[static_cast<std::size_t>(i)] *= i % 7 == 0 ? 1e-38F : 1.0F;  // subnormal in float and in bf16
        }
        if (depth == 257) {
          b.data()[5] = std::numeric_limits<float>::infinity();
          b.data()[wide.cols + 1] = -0.0F;
          b.data()[2 * wide.cols] = std::numeric_limits<float>::quiet_NaN();
        }
        re::convert(std::as_const(b).span(), stored.span());
        re::convert(std::as_const(stored).span(), b.span());
        for (const bool accumulate : {false, true}) {
          GuardedMatrix<float> got = GuardedMatrix<float>(wide.rows, wide.cols, 3, 1).fill_random(6);
          GuardedMatrix<float> want = got;
          const std::size_t whole = static_cast<std::size_t>(wide.cols / wide.lanes) - 1;
          narrow.multiply_packed[whole]({depth,
                                         a.data(),
                                         stored.data(),
                                         got.view().data(),
                                         got.view().stride(),
                                         accumulate,
                                         stored.data(),
                                         1,
                                         0});
          wide.multiply_packed[whole](
              {depth, a.data(), b.data(), want.view().data(), want.view().stride(), accumulate, b.data(), 1, 0});
          CAPTURE(name_of(level));
          CAPTURE(depth);
          CHECK(test::same_bits<float>(std::as_const(got).view(), std::as_const(want).view()));
          CHECK(got.surroundings_untouched());
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("depth_block: covers the depth with blocks of nearly one length, at most 4 KB", T, float, double) {
    const Index most = 4096 / static_cast<Index>(sizeof(T));
    CHECK(detail::depth_block<T>(0) == 0);
    CHECK(detail::depth_block<T>(1) == 1);
    CHECK(detail::depth_block<T>(most) == most);
    CHECK(detail::depth_block<T>(most + 1) == most / 2 + 1);
    CHECK(detail::depth_block<T>(2 * most) == most);
    for (Index depth = 1; depth < 5 * most; depth += 13) {
      const Index block = detail::depth_block<T>(depth);
      const Index blocks = (depth + block - 1) / block;
      const Index last = depth - (blocks - 1) * block;
      CAPTURE(depth);
      CHECK((block <= most && blocks == (depth + most - 1) / most && last > 0 && block - last < blocks));
    }
  }
}
