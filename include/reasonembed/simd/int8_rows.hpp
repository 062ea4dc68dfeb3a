#pragma once
/// @file Rows in int8: their steps, and what the micro-kernels of all levels take and make.
#include <reasonembed/config.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// What an int8 micro-kernel computes for one register tile: c = (offset_n + sum_k a_mk b_nk) s_m t_n, or c += that.
struct Int8Tile {
  Index depth = 0;                        ///< groups of the depth
  const std::byte* a = nullptr;           ///< quantised rows as `quantize` writes them
  Index a_stride = 0;                     ///< bytes between rows of a
  const int8* b = nullptr;                ///< (depth, cols, group) packed, aligned
  const std::int32_t* offsets = nullptr;  ///< (cols) what every sum begins with
  const float* row_scales = nullptr;      ///< (rows) s
  const float* column_scales = nullptr;   ///< (cols) t
  float* c = nullptr;                     ///< (rows, cols), rows `stride` apart
  Index stride = 0;                       ///< elements between rows of c
  bool accumulate = false;                ///< add to c instead of overwriting it
  const int8* ahead = nullptr;            ///< part of the next panel of b, to bring into the cache meanwhile
  Index ahead_step = 0;                   ///< bytes of it for every step of the depth, at most one cache line
};

/// The largest number of a row that int8 steps reach.
inline constexpr float kInt8Most = 127.0F;
/// A row whose numbers are all smaller counts as zero: its step would not be a number that can be divided by.
inline constexpr float kSmallestRow = 0x1p-100F;

/// Step of a row whose largest absolute value is `largest`; not finite where that is not.
[[nodiscard]] inline float int8_scale(float largest) {
  return largest < kSmallestRow ? 0.0F : largest / kInt8Most;
}
/// How many steps 1 is.
[[nodiscard]] inline float int8_inverse_scale(float largest) {
  return largest < kSmallestRow || !std::isfinite(largest) ? 0.0F : kInt8Most / largest;
}

/// The largest absolute value; a NaN is larger than all numbers.
[[nodiscard]] inline float largest_magnitude(const float* x, Index size) {
  std::uint32_t largest = 0;
  for (Index i = 0; i < size; ++i) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFU);
  }
  return std::bit_cast<float>(largest);
}

/// Rows as pairs of int16, an odd depth ends with a zero. Shared by the levels without VNNI.
///
/// @param scales  (rows) steps
inline void quantize_to_pairs(
    const float* x, Index stride, Index rows, Index depth, std::byte* out, Index out_stride, float* scales) {
  for (Index row = 0; row < rows; ++row, x += stride, out += out_stride) {
    const float largest = largest_magnitude(x, depth);
    const float inverse = int8_inverse_scale(largest);
    scales[row] = int8_scale(largest);
    auto* steps = reinterpret_cast<std::int16_t*>(out);
    for (Index k = 0; k < depth; ++k) {
      // Not finite times 0 is NaN, which has no integer; the step says it all.
      steps[k] = std::isfinite(x[k]) ? static_cast<std::int16_t>(std::lrint(x[k] * inverse)) : std::int16_t{0};
    }
    if (depth % 2 != 0) {
      steps[depth] = 0;
    }
  }
}

}  // namespace reasonembed::simd::detail
