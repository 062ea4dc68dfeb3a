#pragma once
/// @file Bytes written as visible characters, which is how byte-level vocabularies spell their tokens.
#include <reasonembed/config.hpp>
#include <reasonembed/text/unicode.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// The visible character that stands for each byte: itself if it prints, otherwise one of those from U+0100 on, in
/// order.                                                                                 [Radford 2019, encoder.py]
inline constexpr std::array<char32_t, 256> kByteCharacters = [] {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    characters[byte] = prints ? byte : next++;
  }
  return characters;
}();

/// Appends the characters that stand for `bytes`, which may be any.
inline void append_byte_characters(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) {
    append_utf8(kByteCharacters[static_cast<unsigned char>(byte)], out);
  }
}

}  // namespace reasonembed::text
