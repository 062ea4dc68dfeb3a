#include <reasonembed/text/unigram.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::text::Unigram;
using re::text::UnigramOptions;
using re::text::Vocabulary;
using Ids = std::vector<std::int32_t>;
using Scored = std::vector<std::pair<std::string, double>>;

namespace {

Unigram model(const Scored& scored, UnigramOptions options = {}) {
  std::vector<std::string> tokens;
  std::vector<double> scores;
  for (const auto& [token, score] : scored) {
    tokens.push_back(token);
    scores.push_back(score);
  }
  return Unigram(Vocabulary(tokens), scores, options, "test");
}

Ids encoded(const Unigram& model, std::string_view word) {
  re::text::TokenScratch scratch;
  Ids ids;
  for (int i = 0; i < 2; ++i) {  // a state left behind in the scratch would show
    ids.clear();
    model.encode_word(word, scratch, [&](std::int32_t id) { ids.push_back(id); });
  }
  return ids;
}

/// The best sum of scores over all ways to cut `word` into tokens, by trying them all.
double best_score(const Scored& scored, const std::string& word) {
  if (word.empty()) {
    return 0.0;
  }
  double best = -std::numeric_limits<double>::infinity();
  for (const auto& [token, score] : scored) {
    if (word.starts_with(token)) {
      best = std::max(best, score + best_score(scored, word.substr(token.size())));
    }
  }
  return best;
}

}  // namespace

TEST_SUITE("text/unigram") {
  TEST_CASE("encode_word: takes the way of the highest sum") {
    const Scored scored = {{"<unk>", 0.0}, {"a", -1.0}, {"b", -1.0}, {"ab", -1.5}, {"ba", -3.0}, {"aba", -2.4}};
    const Unigram unigram = model(scored);
    CHECK(encoded(unigram, "a") == Ids{1});
    CHECK(encoded(unigram, "ab") == Ids{3});
    CHECK(encoded(unigram, "aba") == Ids{5});
    CHECK(encoded(unigram, "ba") == Ids{2, 1});
    CHECK(encoded(unigram, "abab") == Ids{3, 3});
  }

  TEST_CASE("encode_word: of ways that are equally good the one whose last token begins first") {
    const Unigram unigram = model({{"<unk>", 0.0}, {"a", -1.0}, {"aa", -2.0}});
    CHECK(encoded(unigram, "aa") == Ids{2});
    CHECK(encoded(unigram, "aaa") == Ids{1, 2});
  }

  TEST_CASE("encode_word: has the sum of an exhaustive search") {
    const Scored scored = {{"<unk>", 0.0},
                           {"a", -2.1},
                           {"b", -1.7},
                           {"c", -2.9},
                           {"ab", -3.3},
                           {"bc", -4.9},
                           {"abc", -6.1},
                           {"ca", -4.2},
                           {"cab", -6.9},
                           {"bb", -3.3}};
    const Unigram unigram = model(scored);
    for (int code = 0; code < 729; ++code) {  // all words of six letters
      std::string word;
      for (int rest = code, i = 0; i < 6; ++i, rest /= 3) {
        word += static_cast<char>('a' + rest % 3);
      }
      const Ids ids = encoded(unigram, word);
      double sum = 0.0;
      std::string text;
      for (const std::int32_t id : ids) {
        sum += scored[static_cast<std::size_t>(id)].second;
        text += scored[static_cast<std::size_t>(id)].first;
      }
      CAPTURE(word);
      CHECK(text == word);
      // Six additions of numbers below 8 round by at most 6 * 48 * 2^-53 < 1e-13.
      CHECK(std::abs(sum - best_score(scored, word)) < 1e-13);
    }
  }

  TEST_CASE("encode_word: unknown characters side by side are one token") {
    const Unigram unigram = model({{"<unk>", 0.0}, {"a", -1.0}, {"\u00E9", -1.0}});
    CHECK(encoded(unigram, "x") == Ids{0});
    CHECK(encoded(unigram, "xyz") == Ids{0});
    CHECK(encoded(unigram, "xay\u5B57z") == Ids{0, 1, 0});
    CHECK(encoded(unigram, "a\u00E8\u00E9") == Ids{1, 0, 2});
  }

  TEST_CASE("encode_word: an unknown character costs 10 more than the worst token") {
    // "ab" must be taken although it is bad, because "b" alone is unknown.
    CHECK(encoded(model({{"<unk>", 0.0}, {"a", -1.0}, {"ab", -10.9}}), "ab") == Ids{2});
    // The unknown way scores -1 - 30.9; the token wins by 20.
    CHECK(encoded(model({{"<unk>", 0.0}, {"a", -1.0}, {"ab", -20.9}}), "ab") == Ids{2});
  }

  TEST_CASE("encode_word: the unknown token's own spelling is that token, joined by what is unknown beside it") {
    const Unigram unigram = model({{"<unk>", 0.0}, {"a", -1.0}});
    CHECK(encoded(unigram, "<unk>") == Ids{0});
    CHECK(encoded(unigram, "<unk><unk>a") == Ids{0, 1});
  }

  TEST_CASE("encode_word: bytes spell unknown text, all of it or none") {
    const Unigram unigram =
        model({{"<unk>", 0.0}, {"a", -1.0}, {"<0xC3>", -5.0}, {"<0xA9>", -5.0}}, {.byte_fallback = true});
    CHECK(encoded(unigram, "a\u00E9a") == Ids{1, 2, 3, 1});
    CHECK(encoded(unigram, "\u00E9\u00E9") == Ids{2, 3, 2, 3});
    CHECK(encoded(unigram, "\u00E9x") == Ids{0});
    CHECK(encoded(unigram, "<unk>") == Ids{0});
  }

  TEST_CASE("Unigram: the unknown token may stand anywhere") {
    const Unigram unigram = model({{"a", -1.0}, {"<unk>", 0.0}}, {.unknown = 1});
    CHECK(unigram.unknown_id() == 1);
    CHECK(encoded(unigram, "ax") == Ids{0, 1});
  }

  TEST_CASE("Unigram: names what is impossible") {
    const std::vector<std::string> tokens = {"a", "b"};
    CHECK_THROWS_WITH_AS(Unigram(Vocabulary(tokens), {0.0}, {}, "test"),
                         "test: number of scores is 1, expected 2, one for each token",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(Unigram(Vocabulary(std::vector<std::string>()), {}, {}, "test"),
                         "test: number of scores is 0, expected 1, one for each token",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(Unigram(Vocabulary(tokens), {0.0, 1.0}, {.unknown = 2}, "test"),
                         "test: unk_id is 2, expected 0 to 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(Unigram(Vocabulary(tokens), {0.0, 1.0}, {.unknown = -1}, "test"),
                         "test: unk_id is -1, expected 0 to 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(Unigram(Vocabulary(tokens), {0.0, std::numeric_limits<double>::infinity()}, {}, "test"),
                         "test: score of token 1 is inf, expected a finite number",
                         re::ConfigError);
  }
}
