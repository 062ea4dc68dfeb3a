#include <reasonembed/text/newer_characters.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::text::replace_newer_characters;

namespace {

std::string replaced(const std::string& text) {
  std::string out = "untouched";
  return replace_newer_characters(text, out) ? out : out == "untouched" ? "none" : "changed without saying so";
}

std::string utf8(char32_t c) {
  std::string text;
  re::text::append_utf8(c, text);
  return text;
}

}  // namespace

TEST_SUITE("text/newer_characters") {
  TEST_CASE("replace_newer_characters: texts of older characters stay as they are") {
    for (const std::string text :
         {"", "a", "na\xC3\xAFve \xD0\x81\xD0\xBB\xD0\xBA\xD0\xB0", "\xE5\x8C\x97\xE4\xBA\xAC", "\xF0\x9F\x98\x80"}) {
      CAPTURE(text);
      CHECK(replaced(text) == "none");
    }
  }
  TEST_CASE("replace_newer_characters: each newer one has a stand-in, and every byte keeps its place") {
    CHECK(replaced("a\xE1\xA0\x8E"
                   "b") ==
          "a\xE2\x80\x8B"
          "b");  // U+180E
    CHECK(replaced(utf8(0x897)) == utf8(0x20D0));
    CHECK(replaced("x" + utf8(0x31350) + "y" + utf8(0x323AF) + utf8(0x323B0)) ==
          "x" + utf8(0x10000) + "y" + utf8(0x10000) + utf8(0x323B0));
    CHECK(replaced(utf8(0x1CCF0) + utf8(0x3042) + utf8(0x1CCF9)) == utf8(0x104A0) + utf8(0x3042) + utf8(0x104A0));
  }
  TEST_CASE("replace_newer_characters: over all of Unicode the table alone decides") {
    std::string out;
    std::size_t rows = 0;
    for (char32_t c = 1; c < 0x110000; ++c) {
      if (c >= 0xD800 && c < 0xE000) {
        continue;
      }
      const std::string text = utf8(c);
      const re::text::detail::StandIn* row = nullptr;
      for (const auto& r : re::text::detail::kStandIns) {
        row = r.first <= c && c <= r.last ? &r : row;
      }
      const bool changed = replace_newer_characters(text, out);
      if (changed != (row != nullptr) || (changed && out != utf8(row->stand_in)) ||
          (changed && out.size() != text.size())) {
        CAPTURE(static_cast<std::uint32_t>(c));
        FAIL("another character than the table says");
      }
      rows += changed ? 1 : 0;
    }
    CHECK(rows > 5000);
  }
  TEST_CASE("replace_newer_characters: the table is in order, and no stand-in needs one") {
    char32_t before = 0;
    std::string out;
    for (const auto& row : re::text::detail::kStandIns) {
      CHECK(row.first > before);
      CHECK(row.last >= row.first);
      before = row.last;
      CHECK_FALSE(replace_newer_characters(utf8(row.stand_in), out));
    }
  }
  TEST_CASE("replace_newer_characters: a megabyte of replaced characters takes one pass") {
    std::string text;
    for (int i = 0; i < 350000; ++i) {
      text += utf8(0x1171E);
    }
    std::string out;
    CHECK(replace_newer_characters(text, out));
    CHECK(out.size() == text.size());
    CHECK_FALSE(replace_newer_characters(out, text));
  }
}
