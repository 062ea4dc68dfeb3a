#pragma once
/// @file Characters as Hugging Face `tokenizers` 0.23.3 sees them outside of BERT's parts, over all code points.
///
/// That program mixes Unicode versions: its regular expressions hold Unicode 16, digits are those of Unicode 17, and
/// combining marks and compatibility decompositions those of Unicode 9. The tables below hold what differs from
/// utf8proc (Unicode 15), taken from the program itself, one code point after another; pipeline_characters_test.cpp
/// repeats the comparison.
#include <reasonembed/config.hpp>
#include <reasonembed/text/bert_characters.hpp>
#include <reasonembed/text/unicode.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace reasonembed::inline REASONEMBED_ABI::text {

namespace detail {

// Matched by the regular expression \p{L}, unassigned in Unicode 15.
inline constexpr std::array<CharacterRange, 22> kNewerLetters = {
    {{0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
     {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
     {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
     {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
     {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D}}};

// Matched by \p{N}, unassigned in Unicode 15.
inline constexpr std::array<CharacterRange, 7> kNewerNumbers = {{{0x10D40, 0x10D49},
                                                                 {0x116D0, 0x116E3},
                                                                 {0x11BF0, 0x11BF9},
                                                                 {0x16130, 0x16139},
                                                                 {0x16D70, 0x16D79},
                                                                 {0x1CCF0, 0x1CCF9},
                                                                 {0x1E5F1, 0x1E5FA}}};

// Numeric for the pre-tokenizer Digits, and not matched by \p{N} either.
inline constexpr std::array<CharacterRange, 2> kNewestNumbers = {{{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}}};

// Matched by \w of the pre-tokenizer Whitespace, and in no category of Unicode 15 that says so.
inline constexpr std::array<CharacterRange, 35> kNewerWords = {
    {{0x0897, 0x0897},   {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3},
     {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC},
     {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0},
     {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
     {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A}, {0x13460, 0x143FA},
     {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79}, {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9},
     {0x1E5D0, 0x1E5FA}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}, {0x2EBF0, 0x2EE5D}}};

// Category M in Unicode 15, kept by the normaliser StripAccents.
inline constexpr std::array<CharacterRange, 76> kNotMarks = {
    {{0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},   {0x0AFA, 0x0AFF},
     {0x0B55, 0x0B55},   {0x0C04, 0x0C04},   {0x0C3C, 0x0C3C},   {0x0CF3, 0x0CF3},   {0x0D00, 0x0D00},
     {0x0D3B, 0x0D3C},   {0x0D81, 0x0D81},   {0x0EBA, 0x0EBA},   {0x0ECE, 0x0ECE},   {0x1715, 0x1715},
     {0x180F, 0x180F},   {0x1ABF, 0x1ACE},   {0x1CF7, 0x1CF7},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
     {0xA8FF, 0xA8FF},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
     {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x11073, 0x11074}, {0x110C2, 0x110C2}, {0x11145, 0x11146},
     {0x111C9, 0x111C9}, {0x111CE, 0x111CF}, {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
     {0x1182C, 0x1183A}, {0x11930, 0x11935}, {0x11937, 0x11938}, {0x1193B, 0x1193E}, {0x11940, 0x11940},
     {0x11942, 0x11943}, {0x119D1, 0x119D7}, {0x119DA, 0x119E0}, {0x119E4, 0x119E4}, {0x11A01, 0x11A0A},
     {0x11A33, 0x11A39}, {0x11A3B, 0x11A3E}, {0x11A47, 0x11A47}, {0x11A51, 0x11A5B}, {0x11A8A, 0x11A99},
     {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A}, {0x11D3C, 0x11D3D}, {0x11D3F, 0x11D45}, {0x11D47, 0x11D47},
     {0x11D8A, 0x11D8E}, {0x11D90, 0x11D91}, {0x11D93, 0x11D97}, {0x11EF3, 0x11EF6}, {0x11F00, 0x11F01},
     {0x11F03, 0x11F03}, {0x11F34, 0x11F3A}, {0x11F3E, 0x11F42}, {0x13440, 0x13440}, {0x13447, 0x13455},
     {0x16F4F, 0x16F4F}, {0x16F7F, 0x16F87}, {0x16FE4, 0x16FE4}, {0x16FF0, 0x16FF1}, {0x1CF00, 0x1CF2D},
     {0x1CF30, 0x1CF46}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
     {0x1E4EC, 0x1E4EF}}};

// A compatibility decomposition in Unicode 15, none here.
inline constexpr std::array<CharacterRange, 10> kCompatibilityItself = {{{0x32FF, 0x32FF},
                                                                         {0xA7F2, 0xA7F4},
                                                                         {0xAB69, 0xAB69},
                                                                         {0x10781, 0x10785},
                                                                         {0x10787, 0x107B0},
                                                                         {0x107B2, 0x107BA},
                                                                         {0x11938, 0x11938},
                                                                         {0x1E030, 0x1E06D},
                                                                         {0x1F16C, 0x1F16C},
                                                                         {0x1FBF0, 0x1FBF9}}};

// Continues a user-perceived character in Unicode 17, unassigned in Unicode 15.
inline constexpr std::array<CharacterRange, 20> kNewerExtending = {
    {{0x897, 0x897},     {0x1ACF, 0x1ADD},   {0x1AE0, 0x1AEB},   {0x10D69, 0x10D6D}, {0x10EFA, 0x10EFC},
     {0x113B8, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D0},
     {0x113D2, 0x113D2}, {0x113E1, 0x113E2}, {0x11B60, 0x11B67}, {0x11F5A, 0x11F5A}, {0x1611E, 0x1612F},
     {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6E3}, {0x1E6E6, 0x1E6E6}, {0x1E6EE, 0x1E6EF}, {0x1E6F5, 0x1E6F5}}};

}  // namespace detail

/// What a character is for the patterns that cut texts into words.
enum class CharacterClass : std::uint8_t {
  kOther,
  kLetter,  ///< \p{L}
  kNumber,  ///< \p{N}
  kSpace    ///< \s
};

/// The questions that pre-tokenizers and normalisers ask of one character.
///
/// @note  O(log of a small table) each, no allocation
class ReferenceCharacters {
 public:
  ReferenceCharacters() = delete;

  [[nodiscard]] static CharacterClass class_of(char32_t c) { return c < 0x80 ? kAscii[c] : beyond_ascii(c); }

  /// @return  true for \w: letters, marks, decimal and letter numbers, connectors, joiners and what else is alphabetic
  [[nodiscard]] static bool is_word(char32_t c) {
    const Category found = category(c);
    return (found >= Category::kLu && found <= Category::kNl) || found == Category::kPc || c == 0x200C || c == 0x200D ||
           (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x80 && detail::contains(detail::kNewerWords, c));
  }
  /// @return  true for what the pre-tokenizer Digits cuts out
  [[nodiscard]] static bool is_numeric(char32_t c) {
    return class_of(c) == CharacterClass::kNumber || (c >= 0x80 && detail::contains(detail::kNewestNumbers, c));
  }
  /// @return  true for what the normaliser StripAccents removes
  [[nodiscard]] static bool is_mark(char32_t c) {
    const Category found = category(c);
    const bool mark = found == Category::kMn || found == Category::kMc || found == Category::kMe;
    return mark ? !detail::contains(detail::kNotMarks, c) : c == 0x1CF2 || c == 0x1CF3;
  }
  /// @return  true for what continues a user-perceived character although utf8proc does not know it
  [[nodiscard]] static bool is_newer_extending(char32_t c) {
    return c >= 0x80 && detail::contains(detail::kNewerExtending, c);
  }
  /// @return  true if NFKD leaves `c` as it is although utf8proc decomposes it
  [[nodiscard]] static bool is_compatibility_itself(char32_t c) {
    return c >= 0x80 && detail::contains(detail::kCompatibilityItself, c);
  }

 private:
  [[nodiscard]] static CharacterClass beyond_ascii(char32_t c) {
    const Category found = category(c);
    if (found >= Category::kLu && found <= Category::kLo) {
      return CharacterClass::kLetter;
    }
    if (found >= Category::kNd && found <= Category::kNo) {
      return CharacterClass::kNumber;
    }
    if (found == Category::kCn) {
      return detail::contains(detail::kNewerLetters, c)   ? CharacterClass::kLetter
             : detail::contains(detail::kNewerNumbers, c) ? CharacterClass::kNumber
                                                          : CharacterClass::kOther;
    }
    return is_white_space(c) ? CharacterClass::kSpace : CharacterClass::kOther;
  }

  static constexpr std::array<CharacterClass, 128> kAscii = [] {
    std::array<CharacterClass, 128> classes{};
    for (char32_t c = 0; c < classes.size(); ++c) {
      classes[c] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? CharacterClass::kLetter
                   : c >= '0' && c <= '9'                           ? CharacterClass::kNumber
                   : is_white_space(c)                              ? CharacterClass::kSpace
                                                                    : CharacterClass::kOther;
    }
    return classes;
  }();
};

}  // namespace reasonembed::text
