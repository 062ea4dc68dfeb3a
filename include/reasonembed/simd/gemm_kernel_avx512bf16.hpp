#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/gemm_kernel_portable.hpp>

#include <algorithm>
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// The micro-kernel on pairs of bf16: two products and one sum an instruction and lane, in float.
///
/// A step of the depth is a pair. vdpbf16ps takes numbers below 2^-126 for zero, in operands and results, and does not
/// round between the product of the odd elements and that of the even ones; its results are a function of the operands.
struct Avx512Bf16Kernel {
  static constexpr Index kRows = 8;
  static constexpr Index kLanes = 16;
  static constexpr Index kCols = 3 * kLanes;

  /// As Avx512Kernel::multiply.
  template <Index kRegisters, bool kPackedRows>
  [[gnu::target("avx512f,avx512bw,avx512bf16")]] static void multiply(Tile<float, Bf16Pair> tile) {
    const Bf16Pair* a = tile.a;
    const Bf16Pair* b = tile.b;
    const Bf16Pair* ahead = tile.ahead;
    const Index row = tile.a_stride;
    __m512 sum[kRows][kRegisters];
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        __builtin_prefetch(tile.c + i * tile.stride + j * kLanes, 1, 3);
        sum[i][j] = _mm512_setzero_ps();
      }
    }
#pragma GCC unroll 2
    for (Index k = 0; k < tile.depth; ++k, a += kPackedRows ? kRows : 1, b += kCols, ahead += tile.ahead_step) {
      __builtin_prefetch(ahead, 0, 2);
      __m512i columns[kRegisters];
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        columns[j] = _mm512_load_si512(b + j * kLanes);
      }
#pragma GCC unroll 8
      for (Index i = 0; i < kRows; ++i) {
        const __m512i value = broadcast(a + (kPackedRows ? i : i * row));
#pragma GCC unroll 3
        for (Index j = 0; j < kRegisters; ++j) {
          // NOLINTNEXTLINE(google-readability-casting): how vectors are reinterpreted
          sum[i][j] = _mm512_dpbf16_ps(sum[i][j], (__m512bh)value, (__m512bh)columns[j]);
        }
      }
    }
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        float* c = tile.c + i * tile.stride + j * kLanes;
        _mm512_storeu_ps(c, tile.accumulate ? _mm512_add_ps(_mm512_loadu_ps(c), sum[i][j]) : sum[i][j]);
      }
    }
  }

  /// Rounds rows to pairs, to nearest and ties to even; an odd depth ends with a zero.
  ///
  /// @param a       (rows, depth), rows `stride` apart
  /// @param pairs   (rows, ceil(depth / 2)), rows `pair_stride` apart
  [[gnu::target("avx512f,avx512bw,avx512bf16")]] static void round_rows(
      const float* a, Index stride, Index rows, Index depth, Bf16Pair* pairs, Index pair_stride) {
    constexpr Index kStep = 2 * kLanes;
    for (Index row = 0; row < rows; ++row, a += stride, pairs += pair_stride) {
      for (Index k = 0; k < depth; k += kStep) {
        const __mmask16 low_mask = mask_of(depth - k);
        const __mmask16 high_mask = mask_of(depth - k - kLanes);
        const __m512 low = _mm512_maskz_loadu_ps(low_mask, a + k);
        const __m512 high = _mm512_maskz_loadu_ps(high_mask, a + k + kLanes);
        // NOLINTNEXTLINE(google-readability-casting): as above
        const __m512i rounded = (__m512i)_mm512_cvtne2ps_pbh(high, low);
        _mm512_mask_storeu_epi32(pairs + k / 2, mask_of((depth - k + 1) / 2), rounded);
      }
    }
  }

  /// Rounds the transpose of a matrix into panels of pairs, zeros where columns end within the last panel or an odd
  /// depth ends.
  ///
  /// @param a       (depth, cols), rows `stride` apart
  /// @param panels  (ceil(cols / kCols), ceil(depth / 2), kCols)
  static void pack_columns(const float* a, Index stride, Index cols, Index depth, Bf16Pair* panels) {
    pack_in_panels<kCols>(a, stride, cols, depth, panels);
  }
  /// As pack_columns, in panels of kRows: rows of a product's first operand.
  static void pack_rows(const float* a, Index stride, Index rows, Index depth, Bf16Pair* panels) {
    pack_in_panels<kRows>(a, stride, rows, depth, panels);
  }

 private:
  /// @return  pairs of one lane of two rows each; a row that ends before its lane counts as zero
  [[gnu::always_inline, gnu::target("avx512f,avx512bw,avx512bf16")]] static inline __m512i pair_lanes(
      const float* even, __mmask16 even_mask, const float* odd, __mmask16 odd_mask) {
    alignas(64) static constexpr std::uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                                  21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                                  11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512 low = _mm512_maskz_loadu_ps(even_mask, even);
    const __m512 high = _mm512_maskz_loadu_ps(odd_mask, odd);
    // NOLINTNEXTLINE(google-readability-casting): how vectors are reinterpreted
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    return _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), halves);
  }

  /// @tparam kWidth  of a panel: half a register, or some registers
  template <Index kWidth>
  [[gnu::target("avx512f,avx512bw,avx512bf16")]] static void pack_in_panels(
      const float* a, Index stride, Index cols, Index depth, Bf16Pair* panels) {
    constexpr Index kRowsAtOnce = 32;  // reads run along the rows, writes along a panel
    const Index pairs = (depth + 1) / 2;
    for (Index block = 0; block < depth; block += kRowsAtOnce) {
      const Index end = std::min(depth, block + kRowsAtOnce);
      for (Index first = 0; first < cols; first += kLanes) {
        const __mmask16 mask = mask_of(cols - first);
        // where the lanes of a pair go: into one panel, or half of them into the next
        Bf16Pair* out = panels + first / kWidth * kWidth * pairs + first % kWidth;
        for (Index k = block; k < end; k += 2) {
          const bool whole = k + 1 < depth;
          const float* even = a + k * stride + first;
          const __m512i words = pair_lanes(even, mask, whole ? even + stride : even, whole ? mask : __mmask16{0});
          Bf16Pair* line = out + k / 2 * kWidth;
          if constexpr (kWidth == kLanes / 2) {
            _mm512_mask_storeu_epi32(line, 0x00FF, words);
            if (first + kWidth < cols) {
              _mm512_mask_storeu_epi32(line + kWidth * pairs - kWidth, 0xFF00, words);
            }
          } else {
            _mm512_store_si512(line, words);
          }
        }
      }
      if constexpr (kWidth > kLanes) {
        clear_rest<kWidth>(cols, block, end, pairs, panels);
      }
    }
  }
  /// Zeros in the registers of the last panel that no column reaches.
  template <Index kWidth>
  [[gnu::target("avx512f")]] static void clear_rest(Index cols, Index begin, Index end, Index pairs, Bf16Pair* panels) {
    const Index used = (cols + kLanes - 1) / kLanes * kLanes;
    for (Index first = used; first % kWidth != 0; first += kLanes) {
      for (Index k = begin; k < end; k += 2) {
        Bf16Pair* line = panels + first / kWidth * kWidth * pairs + first % kWidth + k / 2 * kWidth;
        _mm512_store_si512(line, _mm512_setzero_si512());
      }
    }
  }

  /// @return  a bit for each of the first `count` lanes
  static __mmask16 mask_of(Index count) {
    return count >= kLanes ? static_cast<__mmask16>(0xFFFF)
           : count <= 0    ? static_cast<__mmask16>(0)
                           : static_cast<__mmask16>((1U << count) - 1);
  }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline __m512i broadcast(const Bf16Pair* pair) {
    std::int32_t word = 0;
    __builtin_memcpy(&word, pair, sizeof(word));
    return _mm512_set1_epi32(word);
  }
};

}  // namespace reasonembed::simd::detail
#endif
