#include <reasonembed/retrieval/analyzer.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::retrieval::Analyzer;
using re::retrieval::StopWords;
using re::retrieval::UnicodeWords;
using re::retrieval::UnicodeWordsOptions;
using Words = std::vector<std::string>;

namespace {

Words words(std::string_view text, UnicodeWordsOptions options = {}) {
  Words found;
  UnicodeWords(options).for_each_word(text, [&](std::string_view word) { found.emplace_back(word); });
  return found;
}

/// The smallest analyzer: a text is one word.
struct WholeText {
  void for_each_word(std::string_view text, re::FunctionRef<void(std::string_view)> emit) const { emit(text); }
};
struct NotConst {
  void for_each_word(std::string_view text, re::FunctionRef<void(std::string_view)> emit) { emit(text); }
};
struct ReturnsWords {
  [[nodiscard]] Words for_each_word(std::string_view text, re::FunctionRef<void(std::string_view)>) const {
    return {std::string(text)};
  }
};

static_assert(Analyzer<WholeText>);
static_assert(!Analyzer<NotConst>, "analyzers are shared by threads");
static_assert(!Analyzer<ReturnsWords>);
static_assert(!Analyzer<int>);

}  // namespace

TEST_SUITE("retrieval/analyzer") {
  TEST_CASE("for_each_word: words are runs of letters, marks and numbers, in lower case") {
    CHECK(words("The Quick-brown fox, 42 times!") == Words{"the", "quick", "brown", "fox", "42", "times"});
    CHECK(words("a1b2 x_y 3.14 e.g. C++") == Words{"a1b2", "x", "y", "3", "14", "e", "g", "c"});
    CHECK(words("").empty());
    CHECK(words(" \t\n.,;!?").empty());
    CHECK(words("end") == Words{"end"});
    CHECK(words("don't") == Words{"don", "t"});
  }

  TEST_CASE("for_each_word: letters of every script, with their accents") {
    CHECK(words("\xC3\x89t\xC3\xA9 na\xC3\xAFve") == Words{"\xC3\xA9t\xC3\xA9", "na\xC3\xAFve"});
    CHECK(words("E\xCC\x81t") == Words{"e\xCC\x81t"});  // a combining accent belongs to its letter
    CHECK(words("\xD0\x9C\xD0\x98\xD0\xA0 \xCE\xA3\xCE\x91") == Words{"\xD0\xBC\xD0\xB8\xD1\x80", "\xCF\x83\xCE\xB1"});
    CHECK(words("\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8") == Words{"\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8"});  // Hindi
    CHECK(words("x\xC2\xB2 \xE2\x85\xA3 \xD9\xA3") == Words{"x\xC2\xB2", "\xE2\x85\xB3", "\xD9\xA3"});      // numbers
    CHECK(words("a\xE2\x80\x94"
                "b\xC2\xA0"
                "c\xF0\x9F\x98\x80"
                "d") == Words{"a", "b", "c", "d"});  // dash, space, emoji
  }

  TEST_CASE("for_each_word: every Han ideograph is a word") {
    CHECK(words("\xE4\xB8\xAD\xE6\x96\x87"
                "abc\xE5\xAD\x97") == Words{"\xE4\xB8\xAD", "\xE6\x96\x87", "abc", "\xE5\xAD\x97"});
    CHECK(words("\xF0\xA0\x80\x80x") == Words{"\xF0\xA0\x80\x80", "x"});            // extension B
    CHECK(words("\xE3\x82\xAB\xE3\x83\x8A") == Words{"\xE3\x82\xAB\xE3\x83\x8A"});  // Katakana: a run
  }

  TEST_CASE("for_each_word: malformed UTF-8 separates words and is never part of one") {
    CHECK(words("a\xFF"
                "b") == Words{"a", "b"});
    CHECK(words("caf\xC3") == Words{"caf"});
    CHECK(words("\xE4\xB8") == Words{});
    CHECK(words(std::string_view("a\0b", 3)) == Words{"a", "b"});
  }

  TEST_CASE("UnicodeWordsOptions: case is kept when asked to") {
    CHECK(words("The CAT", {.lowercase = false}) == Words{"The", "CAT"});
  }

  TEST_CASE("UnicodeWordsOptions: the possessive s is dropped when asked to, and only that") {
    const UnicodeWordsOptions strip{.strip_possessive = true};
    CHECK(words("the earth's axis", strip) == Words{"the", "earth", "axis"});
    CHECK(words("the earth\xE2\x80\x99s axis", strip) == Words{"the", "earth", "axis"});
    CHECK(words("EARTH'S", {.lowercase = false, .strip_possessive = true}) == Words{"EARTH"});
    CHECK(words("'s s 's' x 's", strip) == Words{"s", "s", "s", "x", "s"});  // no word before the apostrophe
    CHECK(words("it's so; dogs' sun", strip) == Words{"it", "so", "dogs", "sun"});
    CHECK(words("don't", strip) == Words{"don", "t"});
    CHECK(words("the earth's axis") == Words{"the", "earth", "s", "axis"});
  }

  TEST_CASE("UnicodeWordsOptions: Lucene's 33 English stop words are left out when asked to") {
    const UnicodeWordsOptions stop{.stop_words = StopWords::kLuceneEnglish};
    const std::string all =
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
        "this to was will with";
    CHECK(words(all).size() == 33);
    CHECK(words(all, stop).empty());
    CHECK(words("What is the Sun? It was hot, from then on.", stop) == Words{"what", "sun", "hot", "from"});
    CHECK(words("THE", stop).empty());
    CHECK(words("THE", {.lowercase = false, .stop_words = StopWords::kLuceneEnglish}) == Words{"THE"});
  }

  TEST_CASE("UnicodeWordsOptions: short words are left out by characters, not bytes") {
    CHECK(words("a bb ccc \xC3\xA9\xC3\xA9 \xC3\xA9", {.min_length = 2}) == Words{"bb", "ccc", "\xC3\xA9\xC3\xA9"});
    CHECK_THROWS_WITH_AS(UnicodeWords({.min_length = 0}),
                         "retrieval::UnicodeWords: min_length is 0, expected at least 1",
                         re::ConfigError);
  }

  TEST_CASE("for_each_word: what separates words may be repeated, and words joined again are the same") {
    std::mt19937 random(8);
    const Words parts = {"alpha", "b2", "\xC3\xA9t\xC3\xA9", "\xE4\xB8\xAD", "7"};
    const Words separators = {" ", "--", "\t\n", "\xE2\x80\x94", "...", "\xFF"};
    std::uniform_int_distribution<std::size_t> part(0, parts.size() - 1);
    std::uniform_int_distribution<std::size_t> separator(0, separators.size() - 1);
    for (int repeat = 0; repeat < 200; ++repeat) {
      Words expected;
      std::string text = separators[separator(random)];
      for (int i = 0; i < 10; ++i) {
        expected.push_back(parts[part(random)]);
        text += expected.back() + separators[separator(random)] + separators[separator(random)];
      }
      REQUIRE(words(text) == expected);
    }
  }
}
