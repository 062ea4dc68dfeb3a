#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI {

/// A brain floating-point number: the upper 16 bits of an IEEE 754 float (8 exponent bits, 8 significant bits).
///
/// A storage type: weights rest in it, arithmetic happens in float, so there are conversions and no operators. Float to
/// bf16 rounds to nearest, ties to even (as PyTorch does); overflow gives infinity; a NaN stays a NaN of the same sign
/// and becomes quiet. Comparison is of values (-0 == 0, NaN != NaN).
// NOLINTNEXTLINE(readability-identifier-naming): named like the built-in types it stands beside
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  REASONEMBED_HD explicit constexpr bf16(float value) : bits(round(std::bit_cast<std::uint32_t>(value))) {}
  [[nodiscard]] REASONEMBED_HD static constexpr bf16 from_bits(std::uint16_t pattern) {
    bf16 result;
    result.bits = pattern;
    return result;
  }
  /// Exact.
  REASONEMBED_HD explicit constexpr operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  REASONEMBED_HD friend constexpr bool operator==(bf16 a, bf16 b) {
    return static_cast<float>(a) == static_cast<float>(b);
  }

 private:
  REASONEMBED_HD static constexpr std::uint16_t round(std::uint32_t word) {
    constexpr std::uint32_t kInfinity = 0x7F800000U;
    constexpr std::uint32_t kQuiet = 0x00400000U;
    if ((word & 0x7FFFFFFFU) > kInfinity) {
      return static_cast<std::uint16_t>((word | kQuiet) >> 16);  // rounding could carry a NaN into infinity or -0
    }
    const std::uint32_t nearest_even = 0x7FFFU + (word >> 16 & 1U);
    return static_cast<std::uint16_t>((word + nearest_even) >> 16);
  }
};
static_assert(sizeof(bf16) == 2);

/// Rounds each element to bf16.
/// @throws  ShapeError if the sizes differ
inline void convert(std::span<const float> from, std::span<bf16> to) {
  require_extent("convert", "to.size()", static_cast<Index>(to.size()), static_cast<Index>(from.size()));
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] = bf16(from[i]);
  }
}

/// Widens each element to float; exact.
/// @throws  ShapeError if the sizes differ
inline void convert(std::span<const bf16> from, std::span<float> to) {
  require_extent("convert", "to.size()", static_cast<Index>(to.size()), static_cast<Index>(from.size()));
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] = static_cast<float>(from[i]);
  }
}

}  // namespace reasonembed
