#pragma once
/// @file UTF-8 checks of what files hold, and how a piece of a file is shown in an error message.
#include <reasonembed/config.hpp>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// The UTF-8 byte order mark, which some editors put at the start of a file.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

namespace detail {

/// @return  bytes of the well-formed character at the start of `text` (not empty), 0 if there is none
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  // The second byte's range excludes overlong forms (E0, F0), surrogates (ED) and what lies above U+10FFFF (F4).
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    low = lead == 0xE0 ? 0xA0 : low;
    high = lead == 0xED ? 0x9F : high;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    low = lead == 0xF0 ? 0x90 : low;
    high = lead == 0xF4 ? 0x8F : high;
  }
  if (length == 0 || text.size() < length || byte(1) < low || byte(1) > high) {
    return 0;
  }
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) {
      return 0;
    }
  }
  return length;
}

inline std::string hex_byte(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {kDigits[byte >> 4], kDigits[byte & 15U]};
}

}  // namespace detail

/// The position of the first byte that is not part of a well-formed UTF-8 character [RFC 3629, section 4].
///
/// @return  a byte index, `std::string_view::npos` if all of `text` is UTF-8
/// @note    O(n), eight bytes a step through ASCII
[[nodiscard]] inline std::size_t find_invalid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    if (text.size() - i >= sizeof(unsigned long long)) {
      unsigned long long word = 0;
      std::memcpy(&word, text.data() + i, sizeof(word));
      if ((word & 0x8080808080808080ULL) == 0) {
        i += sizeof(word);
        continue;
      }
    }
    const std::size_t length = detail::utf8_length(text.substr(i));
    if (length == 0) {
      return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

/// `text` in double quotes for an error message: control characters and bytes that are not UTF-8 are written as \xNN,
/// and what is longer than `limit` bytes is cut at a character and ends in "...".
[[nodiscard]] inline std::string in_quotes(std::string_view text, std::size_t limit = 60) {
  std::string shown = "\"";
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t length = detail::utf8_length(text.substr(i));
    const std::size_t step = length == 0 ? 1 : length;
    if (i + step > limit) {
      return shown + "...\"";
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      shown += "\\x" + detail::hex_byte(byte);
    } else {
      if (byte == '"' || byte == '\\') {
        shown += '\\';
      }
      shown += text.substr(i, step);
    }
    i += step;
  }
  return shown + "\"";
}

}  // namespace reasonembed::io
