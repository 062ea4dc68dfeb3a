#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/gemm_kernel_portable.hpp>
#if defined(__x86_64__)
#include <immintrin.h>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// The 256-bit operations of the micro-kernel for one element type.
template <class T>
struct Avx2Lanes;

template <>
struct Avx2Lanes<float> {
  using Register = __m256;
  static constexpr Index kCount = 8;
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register zero() { return _mm256_setzero_ps(); }
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register load(const float* p) {
    return _mm256_load_ps(p);
  }
  /// Widens: the bits of a bf16 are the upper half of its float's.
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register load(const bf16* p) {
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p))), 16));
  }
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register broadcast(const float* p) {
    return _mm256_broadcast_ss(p);
  }
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register fma(Register a, Register b, Register c) {
    return _mm256_fmadd_ps(a, b, c);
  }
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline void store(float* p, Register x, bool accumulate) {
    _mm256_storeu_ps(p, accumulate ? _mm256_add_ps(_mm256_loadu_ps(p), x) : x);
  }
};

template <>
struct Avx2Lanes<double> {
  using Register = __m256d;
  static constexpr Index kCount = 4;
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register zero() { return _mm256_setzero_pd(); }
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register load(const double* p) {
    return _mm256_load_pd(p);
  }
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register broadcast(const double* p) {
    return _mm256_broadcast_sd(p);
  }
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline Register fma(Register a, Register b, Register c) {
    return _mm256_fmadd_pd(a, b, c);
  }
  [[gnu::always_inline, gnu::target("avx2,fma")]] static inline void store(double* p, Register x, bool accumulate) {
    _mm256_storeu_pd(p, accumulate ? _mm256_add_pd(_mm256_loadu_pd(p), x) : x);
  }
};

/// The AVX2 micro-kernel: 4 rows of 3 registers. 12 accumulators, 3 registers of b and one of a fill the file of 16;
/// each step of k does 12 fma for 7 loads (6 rows of 2 registers would need 8).
template <class T, class W = T>
struct Avx2Kernel {
  using Lanes = Avx2Lanes<T>;
  static constexpr Index kRows = 4;
  static constexpr Index kLanes = Lanes::kCount;
  static constexpr Index kCols = 3 * kLanes;

  /// The first kRegisters * kLanes columns of the tile.
  ///
  /// Prefetches as the AVX-512 kernel. Tuned for the first processor that has these instructions:
  /// without it clang 19 schedules for the oldest x86-64 and spills, at 60% of the speed.
  template <Index kRegisters, bool kPackedRows>
  [[gnu::target("avx2,fma,tune=haswell")]] static void multiply(Tile<T, W> tile) {
    const T* a = tile.a;
    const Index row = tile.a_stride;
    const W* b = tile.b;
    const W* ahead = tile.ahead;
    typename Lanes::Register sum[kRows][kRegisters];
#pragma GCC unroll 4
    for (Index i = 0; i < kRows; ++i) {
      __builtin_prefetch(tile.c + i * tile.stride, 1, 3);
      __builtin_prefetch(tile.c + i * tile.stride + kRegisters * kLanes - 1, 1, 3);
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
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
#pragma GCC unroll 4
      for (Index i = 0; i < kRows; ++i) {
        const typename Lanes::Register value = Lanes::broadcast(a + (kPackedRows ? i : i * row));
#pragma GCC unroll 3
        for (Index j = 0; j < kRegisters; ++j) {
          sum[i][j] = Lanes::fma(value, columns[j], sum[i][j]);
        }
      }
    }
#pragma GCC unroll 4
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
