#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

/// The six bits that each character of base64 stands for, -1 for all others.
inline constexpr std::array<std::int8_t, 256> kBase64Digits = [] {
  std::array<std::int8_t, 256> digits{};
  digits.fill(-1);
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return digits;
}();

}  // namespace detail

/// The bytes that base64 with padding stands for [RFC 4648, section 4].
///
/// @param where,what  what errors call the text
/// @throws            DataError for a character outside of the alphabet, wrong padding or bits that are lost
[[nodiscard]] inline std::string decode_base64(std::string_view text, std::string_view where, std::string_view what) {
  const auto refuse = [&](const std::string& got) { throw DataError::invalid(where, what, got, "base64"); };
  if (text.size() % 4 != 0) {
    refuse(std::to_string(text.size()) + " characters");
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool padded = i + padding >= text.size();
    const int digit = padded ? 0 : detail::kBase64Digits[static_cast<unsigned char>(text[i])];
    if (digit < 0) {
      refuse("another character at " + std::to_string(i));
    }
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    if (i % 4 == 3) {
      for (int shift = 16; shift >= 0; shift -= 8) {
        bytes.push_back(static_cast<char>((bits >> shift) & 0xFFU));
      }
      bits = 0;
    }
  }
  const std::string_view hidden = std::string_view(bytes).substr(bytes.size() - padding);
  if (hidden.find_first_not_of('\0') != std::string_view::npos) {
    refuse("bits behind its end");
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace reasonembed::model
