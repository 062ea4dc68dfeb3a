#pragma once
/// @file UTF-8 and the properties of Unicode characters. Nothing else in the library includes utf8proc.
///
/// Properties are those of the installed utf8proc; 2.8.0 (Debian 12) holds Unicode 15.0.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// What stands for bytes that are not UTF-8 (U+FFFD).
inline constexpr char32_t kReplacementCharacter = 0xFFFD;

/// One character read from UTF-8.
struct DecodedCharacter {
  char32_t value = 0;
  std::size_t length = 0;  ///< bytes consumed, 1 to 4
  bool valid = false;      ///< false: `value` is kReplacementCharacter and stands for `length` malformed bytes

  friend bool operator==(const DecodedCharacter&, const DecodedCharacter&) = default;
};

/// Reads the character at byte `position` [RFC 3629, section 4].
///
/// Malformed bytes are replaced, never skipped: one U+FFFD for each maximal subpart, that is the longest prefix of a
/// well-formed character, or else one byte [Unicode 15.0, section 3.9, U+FFFD Substitution of Maximal Subparts].
/// Overlong forms, surrogates and values above U+10FFFF are malformed.
///
/// @pre   position < text.size()
/// @note  O(1), no allocation
[[nodiscard]] constexpr DecodedCharacter decode_utf8(std::string_view text, std::size_t position) {
  REASONEMBED_ASSERT(position < text.size());
  const unsigned lead = static_cast<unsigned char>(text[position]);
  if (lead < 0x80) {
    return {lead, 1, true};
  }
  if (lead < 0xC2 || lead > 0xF4) {
    return {kReplacementCharacter, 1, false};
  }
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The range of the second byte excludes overlong forms (E0, F0), surrogates (ED) and what lies above U+10FFFF (F4).
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t value = lead & (0x7FU >> length);
  for (std::size_t k = 1; k < length; ++k) {
    const unsigned next = position + k < text.size() ? static_cast<unsigned char>(text[position + k]) : 0U;
    if (next < low || next > high) {
      return {kReplacementCharacter, k, false};
    }
    value = (value << 6) | (next & 0x3FU);
    low = 0x80;
    high = 0xBF;
  }
  return {value, length, true};
}

/// Appends `character` as UTF-8.
///
/// @pre  a Unicode scalar value: at most U+10FFFF and no surrogate
inline void append_utf8(char32_t character, std::string& out) {
  REASONEMBED_ASSERT(character <= 0x10FFFF && (character < 0xD800 || character > 0xDFFF));
  if (character < 0x80) {
    out.push_back(static_cast<char>(character));
    return;
  }
  const int length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
  const char32_t marker = (0xF00U >> length) & 0xFFU;  // 110xxxxx, 1110xxxx, 11110xxx
  out.push_back(static_cast<char>(marker | (character >> (6 * (length - 1)))));
  for (int k = length - 2; k >= 0; --k) {
    out.push_back(static_cast<char>(0x80U | ((character >> (6 * k)) & 0x3FU)));
  }
}

/// @return  the number of bytes at the start of `text` that are ASCII
/// @note    O(n), eight bytes a step
[[nodiscard]] inline std::size_t ascii_prefix(std::string_view text) {
  std::size_t i = 0;
  for (std::uint64_t word = 0; text.size() - i >= sizeof(word); i += sizeof(word)) {
    std::memcpy(&word, text.data() + i, sizeof(word));
    if ((word & 0x8080808080808080ULL) != 0) {
      break;
    }
  }
  while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80) {
    ++i;
  }
  return i;
}

/// @throws  DataError naming the byte offset of the first byte that is not part of a well-formed UTF-8 character
/// @note    O(n), no allocation
inline void require_utf8(std::string_view where, std::string_view text) {
  for (std::size_t i = ascii_prefix(text); i < text.size(); i += ascii_prefix(text.substr(i))) {
    const DecodedCharacter character = decode_utf8(text, i);
    if (!character.valid) {
      throw DataError::invalid(where, "text", "not UTF-8 at byte " + std::to_string(i), "UTF-8 text");
    }
    i += character.length;
  }
}

/// @return  the number of characters of well-formed UTF-8
[[nodiscard]] inline std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) >> 6) != 2; }));
}

/// General categories, named by their two letters [Unicode 15.0, table 4-4].
enum class Category : std::uint8_t {
  kCn,  ///< unassigned
  kLu,
  kLl,
  kLt,
  kLm,
  kLo,
  kMn,  ///< non-spacing mark
  kMc,
  kMe,
  kNd,
  kNl,
  kNo,
  kPc,
  kPd,
  kPs,
  kPe,
  kPi,
  kPf,
  kPo,
  kSm,
  kSc,
  kSk,
  kSo,
  kZs,
  kZl,
  kZp,
  kCc,  ///< control
  kCf,  ///< format
  kCs,
  kCo  ///< private use
};
static_assert(static_cast<int>(Category::kMn) == UTF8PROC_CATEGORY_MN &&
                  static_cast<int>(Category::kPo) == UTF8PROC_CATEGORY_PO &&
                  static_cast<int>(Category::kCo) == UTF8PROC_CATEGORY_CO,
              "reasonembed::text::Category: values must be those of utf8proc");

[[nodiscard]] inline Category category(char32_t character) {
  return static_cast<Category>(utf8proc_category(static_cast<utf8proc_int32_t>(character)));
}
/// @return  true for Pc, Pd, Ps, Pe, Pi, Pf and Po
[[nodiscard]] inline bool is_punctuation(char32_t character) {
  const Category found = category(character);
  return found >= Category::kPc && found <= Category::kPo;
}
/// @return  true for the characters with the property White_Space, which has not changed since Unicode 6.3
[[nodiscard]] constexpr bool is_white_space(char32_t character) {
  return (character >= 0x09 && character <= 0x0D) || character == 0x20 || character == 0x85 || character == 0xA0 ||
         character == 0x1680 || (character >= 0x2000 && character <= 0x200A) || character == 0x2028 ||
         character == 0x2029 || character == 0x202F || character == 0x205F || character == 0x3000;
}
/// @return  the canonical combining class, 0 for a starter
[[nodiscard]] inline std::uint8_t combining_class(char32_t character) {
  return static_cast<std::uint8_t>(utf8proc_get_property(static_cast<utf8proc_int32_t>(character))->combining_class);
}
/// @return  the simple lowercase mapping: one character, itself if it has none
[[nodiscard]] inline char32_t simple_lowercase(char32_t character) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character)));
}

/// A few characters by value.
struct CharacterSequence {
  std::array<char32_t, 4> characters{};  ///< no full canonical decomposition is longer
  std::size_t size = 0;

  [[nodiscard]] const char32_t* begin() const { return characters.data(); }
  [[nodiscard]] const char32_t* end() const { return characters.data() + size; }
};

/// @return  the full canonical decomposition [Unicode 15.0, section 3.7, D68]; the character itself if it has none
[[nodiscard]] inline CharacterSequence decompose(char32_t character) {
  std::array<utf8proc_int32_t, 4> buffer{};
  int boundary_class = 0;
  const utf8proc_ssize_t size = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(character), buffer.data(), 4, UTF8PROC_DECOMPOSE, &boundary_class);
  if (size < 1 || size > 4) {
    return {{character}, 1};
  }
  CharacterSequence sequence{{}, static_cast<std::size_t>(size)};
  std::transform(buffer.begin(), buffer.end(), sequence.characters.begin(), [](utf8proc_int32_t c) {
    return static_cast<char32_t>(c);
  });
  return sequence;
}

/// Characters between two starters, which canonical ordering sorts by combining class and otherwise leaves in their
/// order [Unicode 15.0, section 3.11, D108 and D109].
///
/// @note  n marks take O(n log n) time however they are ordered; the memory is kept for the next run
class MarkRun {
 public:
  [[nodiscard]] bool empty() const { return keys_.empty(); }

  /// @param combining_class  of `mark`, not 0
  void add(char32_t mark, std::uint8_t combining_class) {
    REASONEMBED_ASSERT(combining_class != 0 && keys_.size() < (std::size_t{1} << 35));
    // Class, arrival, character: sorting these keys is stable although std::sort is not, and needs no second buffer.
    keys_.push_back((std::uint64_t{combining_class} << 56) | (std::uint64_t{keys_.size()} << 21) | mark);
  }

  /// Calls emit(char32_t) for every mark in canonical order and forgets them.
  template <class Emit>
  void flush(Emit&& emit) {
    std::sort(keys_.begin(), keys_.end());
    for (const std::uint64_t key : keys_) {
      emit(static_cast<char32_t>(key & 0x1FFFFFU));
    }
    keys_.clear();
  }

 private:
  std::vector<std::uint64_t> keys_;
};

}  // namespace reasonembed::text
