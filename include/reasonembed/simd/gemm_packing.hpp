#pragma once
/// @file Packing of operands into panels: the order in which the micro-kernel reads them.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// Packs lines that are contiguous in memory along the depth: panel(k, i) = source(i, k), zeros for i >= lines.
///
/// @tparam kWidth  columns of the panel, lines <= kWidth
/// @param  source  (lines, depth), lines `stride` apart
/// @param  panel   (depth, kWidth)
template <class T, Index kWidth>
void pack_transposed(const T* source, Index stride, Index lines, Index depth, T* panel) {
  for (Index k = 0; k < depth; ++k, panel += kWidth) {
    for (Index i = 0; i < lines; ++i) {
      panel[i] = source[i * stride + k];
    }
    std::fill(panel + lines, panel + kWidth, T{});
  }
}

/// Packs lines that are contiguous in memory across the panel: panel(k, i) = source(k, i), zeros for i >= lines.
///
/// @param  source  (depth, lines), rows `stride` apart; otherwise as pack_transposed
template <class T, Index kWidth>
void pack_copied(const T* source, Index stride, Index lines, Index depth, T* panel) {
  for (Index k = 0; k < depth; ++k, source += stride, panel += kWidth) {
    if (lines == kWidth) {
      std::copy_n(source, kWidth, panel);  // a constant length: a few moves instead of a call
    } else {
      std::copy_n(source, lines, panel);
      std::fill(panel + lines, panel + kWidth, T{});
    }
  }
}

#if defined(__x86_64__)
/// Transposes a square block in registers: panel(k, i) = source(i, k) for i, k < kCount.
template <class T, Index kCount>
struct BlockTranspose;

template <>
struct BlockTranspose<float, 4> {
  [[gnu::target("avx2")]] static void run(const float* source, Index stride, float* panel, Index width) {
    __m128 r0 = _mm_loadu_ps(source);
    __m128 r1 = _mm_loadu_ps(source + stride);
    __m128 r2 = _mm_loadu_ps(source + 2 * stride);
    __m128 r3 = _mm_loadu_ps(source + 3 * stride);
    _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
    _mm_storeu_ps(panel, r0);
    _mm_storeu_ps(panel + width, r1);
    _mm_storeu_ps(panel + 2 * width, r2);
    _mm_storeu_ps(panel + 3 * width, r3);
  }
};

template <>
struct BlockTranspose<float, 8> {
  [[gnu::target("avx2")]] static void run(const float* source, Index stride, float* panel, Index width) {
    __m256 half[8];  // half[i] = (row i, low 4 columns | row i + 4, low 4 columns), then the high 4 columns
#pragma GCC unroll 4
    for (Index i = 0; i < 4; ++i) {
      const float* low = source + i * stride;
      const float* high = source + (i + 4) * stride;
      half[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
      half[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low + 4)), _mm_loadu_ps(high + 4), 1);
    }
#pragma GCC unroll 2
    for (Index h = 0; h < 2; ++h, panel += 4 * width) {
      const __m256 a = _mm256_unpacklo_ps(half[4 * h], half[4 * h + 1]);
      const __m256 b = _mm256_unpackhi_ps(half[4 * h], half[4 * h + 1]);
      const __m256 c = _mm256_unpacklo_ps(half[4 * h + 2], half[4 * h + 3]);
      const __m256 d = _mm256_unpackhi_ps(half[4 * h + 2], half[4 * h + 3]);
      _mm256_storeu_ps(panel, _mm256_shuffle_ps(a, c, 0x44));
      _mm256_storeu_ps(panel + width, _mm256_shuffle_ps(a, c, 0xEE));
      _mm256_storeu_ps(panel + 2 * width, _mm256_shuffle_ps(b, d, 0x44));
      _mm256_storeu_ps(panel + 3 * width, _mm256_shuffle_ps(b, d, 0xEE));
    }
  }
};

template <>
struct BlockTranspose<double, 4> {
  [[gnu::target("avx2")]] static void run(const double* source, Index stride, double* panel, Index width) {
    const __m256d r0 = _mm256_loadu_pd(source);
    const __m256d r1 = _mm256_loadu_pd(source + stride);
    const __m256d r2 = _mm256_loadu_pd(source + 2 * stride);
    const __m256d r3 = _mm256_loadu_pd(source + 3 * stride);
    const __m256d a = _mm256_unpacklo_pd(r0, r1);
    const __m256d b = _mm256_unpackhi_pd(r0, r1);
    const __m256d c = _mm256_unpacklo_pd(r2, r3);
    const __m256d d = _mm256_unpackhi_pd(r2, r3);
    _mm256_storeu_pd(panel, _mm256_permute2f128_pd(a, c, 0x20));
    _mm256_storeu_pd(panel + width, _mm256_permute2f128_pd(b, d, 0x20));
    _mm256_storeu_pd(panel + 2 * width, _mm256_permute2f128_pd(a, c, 0x31));
    _mm256_storeu_pd(panel + 3 * width, _mm256_permute2f128_pd(b, d, 0x31));
  }
};

/// As pack_transposed, in blocks of registers; what does not fill a block goes the portable way, element for element.
template <class T, Index kWidth>
[[gnu::target("avx2")]] void pack_transposed_avx2(const T* source, Index stride, Index lines, Index depth, T* panel) {
  constexpr Index kBlock = sizeof(T) == 4 && kWidth % 8 == 0 ? 8 : 4;
  static_assert(kWidth % kBlock == 0);
  const Index whole_lines = lines / kBlock * kBlock;
  const Index whole_depth = depth / kBlock * kBlock;
  for (Index k = 0; k < whole_depth; k += kBlock) {
    for (Index i = 0; i < whole_lines; i += kBlock) {
      BlockTranspose<T, kBlock>::run(source + i * stride + k, stride, panel + k * kWidth + i, kWidth);
    }
    for (Index q = k; q < k + kBlock; ++q) {
      for (Index i = whole_lines; i < lines; ++i) {
        panel[q * kWidth + i] = source[i * stride + q];
      }
      std::fill(panel + q * kWidth + lines, panel + (q + 1) * kWidth, T{});
    }
  }
  pack_transposed<T, kWidth>(source + whole_depth, stride, lines, depth - whole_depth, panel + whole_depth * kWidth);
}
#endif

}  // namespace reasonembed::simd::detail
