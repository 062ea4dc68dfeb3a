#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/gemm_kernel_portable.hpp>
#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstdint>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// The 128-bit operations of the micro-kernel for one element type. No load needs more alignment than an element has.
template <class T>
struct NeonLanes;

template <>
struct NeonLanes<float> {
  using Register = float32x4_t;
  static constexpr Index kCount = 4;
  [[gnu::always_inline]] static inline Register zero() { return vdupq_n_f32(0.0F); }
  [[gnu::always_inline]] static inline Register load(const float* p) { return vld1q_f32(p); }
  /// Widens: the bits of a bf16 are the upper half of its float's.
  [[gnu::always_inline]] static inline Register load(const bf16* p) {
    uint16x4_t words;
    __builtin_memcpy(&words, p, sizeof(words));
    return vreinterpretq_f32_u32(vshll_n_u16(words, 16));
  }
  [[gnu::always_inline]] static inline Register broadcast(const float* p) { return vld1q_dup_f32(p); }
  [[gnu::always_inline]] static inline Register fma(Register a, Register b, Register c) { return vfmaq_f32(c, a, b); }
  [[gnu::always_inline]] static inline void store(float* p, Register x, bool accumulate) {
    vst1q_f32(p, accumulate ? vaddq_f32(vld1q_f32(p), x) : x);
  }
};

template <>
struct NeonLanes<double> {
  using Register = float64x2_t;
  static constexpr Index kCount = 2;
  [[gnu::always_inline]] static inline Register zero() { return vdupq_n_f64(0.0); }
  [[gnu::always_inline]] static inline Register load(const double* p) { return vld1q_f64(p); }
  [[gnu::always_inline]] static inline Register broadcast(const double* p) { return vld1q_dup_f64(p); }
  [[gnu::always_inline]] static inline Register fma(Register a, Register b, Register c) { return vfmaq_f64(c, a, b); }
  [[gnu::always_inline]] static inline void store(double* p, Register x, bool accumulate) {
    vst1q_f64(p, accumulate ? vaddq_f64(vld1q_f64(p), x) : x);
  }
};

/// The NEON micro-kernel, for every 64-bit Arm processor: 8 rows of 3 registers, 24 of the 32 registers accumulate, as
/// in the AVX-512 kernel. A chain of fma an element: the bits are those of the fma levels of x86-64.
template <class T, class W = T>
struct NeonKernel {
  using Lanes = NeonLanes<T>;
  static constexpr Index kRows = 8;
  static constexpr Index kLanes = Lanes::kCount;
  static constexpr Index kCols = 3 * kLanes;

  /// The first kRegisters * kLanes columns of the tile. Prefetches as the AVX-512 kernel.
  template <Index kRegisters, bool kPackedRows>
  static void multiply(Tile<T, W> tile) {
    const T* a = tile.a;
    const Index row = tile.a_stride;
    const W* b = tile.b;
    const W* ahead = tile.ahead;
    typename Lanes::Register sum[kRows][kRegisters];
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
      __builtin_prefetch(tile.c + i * tile.stride, 1, 3);
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        sum[i][j] = Lanes::zero();
      }
    }
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
