#include <reasonembed/text/regular_expression.hpp>
#include <reasonembed/text/split_patterns.hpp>

#include <doctest/doctest.h>

#include <support/text_samples.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::text::RegularExpression;
using Parts = std::vector<std::string>;

static_assert(std::is_nothrow_move_constructible_v<RegularExpression>);

namespace {

constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                                R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Matches in parentheses, what lies between them as it is.
Parts parts(const RegularExpression& regex, std::string_view text) {
  Parts found;
  std::size_t before = 0;
  regex.for_each_part(text, [&](std::size_t begin, std::size_t end, bool match) {
    CHECK(begin == before);
    before = end;
    const std::string part(text.substr(begin, end - begin));
    found.push_back(match ? "(" + part + ")" : part);
  });
  CHECK(before == text.size());
  return found;
}
Parts parts(const char* regex, std::string_view text) {
  return parts(RegularExpression(regex, "file"), text);
}

template <class Pattern>
Parts scanned(const Pattern& pattern, std::string_view text) {
  Parts words;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = pattern.word_end(text, i);
    words.push_back("(" + std::string(text.substr(i, end - i)) + ")");
    i = end;
  }
  return words;
}

}  // namespace

TEST_SUITE("text/regular_expression") {
  TEST_CASE("for_each_part: matches, and what lies between them") {
    CHECK(parts("b+", "abbcb") == Parts{"a", "(bb)", "c", "(b)"});
    CHECK(parts("b+", "") == Parts{});
    CHECK(parts("x", "abc") == Parts{"abc"});
    CHECK(parts(".", "a\nb") == Parts{"(a)", "\n", "(b)"});
    CHECK(parts("^.|.$", "ab\ncd") == Parts{"(a)", "(b)", "\n", "(c)", "(d)"});
    CHECK(parts("(?<=a)b", "abb") == Parts{"a", "(b)", "b"});
    CHECK(parts("(a)(b)?(c)?(d)?", "abca") == Parts{"(abc)", "(a)"});  // more groups than places for them
  }
  TEST_CASE("for_each_part: an empty match counts, but not right behind another match") {
    CHECK(parts("x*", "ab") == Parts{"()", "a", "()", "b", "()"});
    CHECK(parts("a*", "aab") == Parts{"(aa)", "b", "()"});
    CHECK(parts("(?=b)", "ab\xC3\xA9") == Parts{"a", "()", "b\xC3\xA9"});
    CHECK(parts("$", "a") == Parts{"a", "()"});
    CHECK(parts("x*", "") == Parts{"()"});
  }
  TEST_CASE("for_each_part: characters, not bytes") {
    CHECK(parts("[^a]", "a\xC3\xA9\xF0\x9F\x98\x80") == Parts{"a", "(\xC3\xA9)", "(\xF0\x9F\x98\x80)"});
    CHECK(parts("(?i:\xC3\x89+)", "\xC3\xA9\xC3\x89") == Parts{"(\xC3\xA9\xC3\x89)"});
    CHECK(parts("\\p{N}", "\xC2\xBD\xE2\x85\xA7") == Parts{"(\xC2\xBD)", "(\xE2\x85\xA7)"});
    CHECK(parts("\\s", "a\xC2\xA0\xE1\xA0\x8E") == Parts{"a", "(\xC2\xA0)", "\xE1\xA0\x8E"});  // U+180E is none
    CHECK(parts("\\p{Lo}+", "\xF0\xB1\x8D\x90x") == Parts{"(\xF0\xB1\x8D\x90)", "x"});         // U+31350, Unicode 15
  }
  TEST_CASE("for_each_part: the known patterns cut as their scanners do") {
    const RegularExpression gpt2(kGpt2, "file");
    const RegularExpression llama3(kLlama3, "file");
    std::vector<std::string> texts = test::text_samples(200, 30, 7);
    texts.insert(texts.end(),
                 {"don't DON'T I'LL we've 'S it'\xC5\xBF 'T'Re",
                  "a  b\t\n\n c \r\n",
                  "12345 1/2 \xC2\xBD",
                  "...!\n\n  x",
                  "\xE1\xA0\x8E \xE1\xA0\x8E a",
                  std::string("a\0b", 3)});
    for (const std::string& text : texts) {
      CAPTURE(text);
      CHECK(parts(gpt2, text) == scanned(re::text::Gpt2Pattern(), text));
      CHECK(parts(llama3, text) == scanned(re::text::TiktokenPattern{3}, text));
    }
  }
  TEST_CASE("for_each_part: a megabyte of anything takes linear time") {
    const RegularExpression llama3(kLlama3, "file");
    for (const std::string unit : {"a", " ", "\n", " \n", "1", "!", "'", "\xCC\x81", "a ", "\xE5\x8C\x97"}) {
      CAPTURE(unit);
      std::string text;
      while (text.size() < (std::size_t{1} << 20)) {
        text += unit;
      }
      text += "x";
      const auto start = std::chrono::steady_clock::now();
      std::size_t covered = 0;
      llama3.for_each_part(text, [&](std::size_t begin, std::size_t end, bool) { covered += end - begin; });
      CHECK(covered == text.size());
      CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    }
  }
  TEST_CASE("for_each_part: a pattern that takes for ever on a text is an error that says so") {
    const RegularExpression bad("(?:a|aa)+b", "file");
    CHECK_THROWS_WITH_AS(
        bad.for_each_part(std::string(200, 'a') + "cb", [](std::size_t, std::size_t, bool) {}),
        "text::RegularExpression: a text of 202 bytes is too hard (match limit exceeded), expected a text that the "
        "tokenizer's pattern cuts in fewer steps",
        re::DataError);
    CHECK(parts(bad, "aab") == Parts{"(aab)"});
  }
  TEST_CASE("for_each_part: deep recursion falls back to a stack on the heap") {
    const RegularExpression nested("((a|b)*c)*d", "file");
    std::string text;
    for (int i = 0; i < 100000; ++i) {
      text += "abc";
    }
    CHECK(parts(nested, text + "d").size() == 1);
  }
  TEST_CASE("for_each_part: one expression is used by many threads, and copies are equal") {
    const RegularExpression regex(kLlama3, "file");
    const RegularExpression copy = regex;
    CHECK(copy == regex);
    CHECK_FALSE(copy == RegularExpression("a", "file"));
    const std::string text = "one two, three 456 \xF0\xB1\x8D\x90";
    const Parts expected = parts(regex, text);
    std::vector<int> equal(4, 0);
    {
      std::vector<std::jthread> threads;
      for (std::size_t t = 0; t < equal.size(); ++t) {
        threads.emplace_back([&, t] {
          for (int i = 0; i < 200; ++i) {
            Parts got;
            (t % 2 == 0 ? regex : copy).for_each_part(text, [&](std::size_t begin, std::size_t end, bool match) {
              const std::string part(text.substr(begin, end - begin));
              got.push_back(match ? "(" + part + ")" : part);
            });
            equal[t] += got == expected ? 1 : 0;
          }
        });
      }
    }
    CHECK(equal == std::vector<int>(4, 200));
  }
  TEST_CASE("RegularExpression: what is no regular expression is refused with PCRE2's reason") {
    CHECK_THROWS_WITH_AS(RegularExpression("(a", "tokenizer.json"),
                         "tokenizer.json: pattern.Regex is \"(a\" (missing closing parenthesis), expected a regular "
                         "expression",
                         re::ConfigError);
    CHECK_THROWS_AS(RegularExpression("a**b)", "x"), re::ConfigError);
    CHECK_THROWS_AS(RegularExpression("[b-a]", "x"), re::ConfigError);
    CHECK_THROWS_AS(RegularExpression("\xFF", "x"), re::ConfigError);
    CHECK_THROWS_AS(RegularExpression("\\w+", "x"), re::ConfigError);
    CHECK_THROWS_AS(RegularExpression(std::string(1000, '(') + std::string(1000, ')'), "x"), re::ConfigError);
    CHECK(RegularExpression("a", "x").regex() == "a");
  }
}
