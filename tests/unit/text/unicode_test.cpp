#include <reasonembed/text/unicode.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::text::Category;
using re::text::DecodedCharacter;
using namespace std::string_literals;

namespace {

std::string utf8(char32_t character) {
  std::string out;
  re::text::append_utf8(character, out);
  return out;
}

/// All of `text`, malformed bytes replaced.
std::u32string decoded(std::string_view text) {
  std::u32string characters;
  for (std::size_t i = 0; i < text.size();) {
    const DecodedCharacter character = re::text::decode_utf8(text, i);
    characters += character.value;
    i += character.length;
  }
  return characters;
}

/// Text as NFD, by decompose and MarkRun.
std::u32string nfd(std::u32string_view text) {
  std::u32string out;
  re::text::MarkRun marks;
  const auto emit = [&](char32_t mark) { out += mark; };
  for (const char32_t character : text) {
    for (const char32_t part : re::text::decompose(character)) {
      if (const std::uint8_t combining_class = re::text::combining_class(part); combining_class != 0) {
        marks.add(part, combining_class);
      } else {
        marks.flush(emit);
        out += part;
      }
    }
  }
  marks.flush(emit);
  return out;
}

}  // namespace

TEST_SUITE("text/unicode") {
  TEST_CASE("decode_utf8: reads back every character that append_utf8 writes") {
    std::size_t wrong = 0;
    for (char32_t c = 0; c <= 0x10FFFF; c += c == 0xD7FF ? 0x801 : 1) {
      const std::string bytes = utf8(c);
      const std::size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
      wrong += bytes.size() != length || re::text::decode_utf8(bytes, 0) != DecodedCharacter{c, length, true};
    }
    CHECK(wrong == 0);
  }

  TEST_CASE("decode_utf8: starts at the given byte") {
    CHECK(re::text::decode_utf8("a\xC3\xA9z", 1) == DecodedCharacter{0xE9, 2, true});
    CHECK(re::text::decode_utf8("a\xC3\xA9z", 3) == DecodedCharacter{'z', 1, true});
    CHECK(re::text::decode_utf8("\0"s, 0) == DecodedCharacter{0, 1, true});
  }

  TEST_CASE("decode_utf8: replaces each maximal subpart by one U+FFFD") {
    // Unicode 15.0, tables 3-8, 3-9, 3-10 and 3-11.
    const char32_t r = re::text::kReplacementCharacter;
    const std::vector<std::pair<std::string, std::u32string>> cases = {
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", {r, r, r, r, r, r, r, r, 0x41}},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", {r, r, r, r, r, r, r, r, 0x41}},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", {r, r, r, r, r, 0x41, r, r, 0x42}},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", {r, r, r, r, 0x41}},
        {"\xC3", {r}},
        {"\xF0\x9F\x98", {r}},
        {"\xF5\x80\x80\x80", {r, r, r, r}},
        {"\xF4\x8F\xBF\xBF\xF4\x90\x80\x80", {0x10FFFF, r, r, r, r}}};
    for (const auto& [bytes, characters] : cases) {
      CHECK(decoded(bytes) == characters);
    }
  }

  TEST_CASE("decode_utf8: agrees with a table of well-formed sequences on every three bytes") {
    // Unicode 15.0, table 3-7, one row for each lead: (lead low, lead high, second low, second high, length)
    struct Row {
      unsigned first, last, low, high;
      std::size_t length;
    };
    const std::vector<Row> table = {{0x00, 0x7F, 0, 0, 1},
                                    {0xC2, 0xDF, 0x80, 0xBF, 2},
                                    {0xE0, 0xE0, 0xA0, 0xBF, 3},
                                    {0xE1, 0xEC, 0x80, 0xBF, 3},
                                    {0xED, 0xED, 0x80, 0x9F, 3},
                                    {0xEE, 0xEF, 0x80, 0xBF, 3}};
    std::size_t wrong = 0;
    for (unsigned a = 0; a < 0xF0; ++a) {
      for (unsigned b = 0x40; b < 0x100; b += 3) {
        for (unsigned c = 0x70; c < 0x100; c += 5) {
          const std::string bytes = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)};
          std::size_t want = 0;
          for (const Row& row : table) {
            const bool second = row.length < 2 || (b >= row.low && b <= row.high);
            const bool third = row.length < 3 || (c >= 0x80 && c <= 0xBF);
            want = a >= row.first && a <= row.last && second && third ? row.length : want;
          }
          const DecodedCharacter got = re::text::decode_utf8(bytes, 0);
          wrong += got.valid != (want != 0) || (want != 0 && got.length != want);
        }
      }
    }
    CHECK(wrong == 0);
  }

  TEST_CASE("ascii_prefix: finds the first byte beyond ASCII at every place around eight") {
    for (const std::size_t size : {0, 1, 7, 8, 9, 15, 16, 17, 64, 65}) {
      CHECK(re::text::ascii_prefix(std::string(size, 'x')) == size);
      for (std::size_t at = 0; at < size; ++at) {
        std::string text(size, 'x');
        text[at] = '\x80';
        CHECK(re::text::ascii_prefix(text) == at);
        CHECK(re::text::ascii_prefix(std::string_view(text).substr(1)) == (at == 0 ? size : at) - 1);  // misaligned
      }
    }
  }

  TEST_CASE("require_utf8: accepts any well-formed text") {
    for (const std::string_view text :
         {"", "plain", "caf\xC3\xA9 \xE4\xBD\xA0 \xF0\x9F\x98\x80 \xEF\xBF\xBD", "12345678\xC3\xA9"}) {
      CHECK_NOTHROW(re::text::require_utf8("test", text));
    }
    CHECK_NOTHROW(re::text::require_utf8("test", "nul \0 inside"s));
  }

  TEST_CASE("require_utf8: names the offset of the first malformed byte") {
    CHECK_THROWS_WITH_AS(re::text::require_utf8("text::x", "ab\xFFz"),
                         "text::x: text is not UTF-8 at byte 2, expected UTF-8 text",
                         re::DataError);
    for (const std::size_t before : {0, 1, 6, 7, 8, 9, 100}) {
      CAPTURE(before);
      for (const std::string_view broken :
           {"\x80", "\xC3", "\xC0\x80", "\xE2\x82", "\xED\xA0\x80", "\xF0\x9F\x98", "\xF4\x90\x80\x80", "\xFE"}) {
        const std::string message =
            "w: text is not UTF-8 at byte " + std::to_string(before + 2) + ", expected UTF-8 text";
        const std::string text = std::string(before, 'a') + "\xC3\xA9" + std::string(broken) + "tail";
        CHECK_THROWS_WITH_AS(re::text::require_utf8("w", text), message.c_str(), re::DataError);
      }
    }
  }

  TEST_CASE("count_characters: counts characters and no bytes") {
    CHECK(re::text::count_characters("") == 0);
    CHECK(re::text::count_characters("abc") == 3);
    CHECK(re::text::count_characters("\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80z") == 4);
  }

  TEST_CASE("category: gives one character of every category its own") {
    const std::vector<std::pair<char32_t, Category>> cases = {
        {0x378, Category::kCn},  {'A', Category::kLu},    {'a', Category::kLl},    {0x1C5, Category::kLt},
        {0x2B0, Category::kLm},  {0x4E00, Category::kLo}, {0x301, Category::kMn},  {0x903, Category::kMc},
        {0x20DD, Category::kMe}, {'7', Category::kNd},    {0x2160, Category::kNl}, {0xBD, Category::kNo},
        {'_', Category::kPc},    {'-', Category::kPd},    {'(', Category::kPs},    {')', Category::kPe},
        {0xAB, Category::kPi},   {0xBB, Category::kPf},   {'!', Category::kPo},    {'+', Category::kSm},
        {'$', Category::kSc},    {'^', Category::kSk},    {0xA9, Category::kSo},   {' ', Category::kZs},
        {0x2028, Category::kZl}, {0x2029, Category::kZp}, {'\n', Category::kCc},   {0x200D, Category::kCf},
        {0xD800, Category::kCs}, {0xE000, Category::kCo}};
    for (const auto& [character, expected] : cases) {
      CAPTURE(static_cast<std::uint32_t>(character));
      CHECK(re::text::category(character) == expected);
      CHECK(re::text::is_punctuation(character) == (expected >= Category::kPc && expected <= Category::kPo));
    }
  }

  TEST_CASE("is_white_space: holds for exactly 25 characters") {
    std::size_t count = 0;
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
      count += re::text::is_white_space(c);
      if (re::text::category(c) == Category::kZs) {
        REQUIRE(re::text::is_white_space(c));
      }
    }
    CHECK(count == 25);  // PropList.txt of Unicode 15.0
    CHECK_FALSE(re::text::is_white_space(0x200B));
    CHECK_FALSE(re::text::is_white_space(0xFEFF));
  }

  TEST_CASE("decompose: is full and canonical") {
    const auto of = [](char32_t c) {
      const re::text::CharacterSequence sequence = re::text::decompose(c);
      return std::u32string(sequence.begin(), sequence.end());
    };
    CHECK(of('a') == U"a");
    CHECK(of(0xE9) == U"e\u0301");
    CHECK(of(0x1ED9) == U"o\u0323\u0302");             // two levels
    CHECK(of(0x1F82) == U"\u03B1\u0313\u0300\u0345");  // the longest there is
    CHECK(of(0xAC01) == U"\u1100\u1161\u11A8");        // Hangul, by rule
    CHECK(of(0x212B) == U"A\u030A");                   // a singleton
    CHECK(of(0xFB01) == U"\uFB01");                    // a compatibility decomposition is none
    CHECK(of(0x2F800) == U"\u4E3D");
    std::size_t longest = 0;
    for (char32_t c = 0; c <= 0x10FFFF; c += c == 0xD7FF ? 0x801 : 1) {
      longest = std::max(longest, re::text::decompose(c).size);
    }
    CHECK(longest == 4);
  }

  TEST_CASE("simple_lowercase: maps one character to one") {
    CHECK(re::text::simple_lowercase('Q') == 'q');
    CHECK(re::text::simple_lowercase(0x3A3) == 0x3C3);
    CHECK(re::text::simple_lowercase(0x1E9E) == 0xDF);
    CHECK(re::text::simple_lowercase('7') == '7');
  }

  TEST_CASE("MarkRun: sorts by class and keeps the order within a class") {
    CHECK(nfd(U"a\u0301\u0323\u0302b") == U"a\u0323\u0301\u0302b");
    CHECK(nfd(U"\u0301\u0334") == U"\u0334\u0301");
    CHECK(nfd(U"a\u0301\u034F\u0323") == U"a\u0301\u034F\u0323");  // U+034F has class 0: marks do not pass it
    CHECK(nfd(U"\u1E0B\u0323") == U"d\u0323\u0307");
    CHECK(nfd(U"").empty());
  }

  TEST_CASE("MarkRun: equals a bubble sort of neighbours with descending classes") {
    // Unicode 15.0, D109 to the letter: exchange neighbours A, B with ccc(A) > ccc(B) > 0 until none is left.
    const std::u32string marks = U"\u0300\u0323\u0334\u0345\u05B0\u302E\u1DCE\u0327\u0301";
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
      std::u32string text = U"x";
      for (unsigned i = 0; i < 2 + random() % 12; ++i) {
        text += random() % 8 == 0 ? U'y' : marks[random() % marks.size()];
      }
      std::u32string expected = text;
      for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t i = 1; i < expected.size(); ++i) {
          const int a = re::text::combining_class(expected[i - 1]);
          const int b = re::text::combining_class(expected[i]);
          if (a > b && b > 0) {
            std::swap(expected[i - 1], expected[i]);
            changed = true;
          }
        }
      }
      CHECK(nfd(text) == expected);
    }
  }

  TEST_CASE("MarkRun: takes half a million marks in the worst order") {
    // An insertion sort would exchange 6e10 pairs: minutes, not milliseconds.
    std::u32string text;
    for (int i = 0; i < 250'000; ++i) {
      text += U"\u0301\u0334";
    }
    const std::u32string ordered = nfd(text);
    REQUIRE(ordered.size() == text.size());
    CHECK(ordered.find_first_of(U'\u0301') == 250'000);
    CHECK(ordered.find_last_of(U'\u0334') == 249'999);
  }

  TEST_CASE("compose: pairs that are primary composites, and hangul by its arithmetic") {
    CHECK(re::text::compose('e', 0x301) == 0xE9);
    CHECK(re::text::compose(0x112, 0x300) == 0x1E14);
    CHECK(re::text::compose('e', 'e') == 0);
    CHECK(re::text::compose(0x301, 'e') == 0);
    CHECK(re::text::compose(0x915, 0x93C) == 0);  // excluded
    CHECK(re::text::compose(0x1100, 0x1161) == 0xAC00);
    CHECK(re::text::compose(0x1112, 0x1175) == 0xD788);
    CHECK(re::text::compose(0xAC00, 0x11A8) == 0xAC01);
    CHECK(re::text::compose(0xAC00, 0x11A7) == 0);
    CHECK(re::text::compose(0xAC01, 0x11A8) == 0);
    CHECK(re::text::compose(0xD788, 0x11C2) == 0xD7A3);
  }

  TEST_CASE("compose: undoes every canonical decomposition that may be undone") {
    std::size_t composites = 0;
    for (char32_t c = 0x80; c < 0x20000; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) {
        continue;
      }
      const re::text::CharacterSequence parts = re::text::decompose(c);
      char32_t whole = parts.characters[0];
      for (std::size_t k = 1; k < parts.size; ++k) {
        whole = whole == 0 ? 0 : re::text::compose(whole, parts.characters[k]);
      }
      composites += parts.size > 1 && whole == c ? 1U : 0U;
      CHECK((parts.size < 2 || whole == c || whole == 0 || re::text::decompose(whole).size == parts.size));
    }
    CHECK(composites > 11172 + 900);
  }

  TEST_CASE("decompose_compatibility: the full mapping, or the character itself") {
    const re::text::CompatibilitySequence ligature = re::text::decompose_compatibility(0xFB01);
    REQUIRE(ligature.size == 2);
    CHECK(ligature.characters[0] == 'f');
    CHECK(ligature.characters[1] == 'i');
    CHECK(re::text::decompose_compatibility(0xFDFA).size == 18);
    CHECK(re::text::decompose_compatibility('a').size == 1);
    CHECK(re::text::decompose_compatibility(0x378).characters[0] == 0x378);
  }

  TEST_CASE("GraphemeBreaks: a cluster keeps its marks, and remembers flags") {
    const auto breaks = [](const std::vector<char32_t>& text) {
      re::text::GraphemeBreaks state;
      std::string out;
      for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        out += state.between(text[i], text[i + 1]) ? '|' : '.';
      }
      return out;
    };
    CHECK(breaks({'a', 'b'}) == "|");
    CHECK(breaks({'a', 0x301, 'b'}) == ".|");
    CHECK(breaks({'\r', '\n', '\r'}) == ".|");
    CHECK(breaks({0x1F1E9, 0x1F1EA, 0x1F1E9, 0x1F1EA}) == ".|.");
    CHECK(breaks({0x1F469, 0x200D, 0x1F467}) == "..");
    CHECK(breaks({0x1100, 0x1161, 0x11A8, 0x1100}) == "..|");
  }
}
