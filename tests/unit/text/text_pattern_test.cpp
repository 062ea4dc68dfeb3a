#include <reasonembed/text/text_pattern.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>

namespace re = reasonembed;
using re::text::CharacterRun;
using re::text::TextPattern;

namespace {

/// The parts of a text: matches in brackets, what lies between as it is.
std::string parts(const TextPattern& pattern, std::string_view text) {
  std::string out;
  std::size_t last = 0;
  pattern.for_each_part(text, [&](std::size_t begin, std::size_t end, bool match) {
    CHECK(begin == last);
    CHECK(end > begin);
    last = end;
    out +=
        match ? "[" + std::string(text.substr(begin, end - begin)) + "]" : std::string(text.substr(begin, end - begin));
  });
  CHECK(last == text.size());
  return out;
}

}  // namespace

TEST_SUITE("text/text_pattern") {
  TEST_CASE("for_each_part: finds a literal, leftmost first, without overlap") {
    const TextPattern pattern(std::string("aa"));
    CHECK(parts(pattern, "") == "");
    CHECK(parts(pattern, "b") == "b");
    CHECK(parts(pattern, "aa") == "[aa]");
    CHECK(parts(pattern, "aaa") == "[aa]a");
    CHECK(parts(pattern, "xaaaay") == "x[aa][aa]y");
    CHECK(parts(TextPattern(std::string("\u00E9")), "\u00E9e\u00E9") == "[\u00E9]e[\u00E9]");
  }

  TEST_CASE("for_each_part: an empty literal is nowhere") {
    CHECK(parts(TextPattern(std::string()), "abc") == "abc");
  }

  TEST_CASE("for_each_part: finds runs that are long enough, as long as they can be") {
    const TextPattern two(CharacterRun{.character = ' ', .least = 2});
    CHECK(parts(two, "a b  c   ") == "a b[  ]c[   ]");
    CHECK(parts(two, " ") == " ");
    CHECK(parts(two, "  ") == "[  ]");
    const TextPattern blanks(CharacterRun{});
    CHECK(parts(blanks, "a \t\u3000b\n") == "a[ \t\u3000]b[\n]");
    CHECK(parts(blanks, "") == "");
    const TextPattern letter(CharacterRun{.character = 0xE9, .least = 1});
    CHECK(parts(letter, "\u00E9\u00E9e") == "[\u00E9\u00E9]e");
  }

  TEST_CASE("from_regex: understands one character with a quantifier") {
    CHECK(TextPattern::from_regex("a") == TextPattern(std::string("a")));
    CHECK(TextPattern::from_regex(" ") == TextPattern(std::string(" ")));
    CHECK(TextPattern::from_regex("\u2581") == TextPattern(std::string("\u2581")));
    CHECK(TextPattern::from_regex("\\.") == TextPattern(std::string(".")));
    CHECK(TextPattern::from_regex("\\\\") == TextPattern(std::string("\\")));
    CHECK(TextPattern::from_regex(" +") == TextPattern(CharacterRun{.character = ' ', .least = 1}));
    CHECK(TextPattern::from_regex(" {2,}") == TextPattern(CharacterRun{.character = ' ', .least = 2}));
    CHECK(TextPattern::from_regex("a{123,}") == TextPattern(CharacterRun{.character = 'a', .least = 123}));
    CHECK(TextPattern::from_regex("\\s+") == TextPattern(CharacterRun{.character = 0, .least = 1}));
    CHECK(TextPattern::from_regex("\\s{3,}") == TextPattern(CharacterRun{.character = 0, .least = 3}));
  }

  TEST_CASE("from_regex: anything else is nothing") {
    for (const std::string_view regex :
         {"",    "ab",   "a*",   "a?",    "a{2}", "a{2,3}", "a{,2}", "a{x,}", "a{0,}", "a{1234,}",
          "\\s", "\\s*", "\\d+", "\\",    "\\n",  "\\p{L}", "[ab]",  "(a)",   ".",     "^a",
          "a$",  "a|b",  "a++",  "\\s+a", "{2,}", "a{2,}b", "\xFF",  "a+?"}) {
      CAPTURE(regex);
      CHECK_FALSE(TextPattern::from_regex(regex).has_value());
    }
  }
}
