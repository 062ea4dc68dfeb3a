#pragma once
/// @file Characters as BERT's tokenizer sees them: the tables of Hugging Face `tokenizers` 0.23.3, over all code
/// points.
///
/// That program mixes Unicode versions: categories of Unicode 8, decompositions and combining classes of Unicode 9, and
/// lowercase of Unicode 17. Token ids must be its ids, so where utf8proc (Unicode 15) differs, the tables below hold
/// the difference, taken from the program itself, one code point after another; minilm_tokens_test.cpp repeats the
/// comparison. Nearly all are characters that are newer than its tables, which it therefore takes for letters.
#include <reasonembed/config.hpp>
#include <reasonembed/text/unicode.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace reasonembed::inline REASONEMBED_ABI::text {

namespace detail {

/// Characters first to last, both included.
struct CharacterRange {
  char32_t first = 0;
  char32_t last = 0;
};

/// @param ranges  ascending and disjoint
template <std::size_t N>
[[nodiscard]] constexpr bool contains(const std::array<CharacterRange, N>& ranges, char32_t character) {
  const auto range = std::lower_bound(
      ranges.begin(), ranges.end(), character, [](const CharacterRange& r, char32_t c) { return r.last < c; });
  return range != ranges.end() && range->first <= character;
}

// Category Mn in Unicode 15, kept when accents are stripped.
inline constexpr std::array<CharacterRange, 91> kNotAccents = {
    {{0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08E1},   {0x09FE, 0x09FE},   {0x0AFA, 0x0AFF},
     {0x0B55, 0x0B55},   {0x0C04, 0x0C04},   {0x0C3C, 0x0C3C},   {0x0D00, 0x0D00},   {0x0D3B, 0x0D3C},
     {0x0D81, 0x0D81},   {0x0EBA, 0x0EBA},   {0x0ECE, 0x0ECE},   {0x180F, 0x180F},   {0x1885, 0x1886},
     {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFB},   {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},
     {0xA9BD, 0xA9BD},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
     {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x11073, 0x11074}, {0x110C2, 0x110C2}, {0x111C9, 0x111C9},
     {0x111CF, 0x111CF}, {0x1123E, 0x1123E}, {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x11438, 0x1143F},
     {0x11442, 0x11444}, {0x11446, 0x11446}, {0x1145E, 0x1145E}, {0x1182F, 0x11837}, {0x11839, 0x1183A},
     {0x1193B, 0x1193C}, {0x1193E, 0x1193E}, {0x11943, 0x11943}, {0x119D4, 0x119D7}, {0x119DA, 0x119DB},
     {0x119E0, 0x119E0}, {0x11A01, 0x11A0A}, {0x11A33, 0x11A38}, {0x11A3B, 0x11A3E}, {0x11A47, 0x11A47},
     {0x11A51, 0x11A56}, {0x11A59, 0x11A5B}, {0x11A8A, 0x11A96}, {0x11A98, 0x11A99}, {0x11C30, 0x11C36},
     {0x11C38, 0x11C3D}, {0x11C3F, 0x11C3F}, {0x11C92, 0x11CA7}, {0x11CAA, 0x11CB0}, {0x11CB2, 0x11CB3},
     {0x11CB5, 0x11CB6}, {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A}, {0x11D3C, 0x11D3D}, {0x11D3F, 0x11D45},
     {0x11D47, 0x11D47}, {0x11D90, 0x11D91}, {0x11D95, 0x11D95}, {0x11D97, 0x11D97}, {0x11EF3, 0x11EF4},
     {0x11F00, 0x11F01}, {0x11F36, 0x11F3A}, {0x11F40, 0x11F40}, {0x11F42, 0x11F42}, {0x13440, 0x13440},
     {0x13447, 0x13455}, {0x16F4F, 0x16F4F}, {0x16FE4, 0x16FE4}, {0x1CF00, 0x1CF2D}, {0x1CF30, 0x1CF46},
     {0x1E000, 0x1E006}, {0x1E008, 0x1E018}, {0x1E01B, 0x1E021}, {0x1E023, 0x1E024}, {0x1E026, 0x1E02A},
     {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
     {0x1E944, 0x1E94A}}};

// Category P in Unicode 15, not split off as punctuation.
inline constexpr std::array<CharacterRange, 32> kNotPunctuation = {
    {{0x061D, 0x061D},   {0x09FD, 0x09FD},   {0x0A76, 0x0A76},   {0x0C77, 0x0C77},   {0x0C84, 0x0C84},
     {0x1B7D, 0x1B7E},   {0x2E43, 0x2E4F},   {0x2E52, 0x2E5D},   {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59},
     {0x10F86, 0x10F89}, {0x1144B, 0x1144F}, {0x1145A, 0x1145B}, {0x1145D, 0x1145D}, {0x11660, 0x1166C},
     {0x116B9, 0x116B9}, {0x1183B, 0x1183B}, {0x11944, 0x11946}, {0x119E2, 0x119E2}, {0x11A3F, 0x11A46},
     {0x11A9A, 0x11A9C}, {0x11A9E, 0x11AA2}, {0x11B00, 0x11B09}, {0x11C41, 0x11C45}, {0x11C70, 0x11C71},
     {0x11EF7, 0x11EF8}, {0x11F43, 0x11F4F}, {0x11FFF, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x16E97, 0x16E9A},
     {0x16FE2, 0x16FE2}, {0x1E95E, 0x1E95F}}};

// Category Cf in Unicode 15, kept when text is cleaned.
inline constexpr std::array<CharacterRange, 4> kNotControl = {
    {{0x0890, 0x0891}, {0x08E2, 0x08E2}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}}};

// A combining class above 0 in Unicode 15, none here.
inline constexpr std::array<CharacterRange, 36> kStarters = {
    {{0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},   {0x0C3C, 0x0C3C},
     {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},
     {0xA82C, 0xA82C},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
     {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
     {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47},
     {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42},
     {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
     {0x1E4EC, 0x1E4EF}}};

// The ideographs that stand alone. Extension E is meant to begin at 2B820; the gap is the program's, and is kept.
inline constexpr std::array<CharacterRange, 8> kIdeographs = {{{0x3400, 0x4DBF},
                                                               {0x4E00, 0x9FFF},
                                                               {0xF900, 0xFAFF},
                                                               {0x20000, 0x2A6DF},
                                                               {0x2A700, 0x2B73F},
                                                               {0x2B740, 0x2B81F},
                                                               {0x2B920, 0x2CEAF},
                                                               {0x2F800, 0x2FA1F}}};

/// Lowercase that is newer than Unicode 15: `character + shift` for each of first to last.
struct LowercaseShift {
  char32_t first = 0;
  char32_t last = 0;
  std::int32_t shift = 0;
};
inline constexpr std::array<LowercaseShift, 10> kNewerLowercase = {{{0x1C89, 0x1C89, 1},
                                                                    {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
                                                                    {0xA7CC, 0xA7CC, 1},
                                                                    {0xA7CE, 0xA7CE, 1},
                                                                    {0xA7D2, 0xA7D2, 1},
                                                                    {0xA7D4, 0xA7D4, 1},
                                                                    {0xA7DA, 0xA7DA, 1},
                                                                    {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
                                                                    {0x10D50, 0x10D65, 0x20},
                                                                    {0x16EA0, 0x16EB8, 0x1B}}};

}  // namespace detail

/// The questions that BERT's normaliser and pre-tokenizer ask of one character.
///
/// @note  O(log of a small table) each, no allocation
class BertCharacters {
 public:
  BertCharacters() = delete;

  /// @return  true for what text cleaning removes: U+0000, U+FFFD and categories Cc, Cf and Co, except tab, line feed
  ///          and carriage return; unassigned characters stay
  [[nodiscard]] static bool is_removed(char32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') {
      return false;
    }
    const Category found = category(c);
    return found == Category::kCc || found == Category::kCo || c == kReplacementCharacter ||
           (found == Category::kCf && !detail::contains(detail::kNotControl, c));
  }
  /// @return  true for a CJK ideograph, which becomes a word of its own; kana and hangul are none
  [[nodiscard]] static bool is_ideograph(char32_t c) { return c >= 0x3400 && detail::contains(detail::kIdeographs, c); }

  /// @return  true for a non-spacing mark, which stripping accents removes
  [[nodiscard]] static bool is_accent(char32_t c) {
    return category(c) == Category::kMn ? !detail::contains(detail::kNotAccents, c) : c == 0x1734;
  }
  /// @return  true for the 32 ASCII characters that are no letter, digit, blank or control, and for category P
  [[nodiscard]] static bool is_punctuation(char32_t c) {
    if (c < 0x80) {
      return (c > 0x20 && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7F);
    }
    return text::is_punctuation(c) ? !detail::contains(detail::kNotPunctuation, c) : c == 0x166D || c == 0x111C9;
  }
  [[nodiscard]] static std::uint8_t combining_class(char32_t c) {
    const std::uint8_t found = text::combining_class(c);
    return found != 0 && detail::contains(detail::kStarters, c) ? std::uint8_t{0} : found;
  }
  [[nodiscard]] static CharacterSequence decompose(char32_t c) {
    return c == 0x11938 ? CharacterSequence{{c}, 1} : text::decompose(c);
  }
  /// @return  the full lowercase mapping; U+0130 is the one character that becomes two
  [[nodiscard]] static CharacterSequence lowercase(char32_t c) {
    if (c == 0x130) {
      return {{'i', 0x307}, 2};
    }
    for (const detail::LowercaseShift& range : detail::kNewerLowercase) {
      if (c >= range.first && c <= range.last) {
        return {{static_cast<char32_t>(static_cast<std::int32_t>(c) + range.shift)}, 1};
      }
    }
    return {{simple_lowercase(c)}, 1};
  }
};

}  // namespace reasonembed::text
