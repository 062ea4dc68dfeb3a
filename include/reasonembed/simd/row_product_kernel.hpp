#pragma once
/// @file Micro-kernels of RowProduct for AVX-512: rows are read where they lie, one chain of fma an element.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#if defined(__x86_64__)
#include <immintrin.h>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// One tile of c = a b: a few rows of a with a panel of b.
struct RowTile {
  const float* a = nullptr;
  Index stride = 0;          ///< of a
  Index depth = 0;           ///< elements of a row that enter
  const float* b = nullptr;  ///< (depth, columns of the panel), aligned
  float* c = nullptr;
  Index c_stride = 0;
  Index cols = 0;  ///< columns of c that are written, at most those of the panel
  bool accumulate = false;
  Index ahead = 0;  ///< elements behind a at which the rows of the next chunk begin, 0: nothing is prefetched
};

/// c(i, 0 .. cols) for kRows rows; a panel has 16 kVectors columns, `cols` ends in its last vector.
template <int kRows, int kVectors>
[[gnu::target("avx512f")]] void multiply_row_tile(const RowTile& tile) {
  __m512 sum[kRows][kVectors];
  const float* a[kRows];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    a[i] = tile.a + i * tile.stride;
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) {
      sum[i][j] = _mm512_setzero_ps();
    }
  }
  const float* b = tile.b;
  for (Index k = 0; k < tile.depth; ++k, b += 16 * kVectors) {
    if (k % 16 == 0 && tile.ahead != 0) {  // one line of the cache a row: hardware loses track of so many streams
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        __builtin_prefetch(a[i] + k + tile.ahead, 0, 2);
      }
    }
    __m512 weight[kVectors];
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) {
      weight[j] = _mm512_load_ps(b + 16 * j);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const __m512 value = _mm512_set1_ps(a[i][k]);
#pragma GCC unroll 3
      for (int j = 0; j < kVectors; ++j) {
        sum[i][j] = _mm512_fmadd_ps(value, weight[j], sum[i][j]);
      }
    }
  }
  const Index last = tile.cols - 16 * (kVectors - 1);
  const auto mask = static_cast<__mmask16>((1U << last) - 1U);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
    for (int j = 0; j < kVectors; ++j) {
      float* c = tile.c + i * tile.c_stride + 16 * j;
      const __mmask16 lanes = j + 1 == kVectors ? mask : static_cast<__mmask16>(0xFFFF);
      const __m512 value = tile.accumulate ? _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, c), sum[i][j]) : sum[i][j];
      _mm512_mask_storeu_ps(c, lanes, value);
    }
  }
}

/// @return  elements [0, 4) of four rows, one row in each quarter
[[gnu::target("avx512f"), gnu::always_inline]] inline __m512 load_quarters(const float* a, Index stride) {
  __m512 rows = _mm512_castps128_ps512(_mm_loadu_ps(a));
  rows = _mm512_mask_broadcast_f32x4(rows, 0x00F0, _mm_loadu_ps(a + stride));
  rows = _mm512_mask_broadcast_f32x4(rows, 0x0F00, _mm_loadu_ps(a + 2 * stride));
  return _mm512_mask_broadcast_f32x4(rows, 0xF000, _mm_loadu_ps(a + 3 * stride));
}
/// @return  element 0 of four rows, in the first lane of each quarter
[[gnu::target("avx512f"), gnu::always_inline]] inline __m512 load_quarters_first(const float* a, Index stride) {
  __m512 rows = _mm512_castps128_ps512(_mm_load_ss(a));
  rows = _mm512_mask_broadcast_f32x4(rows, 0x00F0, _mm_load_ss(a + stride));
  rows = _mm512_mask_broadcast_f32x4(rows, 0x0F00, _mm_load_ss(a + 2 * stride));
  return _mm512_mask_broadcast_f32x4(rows, 0xF000, _mm_load_ss(a + 3 * stride));
}

/// One element k of each row, lane kLane of its quarter, times the four weights of k.
template <int kLane, int kRegisters>
[[gnu::target("avx512f"), gnu::always_inline]] inline void add_quads(__m512 (&sum)[kRegisters],
                                                                     const __m512 (&rows)[kRegisters],
                                                                     const float* b) {
  const __m512 weight = _mm512_maskz_broadcast_f32x4(0xFFFF, _mm_load_ps(b + 4 * kLane));
#pragma GCC unroll 8
  for (int r = 0; r < kRegisters; ++r) {
    sum[r] = _mm512_fmadd_ps(_mm512_maskz_permute_ps(0xFFFF, rows[r], 0x55 * kLane), weight, sum[r]);
  }
}

/// c(i, 0 .. cols) for 4 kRegisters rows and a panel of four columns: a register is four rows by four columns, where a
/// whole vector of columns would leave three quarters of the arithmetic unused.
template <int kRegisters>
[[gnu::target("avx512f")]] void multiply_quad_tile(const RowTile& tile) {
  __m512 sum[kRegisters];
#pragma GCC unroll 8
  for (int r = 0; r < kRegisters; ++r) {
    sum[r] = _mm512_setzero_ps();
  }
  const float* b = tile.b;
  Index k = 0;
  for (; k + 4 <= tile.depth; k += 4, b += 16) {
    __m512 rows[kRegisters];
#pragma GCC unroll 8
    for (int r = 0; r < kRegisters; ++r) {
      const float* a = tile.a + 4 * r * tile.stride + k;
      rows[r] = load_quarters(a, tile.stride);
      if (k % 16 == 0 && tile.ahead != 0) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          __builtin_prefetch(a + i * tile.stride + tile.ahead, 0, 2);
        }
      }
    }
    add_quads<0>(sum, rows, b);
    add_quads<1>(sum, rows, b);
    add_quads<2>(sum, rows, b);
    add_quads<3>(sum, rows, b);
  }
  for (; k < tile.depth; ++k, b += 4) {
    __m512 rows[kRegisters];
#pragma GCC unroll 8
    for (int r = 0; r < kRegisters; ++r) {
      rows[r] = load_quarters_first(tile.a + 4 * r * tile.stride + k, tile.stride);
    }
    add_quads<0>(sum, rows, b);
  }
  alignas(64) float whole[16];
#pragma GCC unroll 8
  for (int r = 0; r < kRegisters; ++r) {
    _mm512_store_ps(whole, sum[r]);
    for (Index i = 0; i < 4; ++i) {
      float* c = tile.c + (4 * r + i) * tile.c_stride;
      for (Index j = 0; j < tile.cols; ++j) {
        c[j] = tile.accumulate ? c[j] + whole[4 * i + j] : whole[4 * i + j];
      }
    }
  }
}

}  // namespace reasonembed::simd::detail
#endif
