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

/// A full compatibility decomposition; U+FDFA has the longest.
struct CompatibilitySequence {
  std::array<utf8proc_int32_t, 18> characters{};
  std::size_t size = 0;
};

/// @return  the full compatibility decomposition [Unicode 15.0, section 3.7, D65]; the character itself if it has none
[[nodiscard]] inline CompatibilitySequence decompose_compatibility(char32_t character) {
  CompatibilitySequence sequence;
  int boundary_class = 0;
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  const utf8proc_ssize_t size = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(character), sequence.characters.data(), 18, kOptions, &boundary_class);
  if (size < 1 || size > 18) {
    return {{static_cast<utf8proc_int32_t>(character)}, 1};
  }
  sequence.size = static_cast<std::size_t>(size);
  return sequence;
}

namespace detail {

/// Two characters and the one that they compose to.
struct Composition {
  std::uint64_t pair = 0;
  char32_t composite = 0;
};

[[nodiscard]] constexpr std::uint64_t composition_key(char32_t first, char32_t second) {
  return (std::uint64_t{first} << 32) | second;
}

/// All primary composites but Hangul, by pair. A composite's last character was joined last.
[[nodiscard]] inline std::vector<Composition> compositions() {
  std::vector<Composition> table;
  constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  for (char32_t c = 0x80; c < 0x20000; ++c) {
    const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
    if (property->decomp_type != 0 || (c >= 0xD800 && c <= 0xDFFF)) {
      continue;
    }
    const CharacterSequence parts = decompose(c);
    if (parts.size < 2) {
      continue;
    }
    std::array<utf8proc_int32_t, 4> whole{};
    std::copy(parts.begin(), parts.end(), whole.begin());
    std::array<utf8proc_int32_t, 4> front = whole;
    const auto size = static_cast<utf8proc_ssize_t>(parts.size);
    const bool primary = utf8proc_normalize_utf32(whole.data(), size, kCompose) == 1 &&
                         whole[0] == static_cast<utf8proc_int32_t>(c) &&
                         utf8proc_normalize_utf32(front.data(), size - 1, kCompose) == 1;
    if (primary) {
      table.push_back({composition_key(static_cast<char32_t>(front[0]), parts.characters[parts.size - 1]), c});
    }
  }
  std::sort(table.begin(), table.end(), [](const Composition& a, const Composition& b) { return a.pair < b.pair; });
  return table;
}

}  // namespace detail

/// @return  the primary composite of two characters [Unicode 15.0, section 3.11, D117], 0 if there is none
/// @note    O(log n); the first call builds a table
[[nodiscard]] inline char32_t compose(char32_t first, char32_t second) {
  constexpr char32_t kL = 0x1100;
  constexpr char32_t kV = 0x1161;
  constexpr char32_t kT = 0x11A7;
  constexpr char32_t kS = 0xAC00;
  if (first >= kL && first < kL + 19 && second >= kV && second < kV + 21) {
    return kS + ((first - kL) * 21 + (second - kV)) * 28;
  }
  if (first >= kS && first < kS + 11172 && (first - kS) % 28 == 0 && second > kT && second < kT + 28) {
    return first + (second - kT);
  }
  static const std::vector<detail::Composition> table = detail::compositions();
  const std::uint64_t key = detail::composition_key(first, second);
  const auto found = std::lower_bound(
      table.begin(), table.end(), key, [](const detail::Composition& c, std::uint64_t k) { return c.pair < k; });
  return found != table.end() && found->pair == key ? found->composite : 0;
}

/// Where user-perceived characters end [Unicode 15.0, UAX 29, extended grapheme clusters]. Reads a text once, in order.
class GraphemeBreaks {
 public:
  /// @return  true if a cluster ends between two neighbours
  [[nodiscard]] bool between(char32_t before, char32_t behind) {
    return utf8proc_grapheme_break_stateful(
        static_cast<utf8proc_int32_t>(before), static_cast<utf8proc_int32_t>(behind), &state_);
  }

 private:
  utf8proc_int32_t state_ = 0;
};

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
