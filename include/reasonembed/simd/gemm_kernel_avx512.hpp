#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/gemm_kernel_portable.hpp>
#if defined(__x86_64__)
#include <immintrin.h>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// The 512-bit operations of the micro-kernel for one element type.
template <class T>
struct Avx512Lanes;

template <>
struct Avx512Lanes<float> {
  using Register = __m512;
  static constexpr Index kCount = 16;
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register zero() { return _mm512_setzero_ps(); }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register load(const float* p) {
    return _mm512_load_ps(p);
  }
  /// Widens: the bits of a bf16 are the upper half of its float's. The forms with a mask are the same instructions:
  /// g++ 12 warns of its own header in those without (GCC bug 105593).
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register load(const bf16* p) {
    constexpr __mmask16 kAll = 0xFFFF;
    const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(kAll, _mm512_maskz_cvtepu16_epi32(kAll, bits), 16));
  }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register broadcast(const float* p) {
    return _mm512_set1_ps(*p);
  }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register fma(Register a, Register b, Register c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline void store(float* p, Register x, bool accumulate) {
    _mm512_storeu_ps(p, accumulate ? _mm512_add_ps(_mm512_loadu_ps(p), x) : x);
  }
};

template <>
struct Avx512Lanes<double> {
  using Register = __m512d;
  static constexpr Index kCount = 8;
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register zero() { return _mm512_setzero_pd(); }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register load(const double* p) {
    return _mm512_load_pd(p);
  }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register broadcast(const double* p) {
    return _mm512_set1_pd(*p);
  }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline Register fma(Register a, Register b, Register c) {
    return _mm512_fmadd_pd(a, b, c);
  }
  [[gnu::always_inline, gnu::target("avx512f")]] static inline void store(double* p, Register x, bool accumulate) {
    _mm512_storeu_pd(p, accumulate ? _mm512_add_pd(_mm512_loadu_pd(p), x) : x);
  }
};

/// The AVX-512 micro-kernel: 8 rows of 3 registers, 24 of the 32 registers accumulate.
template <class T, class W = T>
struct Avx512Kernel {
  using Lanes = Avx512Lanes<T>;
  static constexpr Index kRows = 8;
  static constexpr Index kLanes = Lanes::kCount;
  static constexpr Index kCols = 3 * kLanes;

  /// The first kRegisters * kLanes columns of the tile.
  ///
  /// The tile of c is prefetched first, it arrives while the sums are formed; so does, line by line, the next panel of
  /// b: without that a panel out of the third-level cache costs 10 to 20% of the speed.
  template <Index kRegisters, bool kPackedRows>
  [[gnu::target("avx512f")]] static void multiply(Tile<T, W> tile) {
    const T* a = tile.a;
    const Index row = tile.a_stride;
    const W* b = tile.b;
    const W* ahead = tile.ahead;
    typename Lanes::Register sum[kRows][kRegisters];
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        __builtin_prefetch(tile.c + i * tile.stride + j * Lanes::kCount, 1, 3);
        sum[i][j] = Lanes::zero();
      }
    }
#pragma GCC unroll 2
    for (Index k = 0; k < tile.depth; ++k, a += kPackedRows ? kRows : 1, b += kCols, ahead += tile.ahead_step) {
      __builtin_prefetch(ahead, 0, 2);
      typename Lanes::Register columns[kRegisters];
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        columns[j] = Lanes::load(b + j * Lanes::kCount);
      }
#pragma GCC unroll 8
      for (Index i = 0; i < kRows; ++i) {
        const typename Lanes::Register value = Lanes::broadcast(a + (kPackedRows ? i : i * row));
#pragma GCC unroll 3
        for (Index j = 0; j < kRegisters; ++j) {
          sum[i][j] = Lanes::fma(value, columns[j], sum[i][j]);
        }
      }
    }
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        Lanes::store(tile.c + i * tile.stride + j * Lanes::kCount, sum[i][j], tile.accumulate);
      }
    }
  }
};

}  // namespace reasonembed::simd::detail
#endif
