#include <reasonembed/remixer/rouge.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace std::string_literals;
using reasonembed::remixer::rouge_1;
using reasonembed::remixer::rouge_words;
using reasonembed::remixer::RougeScore;

TEST_SUITE("remixer/rouge") {
  TEST_CASE("rouge_words: runs of ASCII letters and digits in lower case") {
    using Words = std::vector<std::string>;
    CHECK(rouge_words("").empty());
    CHECK(rouge_words(" ,.\n").empty());
    CHECK(rouge_words("Don't STOP_me 2nd-time") == Words{"don", "t", "stop", "me", "2nd", "time"});
    CHECK(rouge_words("caf\u00e9 \u4f60\u597d") == Words{"caf"});
    CHECK(rouge_words("a\xFF"s + "b") == Words{"a", "b"});  // malformed
    CHECK(rouge_words("a\0b"s) == Words{"a", "b"});
  }
  TEST_CASE("rouge_words: two characters beyond ASCII become ASCII in lower case") {
    CHECK(rouge_words("\u212A9") == std::vector<std::string>{"k9"});
    CHECK(rouge_words("a\u0130b") == std::vector<std::string>{"ai", "b"});
  }
  TEST_CASE("rouge_words: stems words of more than three letters, by switch") {
    CHECK(rouge_words("cats ran running has", {.stemming = true}) ==
          std::vector<std::string>{"cat", "ran", "run", "has"});
    CHECK(rouge_words("cats running") == std::vector<std::string>{"cats", "running"});
  }

  TEST_CASE("rouge_1: counts each word as often as both have it") {
    const RougeScore score = rouge_1("the cat saw the dog", "The dog, the dog, the bird");
    CHECK(score.precision == 3.0 / 6.0);  // the, the, dog of six words
    CHECK(score.recall == 3.0 / 5.0);
    CHECK(score.f1 == 2 * 0.5 * 0.6 / (0.5 + 0.6));
  }
  TEST_CASE("rouge_1: is 1 for the same words and 0 for none in common or none at all") {
    CHECK(rouge_1("a b c", "C B A") == RougeScore{1, 1, 1});
    CHECK(rouge_1("a b", "c d") == RougeScore{});
    CHECK(rouge_1("", "c d") == RougeScore{});
    CHECK(rouge_1("a", "") == RougeScore{});
    CHECK(rouge_1("", "") == RougeScore{});
  }
  TEST_CASE("rouge_1: target and prediction change places with recall and precision") {
    const RougeScore ab = rouge_1("one two three four", "two three five");
    const RougeScore ba = rouge_1("two three five", "one two three four");
    CHECK(ab.precision == ba.recall);
    CHECK(ab.recall == ba.precision);
    CHECK(ab.f1 == ba.f1);
  }
  TEST_CASE("rouge_1: stemming finds what is inflected") {
    CHECK(rouge_1("running dogs", "run dog").f1 == 0.0);
    CHECK(rouge_1("running dogs", "runs dogging", {.stemming = true}).f1 == 1.0);
  }
  TEST_CASE("rouge_1: a megabyte of words takes linear time") {
    std::string text;
    for (int i = 0; i < 200'000; ++i) {
      text += "w" + std::to_string(i % 1000) + " ";
    }
    CHECK(rouge_1(text, text).f1 == 1.0);
  }
}
