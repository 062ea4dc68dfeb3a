#include <reasonembed/text/reference_characters.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>

namespace re = reasonembed;
using re::text::CharacterClass;
using re::text::ReferenceCharacters;

namespace {

template <std::size_t N>
void check_ascending(const std::array<re::text::detail::CharacterRange, N>& ranges) {
  for (std::size_t i = 0; i < N; ++i) {
    CHECK(ranges[i].first <= ranges[i].last);
    CHECK((i == 0 || ranges[i - 1].last < ranges[i].first));
    CHECK(ranges[i].last <= 0x10FFFF);
  }
}

}  // namespace

TEST_SUITE("text/reference_characters") {
  TEST_CASE("tables: are ascending and disjoint, as the search needs") {
    check_ascending(re::text::detail::kNewerLetters);
    check_ascending(re::text::detail::kNewerNumbers);
    check_ascending(re::text::detail::kNewestNumbers);
    check_ascending(re::text::detail::kNewerWords);
    check_ascending(re::text::detail::kNotMarks);
    check_ascending(re::text::detail::kCompatibilityItself);
    check_ascending(re::text::detail::kNewerExtending);
  }

  TEST_CASE("class_of: ASCII is what the C library says") {
    for (char32_t c = 0; c < 0x80; ++c) {
      const int byte = static_cast<int>(c);
      const CharacterClass expected = std::isalpha(byte) != 0   ? CharacterClass::kLetter
                                      : std::isdigit(byte) != 0 ? CharacterClass::kNumber
                                      : std::isspace(byte) != 0 ? CharacterClass::kSpace
                                                                : CharacterClass::kOther;
      CHECK(ReferenceCharacters::class_of(c) == expected);
    }
  }

  TEST_CASE("class_of: letters, numbers, white space and the rest of all planes") {
    for (const char32_t letter : {0xAA, 0xE9, 0x1C5, 0x2B0, 0x5D0, 0x4E2D, 0xAC00, 0x10400, 0x20000, 0x2EBF0, 0x1C89}) {
      CHECK(ReferenceCharacters::class_of(letter) == CharacterClass::kLetter);
    }
    for (const char32_t number : {0xB2, 0xBD, 0x660, 0x2160, 0x2460, 0x3007, 0x1D7CE, 0x10D40, 0x1CCF0}) {
      CHECK(ReferenceCharacters::class_of(number) == CharacterClass::kNumber);
    }
    for (const char32_t space : {0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}) {
      CHECK(ReferenceCharacters::class_of(space) == CharacterClass::kSpace);
    }
    for (const char32_t other :
         {0x80, 0xAD, 0x301, 0x180E, 0x200B, 0x200D, 0x20AC, 0x378, 0xE000, 0xFEFF, 0xFFFD, 0x1F600, 0x10FFFF}) {
      CHECK(ReferenceCharacters::class_of(other) == CharacterClass::kOther);
    }
  }

  TEST_CASE("is_word: letters, marks, decimal and letter numbers, connectors, joiners, circled letters") {
    for (const char32_t word : {U'a',
                                U'Z',
                                U'0',
                                U'_',
                                U'\u00E9',
                                U'\u0301',
                                U'\u2160',
                                U'\u203F',
                                U'\u200D',
                                U'\u200C',
                                U'\u24B6',
                                U'\U0001F130',
                                U'\u0897'}) {
      CHECK(ReferenceCharacters::is_word(word));
    }
    for (const char32_t other :
         {U' ', U'-', U'.', U'\u00B2', U'\u2460', U'\u00A0', U'\u20AC', U'\U0001F600', U'\u200B'}) {
      CHECK_FALSE(ReferenceCharacters::is_word(other));
    }
  }

  TEST_CASE("is_numeric: what class_of calls a number, and the newest ones") {
    for (char32_t c = 0; c < 0x11DDF; ++c) {
      CHECK_MESSAGE(ReferenceCharacters::is_numeric(c) == (ReferenceCharacters::class_of(c) == CharacterClass::kNumber),
                    c);
    }
    CHECK(ReferenceCharacters::is_numeric(0x11DE0));
    CHECK(ReferenceCharacters::is_numeric(0x16FF6));
    CHECK(ReferenceCharacters::class_of(0x11DE0) == CharacterClass::kOther);
  }

  TEST_CASE("is_mark: marks of Unicode 9, spacing and enclosing ones too") {
    for (const char32_t mark : {U'\u0301', U'\u0903', U'\u20DD', U'\u1CF2', U'\u1CF3'}) {
      CHECK(ReferenceCharacters::is_mark(mark));
    }
    for (const char32_t other : {U'a', U'\u07FD', U'\u1ABF', U'\u1CF7', U'\U00011930', U'^'}) {
      CHECK_FALSE(ReferenceCharacters::is_mark(other));
    }
  }

  TEST_CASE("is_compatibility_itself, is_newer_extending: the listed characters and no neighbours") {
    CHECK(ReferenceCharacters::is_compatibility_itself(0x32FF));
    CHECK_FALSE(ReferenceCharacters::is_compatibility_itself(0x32FE));
    CHECK_FALSE(ReferenceCharacters::is_compatibility_itself('a'));
    CHECK(ReferenceCharacters::is_newer_extending(0x897));
    CHECK_FALSE(ReferenceCharacters::is_newer_extending(0x898));
    CHECK_FALSE(ReferenceCharacters::is_newer_extending('a'));
  }
}
