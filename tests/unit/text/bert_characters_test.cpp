#include <reasonembed/text/bert_characters.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::text::BertCharacters;
using re::text::Category;

namespace {

std::u32string lowercase(char32_t c) {
  const re::text::CharacterSequence sequence = BertCharacters::lowercase(c);
  return {sequence.begin(), sequence.end()};
}

template <std::size_t N>
void check_ascending(const std::array<re::text::detail::CharacterRange, N>& ranges) {
  for (std::size_t i = 0; i < N; ++i) {
    CAPTURE(i);
    CHECK(ranges[i].first <= ranges[i].last);
    CHECK((i == 0 || ranges[i - 1].last < ranges[i].first));
  }
}

}  // namespace

TEST_SUITE("text/bert_characters") {
  TEST_CASE("contains: holds for both ends of a range and for nothing beside it") {
    using re::text::detail::CharacterRange;
    constexpr std::array<CharacterRange, 3> kRanges = {
        CharacterRange{5, 5}, CharacterRange{7, 9}, CharacterRange{20, 30}};
    for (char32_t c = 0; c < 40; ++c) {
      CHECK(re::text::detail::contains(kRanges, c) == (c == 5 || (c >= 7 && c <= 9) || (c >= 20 && c <= 30)));
    }
    static_assert(!re::text::detail::contains(std::array<CharacterRange, 0>{}, 1));
  }

  TEST_CASE("contains: every table is ascending and disjoint, as the search needs") {
    check_ascending(re::text::detail::kNotAccents);
    check_ascending(re::text::detail::kNotPunctuation);
    check_ascending(re::text::detail::kNotControl);
    check_ascending(re::text::detail::kStarters);
    check_ascending(re::text::detail::kIdeographs);
  }

  TEST_CASE("contains: every exception is one, so that no row of a table is idle") {
    const auto all = [](const auto& ranges, auto&& property) {
      std::size_t wrong = 0;
      for (const auto& range : ranges) {
        for (char32_t c = range.first; c <= range.last; ++c) {
          wrong += !property(c);
        }
      }
      return wrong == 0;
    };
    CHECK(all(re::text::detail::kNotAccents, [](char32_t c) { return re::text::category(c) == Category::kMn; }));
    CHECK(all(re::text::detail::kNotPunctuation, [](char32_t c) { return re::text::is_punctuation(c); }));
    CHECK(all(re::text::detail::kNotControl, [](char32_t c) { return re::text::category(c) == Category::kCf; }));
    CHECK(all(re::text::detail::kStarters, [](char32_t c) { return re::text::combining_class(c) != 0; }));
  }

  TEST_CASE("is_removed: control, format, private use, U+0000 and U+FFFD go") {
    for (const char32_t c : {0x00,   0x01,   0x0B,   0x0C,   0x1F,   0x7F,   0x80,    0x85,    0x9F,    0xAD,
                             0x200B, 0x200D, 0x202E, 0xFEFF, 0xE000, 0xFFFD, 0xE0001, 0xE007F, 0xF0000, 0x10FFFD}) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK(BertCharacters::is_removed(c));
    }
    // Blanks of all kinds, unassigned and noncharacters stay, and so do format characters newer than the reference.
    for (const char32_t c : {0x09,   0x0A,   0x0D,   0x20,   0x41,     0xA0,  0x301, 0x378,   0x2028,  0x2029,
                             0x3000, 0xFDD0, 0xFFFE, 0xFFFF, 0x10FFFF, 0x890, 0x8E2, 0x110CD, 0x13430, 0x1343F}) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK_FALSE(BertCharacters::is_removed(c));
    }
  }

  TEST_CASE("is_ideograph: holds at the ends of each block, not beyond") {
    for (const char32_t c : {0x3400,
                             0x4DBF,
                             0x4E00,
                             0x9FFF,
                             0xF900,
                             0xFAFF,
                             0x20000,
                             0x2A6DF,
                             0x2A700,
                             0x2B73F,
                             0x2B740,
                             0x2B81F,
                             0x2B920,
                             0x2CEAF,
                             0x2F800,
                             0x2FA1F}) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK(BertCharacters::is_ideograph(c));
    }
    for (const char32_t c : {0x41,   0x3042,  0x30A2,  0x3105,  0xAC00,  0x33FF,  0x4DC0,  0x4DFF,  0xA000,  0xF8FF,
                             0xFB00, 0x1FFFF, 0x2A6E0, 0x2A6FF, 0x2B820, 0x2B91F, 0x2CEB0, 0x2F7FF, 0x2FA20, 0x30000}) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK_FALSE(BertCharacters::is_ideograph(c));
    }
  }

  TEST_CASE("is_accent: non-spacing marks up to Unicode 8, and U+1734, which was one then") {
    for (const char32_t c : {0x300,
                             0x301,
                             0x36F,
                             0x483,
                             0x5B0,
                             0x64B,
                             0x93C,
                             0x94D,
                             0xE31,
                             0x1734,
                             0x20D0,
                             0x302A,
                             0xFE0F,
                             0xFE20,
                             0x1D167,
                             0xE0100}) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK(BertCharacters::is_accent(c));
    }
    // spacing and enclosing marks; newer marks (Unicode 9, 10, 14, 15)
    for (const char32_t c : {0x41, 0x903, 0x93E, 0x302E, 0x1B44, 0x20DD, 0x8D4, 0x1DF6, 0x1AC1, 0x1E4EC, 0x111C9}) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK_FALSE(BertCharacters::is_accent(c));
    }
  }

  TEST_CASE("is_punctuation: in ASCII 32 characters, symbols such as $ and ~ among them") {
    std::string found;
    for (char32_t c = 0; c < 0x80; ++c) {
      if (BertCharacters::is_punctuation(c)) {
        found += static_cast<char>(c);
      }
    }
    CHECK(found == "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
  }

  TEST_CASE("is_punctuation: beyond ASCII category P up to Unicode 8, and no symbols") {
    for (const char32_t c : {0xA1, 0xA7, 0xAB, 0xB7, 0x2014, 0x2018, 0x3001, 0x300C, 0xFF01, 0x166D, 0x111C9, 0x2E42}) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK(BertCharacters::is_punctuation(c));
    }
    for (const char32_t c : {0xA2, 0xA9, 0xB0, 0xD7, 0x20AC, 0x2200, 0xFF04, 0x61D, 0x2E43, 0x2E52, 0x2E5D, 0x1E95E}) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK_FALSE(BertCharacters::is_punctuation(c));
    }
  }

  TEST_CASE("combining_class: marks newer than Unicode 9 have none") {
    CHECK(BertCharacters::combining_class(0x301) == 230);
    CHECK(BertCharacters::combining_class(0x334) == 1);
    CHECK(BertCharacters::combining_class(0x8D4) == 230);  // Unicode 9
    CHECK(BertCharacters::combining_class(0x1DF6) == 0);   // Unicode 10
    CHECK(BertCharacters::combining_class(0x1715) == 0);   // Unicode 14
    CHECK(BertCharacters::combining_class('a') == 0);
  }

  TEST_CASE("decompose: U+11938 came with Unicode 13 and stays whole") {
    CHECK(BertCharacters::decompose(0x11938).size == 1);
    CHECK(re::text::decompose(0x11938).size == 2);
    CHECK(BertCharacters::decompose(0xE9).size == 2);
    CHECK(BertCharacters::decompose(0x1112E).size == 2);  // Unicode 6.1
  }

  TEST_CASE("lowercase: is the full mapping without context, up to Unicode 17") {
    CHECK(lowercase('A') == U"a");
    CHECK(lowercase('a') == U"a");
    CHECK(lowercase(0x130) == U"i\u0307");  // the only one that grows
    CHECK(lowercase(0x3A3) == U"\u03C3");   // no final sigma
    CHECK(lowercase(0x1E9E) == U"\u00DF");
    CHECK(lowercase(0x1C5) == U"\u01C6");
    CHECK(lowercase(0x10400) == U"\U00010428");
    CHECK(lowercase(0x1C89) == U"\u1C8A");
    CHECK(lowercase(0xA7CB) == U"\u0264");
    CHECK(lowercase(0xA7DC) == U"\u019B");
    CHECK(lowercase(0x10D50) == U"\U00010D70");
    CHECK(lowercase(0x10D65) == U"\U00010D85");
    CHECK(lowercase(0x10D66) == U"\U00010D66");
    CHECK(lowercase(0x16EA0) == U"\U00016EBB");
    CHECK(lowercase(0x16EB8) == U"\U00016ED3");
  }
}
