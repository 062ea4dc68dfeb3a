#pragma once
/// @file Micro-kernels on int8: sums of integers, exact and therefore the same at every level.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel_int8_neon.hpp>
#include <reasonembed/simd/int8_rows.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// The micro-kernel in plain C++.
struct PortableInt8Kernel {
  static constexpr Index kRows = 4;
  static constexpr Index kLanes = 8;
  static constexpr Index kCols = 16;

  template <Index kRegisters>
  static void multiply(const Int8Tile& tile) {
    constexpr Index kWidth = kRegisters * kLanes;
    for (Index i = 0; i < kRows; ++i) {
      const auto* a = reinterpret_cast<const std::int16_t*>(tile.a + i * tile.a_stride);
      std::array<std::int32_t, kWidth> sum{};
      std::copy_n(tile.offsets, kWidth, sum.begin());
      const int8* b = tile.b;
      for (Index k = 0; k < tile.depth; ++k, a += 2, b += 2 * kCols) {
        for (Index j = 0; j < kWidth; ++j) {
          sum[static_cast<std::size_t>(j)] += a[0] * b[2 * j] + a[1] * b[2 * j + 1];
        }
      }
      float* c = tile.c + i * tile.stride;
      for (Index j = 0; j < kWidth; ++j) {
        const float value =
            static_cast<float>(sum[static_cast<std::size_t>(j)]) * tile.row_scales[i] * tile.column_scales[j];
        c[j] = tile.accumulate ? c[j] + value : value;
      }
    }
  }
};

/// The product with int8 weights at one level.
struct Int8Kernel {
  using Multiply = void (*)(const Int8Tile&);
  /// (rows, stride, count, depth, out, bytes between rows of out, scales)
  using Quantize = void (*)(const float*, Index, Index, Index, std::byte*, Index, float*);

  Index rows = 0;
  Index cols = 0;
  Index lanes = 0;          ///< columns of one register
  Index group = 0;          ///< elements of the depth that lie side by side
  Index element_bytes = 0;  ///< of a quantised row
  std::int32_t zero = 0;    ///< what 0 is in a quantised row
  std::array<Multiply, 3> multiply{};
  Quantize quantize = nullptr;

  /// @return  bytes of a quantised row
  [[nodiscard]] constexpr Index row_bytes(Index depth) const {
    return (depth + group - 1) / group * group * element_bytes;
  }
};

}  // namespace reasonembed::simd::detail

#if defined(__x86_64__)
#include <immintrin.h>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// The AVX2 micro-kernel: two products of 16 bits and one sum an instruction and lane.
struct Avx2Int8Kernel {
  static constexpr Index kRows = 4;
  static constexpr Index kLanes = 8;
  static constexpr Index kCols = 2 * kLanes;

  template <Index kRegisters>
  [[gnu::target("avx2,fma,tune=haswell")]] static void multiply(const Int8Tile& tile) {
    const std::byte* a = tile.a;
    const int8* b = tile.b;
    const int8* ahead = tile.ahead;
    __m256i sum[kRows][kRegisters];
#pragma GCC unroll 4
    for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (Index j = 0; j < kRegisters; ++j) {
        sum[i][j] = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile.offsets + j * kLanes));
      }
    }
    for (Index k = 0; k < tile.depth; ++k, a += 2 * sizeof(std::int16_t), b += 2 * kCols, ahead += tile.ahead_step) {
      __builtin_prefetch(ahead, 0, 2);
      __m256i columns[kRegisters];
#pragma GCC unroll 2
      for (Index j = 0; j < kRegisters; ++j) {
        columns[j] = _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(b + 2 * j * kLanes)));
      }
#pragma GCC unroll 4
      for (Index i = 0; i < kRows; ++i) {
        std::int32_t pair = 0;
        __builtin_memcpy(&pair, a + i * tile.a_stride, sizeof(pair));
        const __m256i value = _mm256_set1_epi32(pair);
#pragma GCC unroll 2
        for (Index j = 0; j < kRegisters; ++j) {
          sum[i][j] = _mm256_add_epi32(sum[i][j], _mm256_madd_epi16(value, columns[j]));
        }
      }
    }
#pragma GCC unroll 4
    for (Index i = 0; i < kRows; ++i) {
      const __m256 row_scale = _mm256_set1_ps(tile.row_scales[i]);
#pragma GCC unroll 2
      for (Index j = 0; j < kRegisters; ++j) {
        const __m256 column_scale = _mm256_load_ps(tile.column_scales + j * kLanes);
        const __m256 value = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum[i][j]), row_scale), column_scale);
        float* c = tile.c + i * tile.stride + j * kLanes;
        _mm256_storeu_ps(c, tile.accumulate ? _mm256_add_ps(_mm256_loadu_ps(c), value) : value);
      }
    }
  }
};

/// The VNNI micro-kernel: four products of a byte and a signed byte and one sum an instruction and lane. Rows are
/// shifted by 128 to be unsigned; the offsets take that back.
struct VnniInt8Kernel {
  static constexpr Index kRows = 8;
  static constexpr Index kLanes = 16;
  static constexpr Index kCols = 3 * kLanes;
  static constexpr Index kGroup = 4;
  static constexpr std::int32_t kZero = 128;

  template <Index kRegisters>
  [[gnu::target("avx512f,avx512bw,avx512vnni")]] static void multiply(const Int8Tile& tile) {
    const std::byte* a = tile.a;
    const Index stride = tile.a_stride;
    const int8* b = tile.b;
    const int8* ahead = tile.ahead;
    __m512i sum[kRows][kRegisters];
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        __builtin_prefetch(tile.c + i * tile.stride + j * kLanes, 1, 3);
        sum[i][j] = _mm512_load_si512(tile.offsets + j * kLanes);
      }
    }
#pragma GCC unroll 2
    for (Index k = 0; k < tile.depth; ++k, a += kGroup, b += kGroup * kCols, ahead += tile.ahead_step) {
      __builtin_prefetch(ahead, 0, 2);
      __m512i columns[kRegisters];
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        columns[j] = _mm512_load_si512(b + j * kGroup * kLanes);
      }
#pragma GCC unroll 8
      for (Index i = 0; i < kRows; ++i) {
        std::int32_t quad = 0;
        __builtin_memcpy(&quad, a + i * stride, sizeof(quad));
        const __m512i value = _mm512_set1_epi32(quad);
#pragma GCC unroll 3
        for (Index j = 0; j < kRegisters; ++j) {
          // The intrinsic makes g++ 12 spill every sum, at half the speed.
          asm("vpdpbusd {%2, %1, %0|%0, %1, %2}" : "+v"(sum[i][j]) : "v"(value), "v"(columns[j]));
        }
      }
    }
#pragma GCC unroll 8
    for (Index i = 0; i < kRows; ++i) {
      const __m512 row_scale = _mm512_set1_ps(tile.row_scales[i]);
#pragma GCC unroll 3
      for (Index j = 0; j < kRegisters; ++j) {
        const __m512 column_scale = _mm512_load_ps(tile.column_scales + j * kLanes);
        const __m512 value =
            _mm512_mul_ps(_mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll, sum[i][j]), row_scale), column_scale);
        float* c = tile.c + i * tile.stride + j * kLanes;
        _mm512_storeu_ps(c, tile.accumulate ? _mm512_add_ps(_mm512_loadu_ps(c), value) : value);
      }
    }
  }

  /// Rows as unsigned bytes, 0 is 128; a depth that is no multiple of 4 ends with zeros.
  [[gnu::target("avx512f,avx512bw,avx512vnni")]] static void quantize(
      const float* x, Index stride, Index rows, Index depth, std::byte* out, Index out_stride, float* scales) {
    for (Index row = 0; row < rows; ++row, x += stride, out += out_stride) {
      const float largest = largest_of(x, depth);
      const __m512 inverse = _mm512_set1_ps(int8_inverse_scale(largest));
      scales[row] = int8_scale(largest);
      for (Index k = 0; k < depth; k += kLanes) {
        const __m512 values = _mm512_maskz_loadu_ps(mask_of(depth - k), x + k);
        // A number that is not finite becomes an integer that overflows: any byte will do, the step says it all.
        const __m512i steps =
            _mm512_add_epi32(_mm512_maskz_cvtps_epi32(kAll, _mm512_mul_ps(values, inverse)), _mm512_set1_epi32(kZero));
        const Index padded = (depth - k + kGroup - 1) / kGroup * kGroup;
        _mm512_mask_cvtepi32_storeu_epi8(out + k, mask_of(padded), steps);
      }
    }
  }

 private:
  static constexpr __mmask16 kAll = 0xFFFF;
  [[nodiscard]] static __mmask16 mask_of(Index count) {
    return count >= kLanes ? kAll : static_cast<__mmask16>((1U << count) - 1);
  }
  [[gnu::target("avx512f,avx512bw,avx512vnni")]] static float largest_of(const float* x, Index depth) {
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    __m512i largest = _mm512_setzero_si512();
    for (Index k = 0; k < depth; k += kLanes) {
      const __m512i bits = _mm512_maskz_loadu_epi32(mask_of(depth - k), x + k);
      largest = _mm512_maskz_max_epi32(kAll, largest, _mm512_and_si512(bits, magnitude));
    }
    alignas(kAlignment) std::array<std::int32_t, kLanes> lanes;
    _mm512_store_si512(lanes.data(), largest);
    return std::bit_cast<float>(*std::max_element(lanes.begin(), lanes.end()));
  }
};

}  // namespace reasonembed::simd::detail
#endif

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

inline constexpr Int8Kernel kPortableInt8Kernel{
    .rows = PortableInt8Kernel::kRows,
    .cols = PortableInt8Kernel::kCols,
    .lanes = PortableInt8Kernel::kLanes,
    .group = 2,
    .element_bytes = 2,
    .multiply = {&PortableInt8Kernel::multiply<1>, &PortableInt8Kernel::multiply<2>},
    .quantize = &quantize_to_pairs};
#if defined(__x86_64__)
inline constexpr Int8Kernel kAvx2Int8Kernel{.rows = Avx2Int8Kernel::kRows,
                                            .cols = Avx2Int8Kernel::kCols,
                                            .lanes = Avx2Int8Kernel::kLanes,
                                            .group = 2,
                                            .element_bytes = 2,
                                            .multiply = {&Avx2Int8Kernel::multiply<1>, &Avx2Int8Kernel::multiply<2>},
                                            .quantize = &quantize_to_pairs};
inline constexpr Int8Kernel kVnniInt8Kernel{
    .rows = VnniInt8Kernel::kRows,
    .cols = VnniInt8Kernel::kCols,
    .lanes = VnniInt8Kernel::kLanes,
    .group = VnniInt8Kernel::kGroup,
    .element_bytes = 1,
    .zero = VnniInt8Kernel::kZero,
    .multiply = {&VnniInt8Kernel::multiply<1>, &VnniInt8Kernel::multiply<2>, &VnniInt8Kernel::multiply<3>},
    .quantize = &VnniInt8Kernel::quantize};
#endif
#if defined(__aarch64__)
inline constexpr Int8Kernel kNeonInt8Kernel{.rows = NeonInt8Kernel::kRows,
                                            .cols = NeonInt8Kernel::kCols,
                                            .lanes = NeonInt8Kernel::kLanes,
                                            .group = NeonInt8Kernel::kGroup,
                                            .element_bytes = sizeof(NeonInt8Kernel::Step),
                                            .multiply = {&NeonInt8Kernel::multiply<1>, &NeonInt8Kernel::multiply<2>},
                                            .quantize = &quantize_neon<NeonInt8Kernel::Step, NeonInt8Kernel::kGroup>};
inline constexpr Int8Kernel kNeonDotInt8Kernel{
    .rows = NeonDotInt8Kernel::kRows,
    .cols = NeonDotInt8Kernel::kCols,
    .lanes = NeonDotInt8Kernel::kLanes,
    .group = NeonDotInt8Kernel::kGroup,
    .element_bytes = sizeof(NeonDotInt8Kernel::Step),
    .multiply = {&NeonDotInt8Kernel::multiply<1>, &NeonDotInt8Kernel::multiply<2>, &NeonDotInt8Kernel::multiply<3>},
    .quantize = &quantize_neon<NeonDotInt8Kernel::Step, NeonDotInt8Kernel::kGroup>};
#endif

/// @return  the int8 kernel of a level; AVX-512 without VNNI multiplies no faster than AVX2
[[nodiscard]] constexpr const Int8Kernel& int8_kernel([[maybe_unused]] Level level) {
#if defined(__x86_64__)
  if (level >= Level::kAvx512Bf16) {
    return kVnniInt8Kernel;
  }
  if (level >= Level::kAvx2) {
    return kAvx2Int8Kernel;
  }
#elif defined(__aarch64__)
  if (level == Level::kNeonDot) {
    return kNeonDotInt8Kernel;
  }
  if (level == Level::kNeon) {
    return kNeonInt8Kernel;
  }
#endif
  return kPortableInt8Kernel;
}

}  // namespace reasonembed::simd::detail
