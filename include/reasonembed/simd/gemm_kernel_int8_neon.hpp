#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/int8_rows.hpp>
#if defined(__aarch64__)
#include <arm_neon.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// c = sum s t, or c += that, for one row of 4 kCount columns.
template <Index kCount>
[[gnu::always_inline]] inline void store_int8_row(const Int8Tile& tile, Index i, const int32x4_t (&sum)[kCount]) {
  const float32x4_t row_scale = vdupq_n_f32(tile.row_scales[i]);
#pragma GCC unroll 4
  for (Index j = 0; j < kCount; ++j) {
    const float32x4_t column_scale = vld1q_f32(tile.column_scales + 4 * j);
    const float32x4_t value = vmulq_f32(vmulq_f32(vcvtq_f32_s32(sum[j]), row_scale), column_scale);
    float* c = tile.c + i * tile.stride + 4 * j;
    vst1q_f32(c, tile.accumulate ? vaddq_f32(vld1q_f32(c), value) : value);
  }
}

/// Rows as integers of type Step; a depth that is no multiple of kGroup ends with zeros.
///
/// @param scales  (rows) steps
/// @note  what is not finite becomes some integer, the row's step says it all
template <class Step, Index kGroup>
void quantize_neon(
    const float* x, Index stride, Index rows, Index depth, std::byte* out, Index out_stride, float* scales) {
  const Index padded = (depth + kGroup - 1) / kGroup * kGroup;
  for (Index row = 0; row < rows; ++row, x += stride, out += out_stride) {
    uint32x4_t most = vdupq_n_u32(0);
    Index k = 0;
    for (; k + 4 <= depth; k += 4) {
      most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + k))));
    }
    const std::uint32_t whole = vmaxvq_u32(most);
    const float largest =
        std::bit_cast<float>(std::max(whole, std::bit_cast<std::uint32_t>(largest_magnitude(x + k, depth - k))));
    const float inverse = int8_inverse_scale(largest);
    scales[row] = int8_scale(largest);
    auto* steps = reinterpret_cast<Step*>(out);
    for (k = 0; k + 4 <= depth; k += 4) {
      // Rounds ties to even, and NaN to 0.
      const int16x4_t words = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + k), inverse)));
      if constexpr (sizeof(Step) == 2) {
        vst1_s16(steps + k, words);
      } else {
        const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
        __builtin_memcpy(steps + k, &bytes, 4);
      }
    }
    for (; k < depth; ++k) {
      steps[k] = static_cast<Step>(vcvtns_s32_f32(x[k] * inverse));
    }
    std::fill(steps + depth, steps + padded, Step{0});
  }
}

/// The NEON micro-kernel for every 64-bit Arm processor: a product of 16 bits and a sum an instruction and lane. Rows
/// are pairs of int16, as without VNNI.
struct NeonInt8Kernel {
  using Step = std::int16_t;
  static constexpr Index kRows = 4;
  static constexpr Index kLanes = 8;
  static constexpr Index kCols = 2 * kLanes;
  static constexpr Index kGroup = 2;

  template <Index kRegisters>
  static void multiply(const Int8Tile& tile) {
    const std::byte* a = tile.a;
    const int8* b = tile.b;
    const int8* ahead = tile.ahead;
    int32x4_t sum[kRows][2 * kRegisters];
#pragma GCC unroll 4
    for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (Index j = 0; j < 2 * kRegisters; ++j) {
        sum[i][j] = vld1q_s32(tile.offsets + 4 * j);
      }
    }
    for (Index k = 0; k < tile.depth; ++k, a += kGroup * sizeof(Step), b += kGroup * kCols, ahead += tile.ahead_step) {
      __builtin_prefetch(ahead, 0, 2);
      int16x8_t columns[kRegisters][kGroup];
#pragma GCC unroll 2
      for (Index j = 0; j < kRegisters; ++j) {
        const int8x8x2_t pairs = vld2_s8(b + j * kGroup * kLanes);
        columns[j][0] = vmovl_s8(pairs.val[0]);
        columns[j][1] = vmovl_s8(pairs.val[1]);
      }
#pragma GCC unroll 4
      for (Index i = 0; i < kRows; ++i) {
        Step steps[kGroup];
        __builtin_memcpy(steps, a + i * tile.a_stride, sizeof(steps));
#pragma GCC unroll 2
        for (Index j = 0; j < kRegisters; ++j) {
#pragma GCC unroll 2
          for (Index g = 0; g < kGroup; ++g) {
            sum[i][2 * j] = vmlal_n_s16(sum[i][2 * j], vget_low_s16(columns[j][g]), steps[g]);
            sum[i][2 * j + 1] = vmlal_high_n_s16(sum[i][2 * j + 1], columns[j][g], steps[g]);
          }
        }
      }
    }
#pragma GCC unroll 4
    for (Index i = 0; i < kRows; ++i) {
      store_int8_row(tile, i, sum[i]);
    }
  }
};

/// The micro-kernel for processors with dot products of bytes (Armv8.2): four products and their sum an instruction and
/// lane. Both operands are signed, nothing is shifted.
struct NeonDotInt8Kernel {
  using Step = std::int8_t;
  static constexpr Index kRows = 8;
  static constexpr Index kLanes = 4;
  static constexpr Index kCols = 3 * kLanes;
  static constexpr Index kGroup = 4;

  template <Index kRegisters>
  [[gnu::target("arch=armv8.2-a+dotprod")]] static void multiply(const Int8Tile& tile) {
    const std::byte* a = tile.a;
    const int8* b = tile.b;
    const int8* ahead = tile.ahead;
    int32x4_t sum[kRows][kRegisters];
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        sum[i][j] = vld1q_s32(tile.offsets + j * kLanes);
      }
    }
    for (Index k = 0; k < tile.depth; ++k, a += kGroup, b += kGroup * kCols, ahead += tile.ahead_step) {
      __builtin_prefetch(ahead, 0, 2);
      int8x16_t columns[kRegisters];
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        columns[j] = vld1q_s8(b + j * kGroup * kLanes);
      }
#pragma GCC unroll 8
      for (Index i = 0; i < kRows; ++i) {
        std::int32_t quad = 0;
        __builtin_memcpy(&quad, a + i * tile.a_stride, sizeof(quad));
        const int8x16_t value = vreinterpretq_s8_s32(vdupq_n_s32(quad));
#pragma GCC unroll 3
        for (Index j = 0; j < kRegisters; ++j) {
          sum[i][j] = vdotq_s32(sum[i][j], value, columns[j]);
        }
      }
    }
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
      store_int8_row(tile, i, sum[i]);
    }
  }
};

}  // namespace reasonembed::simd::detail
#endif
