#pragma once
/// @file Number formats of tensors at rest, and their exact conversion to the two the library computes in.
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::io {

static_assert(std::endian::native == std::endian::little, "reasonembed::io: tensor files are little-endian");

/// The element types of a safetensors file that fill whole bytes.
enum class DType : std::uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kU16,
  kI16,
  kF16,
  kBf16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64,
};

namespace detail {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t size;
};
inline constexpr std::array<DTypeRow, 15> kDTypes{{{DType::kBool, "BOOL", 1},
                                                   {DType::kU8, "U8", 1},
                                                   {DType::kI8, "I8", 1},
                                                   {DType::kF8E5M2, "F8_E5M2", 1},
                                                   {DType::kF8E4M3, "F8_E4M3", 1},
                                                   {DType::kU16, "U16", 2},
                                                   {DType::kI16, "I16", 2},
                                                   {DType::kF16, "F16", 2},
                                                   {DType::kBf16, "BF16", 2},
                                                   {DType::kU32, "U32", 4},
                                                   {DType::kI32, "I32", 4},
                                                   {DType::kF32, "F32", 4},
                                                   {DType::kU64, "U64", 8},
                                                   {DType::kI64, "I64", 8},
                                                   {DType::kF64, "F64", 8}}};

template <class From, class To, class Convert>
void widen_elements(const std::byte* from, std::span<To> to, Convert convert) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    From element{};
    std::memcpy(&element, from + i * sizeof(From), sizeof(From));  // a file promises no alignment
    to[i] = convert(element);
  }
}

}  // namespace detail

/// @return  the name in a safetensors header, such as "BF16"
[[nodiscard]] constexpr std::string_view dtype_name(DType dtype) {
  return detail::kDTypes[static_cast<std::size_t>(dtype)].name;
}
/// @return  bytes of one element
[[nodiscard]] constexpr std::size_t dtype_size(DType dtype) {
  return detail::kDTypes[static_cast<std::size_t>(dtype)].size;
}
[[nodiscard]] constexpr std::optional<DType> find_dtype(std::string_view name) {
  for (const auto& row : detail::kDTypes) {
    if (row.name == name) {
      return row.dtype;
    }
  }
  return std::nullopt;
}
/// All names, for errors.
[[nodiscard]] inline std::string dtype_names() {
  std::string names;
  for (const auto& row : detail::kDTypes) {
    names.append(names.empty() ? "" : ", ").append(row.name);
  }
  return names;
}

/// The DType of an element type that the library holds in memory.
template <class T>
inline constexpr DType kDTypeOf = [] {
  if constexpr (std::same_as<T, float>) {
    return DType::kF32;
  } else if constexpr (std::same_as<T, double>) {
    return DType::kF64;
  } else if constexpr (std::same_as<T, bf16>) {
    return DType::kBf16;
  } else if constexpr (std::same_as<T, std::int32_t>) {
    return DType::kI32;
  } else {
    static_assert(std::same_as<T, std::int64_t>,
                  "reasonembed::io::kDTypeOf: T must be float, double, bf16, int32 or int64");
    return DType::kI64;
  }
}();

/// The value of an IEEE 754 binary16 pattern; exact, a NaN keeps its payload's leading bits.
[[nodiscard]] constexpr float float_from_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t exponent = half >> 10 & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0x1FU) {
    return std::bit_cast<float>(sign | 0x7F800000U | fraction << 13);
  }
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24, a product of two floats without rounding
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign == 0 ? magnitude : -magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112U) << 23 | fraction << 13);  // 112: the bias 127 less the bias 15
}

/// What the library holds weights in.
template <class T>
concept Stored = std::floating_point<T> || std::same_as<T, bf16>;

/// Converts `to.size()` stored elements, at any alignment, to T.
///
/// Exact where T holds the value, else rounded to nearest, and to infinity beyond the range of T (see SafeTensors::read
/// for who refuses that). F64 comes to bf16 by way of float, as in PyTorch.
///
/// @tparam T    float, double or bf16
/// @param from  dtype_size(dtype) * to.size() bytes
/// @return      false, with nothing written, if `dtype` is none of F64, F32, F16, BF16
template <Stored T>
[[nodiscard]] bool convert_elements(DType dtype, const std::byte* from, std::span<T> to) {
  switch (dtype) {
    case DType::kF64:
      detail::widen_elements<double>(from, to, [](double x) {
        return static_cast<T>(static_cast<std::conditional_t<std::same_as<T, double>, double, float>>(x));
      });
      return true;
    case DType::kF32:
      detail::widen_elements<float>(from, to, [](float x) { return static_cast<T>(x); });
      return true;
    case DType::kF16:
      detail::widen_elements<std::uint16_t>(from, to, [](std::uint16_t x) { return T{float_from_half(x)}; });
      return true;
    case DType::kBf16:
      if constexpr (std::same_as<T, bf16>) {
        std::memcpy(to.data(), from, to.size_bytes());
        return true;
      }
      detail::widen_elements<bf16>(from, to, [](bf16 x) { return T{static_cast<float>(x)}; });
      return true;
    default:
      return false;
  }
}

}  // namespace reasonembed::io
