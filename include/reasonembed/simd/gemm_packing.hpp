#pragma once
/// @file Packing of operands into panels: the order in which the micro-kernel reads them.
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// Elements in a line of the cache.
template <class T>
inline constexpr Index kCacheLine = 64 / static_cast<Index>(sizeof(T));

/// Packs lines that are contiguous in memory along the depth: panel p holds panel(k, i) = source(p kWidth + i, k), and
/// zeros where the lines end within the last panel.
///
/// @tparam kWidth  columns of a panel
/// @param  source  (lines, depth), lines `stride` apart
/// @param  panels  (ceil(lines / kWidth), depth, kWidth)
template <class T, Index kWidth>
void pack_transposed(const T* source, Index stride, Index lines, Index depth, T* panels) {
  for (Index line = 0; line < lines; line += kWidth) {
    const Index here = std::min(kWidth, lines - line);
    for (Index k = 0; k < depth; ++k) {
      T* out = panels + line * depth + k * kWidth;
      for (Index i = 0; i < here; ++i) {
        out[i] = source[(line + i) * stride + k];
      }
      std::fill(out + here, out + kWidth, T{});
    }
  }
}

/// Packs lines that lie across the rows of the source: panel p holds panel(k, i) = source(k, p kWidth + i), and zeros
/// where the lines end within the last panel.
///
/// @param  source  (depth, lines), rows `stride` apart; otherwise as pack_transposed
template <class T, Index kWidth>
void pack_copied(const T* source, Index stride, Index lines, Index depth, T* panels) {
  constexpr Index kRowsAtOnce = 16;  // reads run along the rows of the source, writes along a panel
  for (Index first = 0; first < depth; first += kRowsAtOnce) {
    const Index last = std::min(depth, first + kRowsAtOnce);
    for (Index line = 0; line < lines; line += kWidth) {
      const Index here = std::min(kWidth, lines - line);
      for (Index k = first; k < last; ++k) {
        const T* in = source + k * stride + line;
        T* out = panels + line * depth + k * kWidth;
        if (here == kWidth) {
          std::copy_n(in, kWidth, out);  // a constant length: a few moves instead of a call
        } else {
          std::copy_n(in, here, out);
          std::fill(out + here, out + kWidth, T{});
        }
      }
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

template <>
struct BlockTranspose<bf16, 8> {
  [[gnu::target("avx2")]] static void run(const bf16* source, Index stride, bf16* panel, Index width) {
    __m128i rows[8];
#pragma GCC unroll 8
    for (Index i = 0; i < 8; ++i) {
      rows[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i * stride));
    }
    __m128i low[4];   // low[i] = columns 0 to 3 of rows i and i + 4, in turn
    __m128i high[4];  // columns 4 to 7
#pragma GCC unroll 4
    for (Index i = 0; i < 4; ++i) {
      low[i] = _mm_unpacklo_epi16(rows[i], rows[i + 4]);
      high[i] = _mm_unpackhi_epi16(rows[i], rows[i + 4]);
    }
#pragma GCC unroll 2
    for (Index h = 0; h < 2; ++h, panel += 4 * width) {
      const __m128i* part = h == 0 ? low : high;
      const __m128i a = _mm_unpacklo_epi16(part[0], part[2]);  // columns 0 and 1 of the even rows
      const __m128i b = _mm_unpackhi_epi16(part[0], part[2]);  // columns 2 and 3
      const __m128i c = _mm_unpacklo_epi16(part[1], part[3]);  // the same of the odd rows
      const __m128i d = _mm_unpackhi_epi16(part[1], part[3]);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(panel), _mm_unpacklo_epi16(a, c));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(panel + width), _mm_unpackhi_epi16(a, c));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(panel + 2 * width), _mm_unpacklo_epi16(b, d));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(panel + 3 * width), _mm_unpackhi_epi16(b, d));
    }
  }
};

/// As pack_transposed for one panel, in blocks of registers; what does not fill a block goes element for element.
template <class T, Index kWidth>
[[gnu::target("avx2")]] void pack_panel_avx2(const T* source, Index stride, Index lines, Index depth, T* panel) {
  constexpr Index kBlock = sizeof(T) < 8 && kWidth % 8 == 0 ? 8 : 4;
  // a whole line of the cache at a time: it may not survive until it is asked for again, 48 strides of 4 KB later
  constexpr Index kStep = kCacheLine<T>;
  static_assert(kWidth % kBlock == 0 && kStep % kBlock == 0);
  const Index whole_lines = lines / kBlock * kBlock;
  const Index whole_depth = depth / kStep * kStep;
  for (Index first = 0; first < whole_depth; first += kStep) {
    for (Index i = 0; i < whole_lines; i += kBlock) {
      for (Index k = first; k < first + kStep; k += kBlock) {
        BlockTranspose<T, kBlock>::run(source + i * stride + k, stride, panel + k * kWidth + i, kWidth);
      }
    }
  }
  for (Index k = 0; k < depth; ++k) {
    T* out = panel + k * kWidth;
    for (Index i = k < whole_depth ? whole_lines : 0; i < lines; ++i) {
      out[i] = source[i * stride + k];
    }
    std::fill(out + lines, out + kWidth, T{});
  }
}

/// As pack_transposed.
template <class T, Index kWidth>
void pack_transposed_avx2(const T* source, Index stride, Index lines, Index depth, T* panels) {
  for (Index line = 0; line < lines; line += kWidth) {
    const Index here = std::min(kWidth, lines - line);
    pack_panel_avx2<T, kWidth>(source + line * stride, stride, here, depth, panels + line * depth);
  }
}
#endif

}  // namespace reasonembed::simd::detail
