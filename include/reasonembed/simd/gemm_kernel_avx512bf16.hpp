#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/gemm_kernel_portable.hpp>

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
  [[gnu::target("avx512f,avx512bw,avx512bf16")]] static void pack_columns(
      const float* a, Index stride, Index cols, Index depth, Bf16Pair* panels) {
    alignas(64) static constexpr std::uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                                  21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                                  11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i interleave = _mm512_load_si512(kInterleave);
    for (Index first = 0; first < cols; first += kCols) {
      for (Index k = 0; k < depth; k += 2) {
        const float* even = a + k * stride + first;
        const float* odd = k + 1 < depth ? even + stride : even;
        for (Index j = 0; j < kCols; j += kLanes, panels += kLanes) {
          const __mmask16 mask = mask_of(cols - first - j);
          const __m512 low = _mm512_maskz_loadu_ps(mask, even + j);
          const __m512 high = _mm512_maskz_loadu_ps(k + 1 < depth ? mask : __mmask16{0}, odd + j);
          // NOLINTNEXTLINE(google-readability-casting): as above
          const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(high, low);
          _mm512_store_si512(panels, _mm512_permutexvar_epi16(interleave, halves));
        }
      }
    }
  }

 private:
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
