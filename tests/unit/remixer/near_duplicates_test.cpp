#include <reasonembed/core/random.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/remixer/near_duplicates.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::jaccard;
using re::remixer::NearDuplicates;

namespace {

/// A text of random words, of which `changed` are others than in the text with the same seed and no change.
std::string make_text(std::uint64_t seed, int words, int changed = 0) {
  re::RandomStream random(seed);
  re::RandomStream other(seed, static_cast<std::uint64_t>(changed));
  std::vector<std::string> text;
  for (int i = 0; i < words; ++i) {
    text.push_back("w" + std::to_string(random.below(5000)));
  }
  for (int i = 0; i < changed; ++i) {
    text[other.below(static_cast<std::uint64_t>(words))] = "x" + std::to_string(other.below(5000));
  }
  std::string joined;
  for (const std::string& word : text) {
    joined += word + " ";
  }
  return joined;
}

/// Groups by comparing every text with every other.
std::vector<std::vector<Index>> groups_by_hand(const std::vector<std::string>& texts, double threshold) {
  std::vector<std::size_t> head(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    head[i] = i;
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (head[i] != head[j] && jaccard(texts[i], texts[j]) >= threshold) {
        const std::size_t from = std::max(head[i], head[j]);
        const std::size_t to = std::min(head[i], head[j]);
        std::replace(head.begin(), head.end(), from, to);
      }
    }
  }
  std::vector<std::vector<Index>> groups(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    groups[head[i]].push_back(static_cast<Index>(i));
  }
  std::erase_if(groups, [](const auto& group) { return group.size() < 2; });
  return groups;
}

std::vector<std::string> make_corpus() {
  std::vector<std::string> texts;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    texts.push_back(make_text(seed, 80));
    for (std::uint64_t copy = 0; copy < seed % 4; ++copy) {
      texts.push_back(make_text(seed, 80, static_cast<int>(3 * copy)));  // near, nearer, and the same
    }
  }
  texts.insert(texts.end(), {"", "?", "", "short", "Short!", "two words", "two words."});
  return texts;
}

}  // namespace

TEST_SUITE("remixer/near_duplicates") {
  TEST_CASE("groups: are those of comparing every pair") {
    const std::vector<std::string> texts = make_corpus();
    for (const double threshold : {0.6, 0.8, 1.0}) {
      CAPTURE(threshold);
      const NearDuplicates near(texts, {.threshold = threshold});
      CHECK(near.groups() == groups_by_hand(texts, threshold));
    }
  }
  TEST_CASE("groups: are the same for every pool") {
    const std::vector<std::string> texts = make_corpus();
    const auto expected = NearDuplicates(texts).groups();
    CHECK(!expected.empty());
    for (const int threads : {1, 2, 5}) {
      const re::ThreadPool pool(threads);
      CHECK(NearDuplicates(texts, {}, &pool).groups() == expected);
    }
  }
  TEST_CASE("groups: a chain of near pairs is one group") {
    const std::string base = make_text(1, 100);
    const std::vector<std::string> texts = {
        base + "a b c d e f g h", "other words entirely here", base, "z y x w v u t s " + base};
    CHECK(NearDuplicates(texts, {.threshold = 0.9}).groups() == std::vector<std::vector<Index>>{{0, 2, 3}});
    CHECK(jaccard(texts[0], texts[3]) < 0.9);
  }
  TEST_CASE("groups: ten thousand copies of one text do not take a hundred million comparisons") {
    const std::vector<std::string> texts(10'000, make_text(1, 50));
    const auto groups = NearDuplicates(texts).groups();
    REQUIRE(groups.size() == 1);
    CHECK(groups[0].size() == 10'000);
  }
  TEST_CASE("find: returns the texts at or above the threshold, never one below") {
    const std::vector<std::string> texts = make_corpus();
    const NearDuplicates near(texts, {.threshold = 0.7});
    for (std::size_t i = 0; i < texts.size(); i += 3) {
      std::vector<Index> expected;
      for (std::size_t j = 0; j < texts.size(); ++j) {
        if (jaccard(texts[i], texts[j]) >= 0.7) {
          expected.push_back(static_cast<Index>(j));
        }
      }
      CHECK(near.find(texts[i]) == expected);
    }
    CHECK(near.find("").empty());
    CHECK(near.find("never seen in any of the texts").empty());
  }
  TEST_CASE("find: by characters, a changed letter is a small change") {
    const std::vector<std::string> texts = {"The quick brown fox jumps over the lazy dog near the river bank"};
    const std::string typo = "The quick brown fox jumps over the lazy dog near the rever bank";
    CHECK(NearDuplicates(texts, {.shingles = {.length = 3}}).find(typo).empty());
    const re::remixer::ShingleOptions characters{.unit = re::remixer::ShingleUnit::kCharacters, .length = 4};
    CHECK(NearDuplicates(texts, {.shingles = characters}).find(typo) == std::vector<Index>{0});
  }
  TEST_CASE("recall_at: is the share of pairs that become candidates") {
    const std::vector<std::string> none;
    const NearDuplicates near(none, {.min_hash = {.permutations = 128}, .bands = 32});
    CHECK(near.recall_at(1.0) == 1.0);
    CHECK(near.recall_at(0.0) == 0.0);
    CHECK(std::fabs(1 - near.recall_at(0.8) - 4.7e-8) < 1e-8);  // (1 - 0.8^4)^32
    CHECK(near.recall_at(0.5) == doctest::Approx(1 - std::pow(1 - 0.0625, 32)));
    // measured: few bands, so that pairs are missed
    int found = 0;
    int pairs = 0;
    double expected = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      const std::vector<std::string> text = {make_text(seed, 60)};
      const NearDuplicates few(text, {.threshold = 0.01, .min_hash = {.permutations = 16}, .bands = 4});
      const std::string other = make_text(seed, 60, 8);
      expected += few.recall_at(jaccard(text[0], other));
      found += few.find(other).empty() ? 0 : 1;
      ++pairs;
    }
    // one set of permutations for all pairs, yet different shingles: five standard deviations of independent coins
    CHECK(std::fabs(found - expected) <= 5 * std::sqrt(0.25 * pairs));
  }
  TEST_CASE("NearDuplicates: no texts, and options out of range") {
    const std::vector<std::string> none;
    CHECK(NearDuplicates(none).size() == 0);
    CHECK(NearDuplicates(none).groups().empty());
    CHECK(NearDuplicates(none).find("a").empty());
    for (const double threshold : {0.0, -1.0, 1.5, std::nan("")}) {
      CHECK_THROWS_AS(NearDuplicates(none, {.threshold = threshold}), re::ConfigError);
    }
    CHECK_THROWS_WITH_AS(NearDuplicates(none, {.bands = 5}),
                         "remixer::NearDuplicates: bands is 5, expected a divisor of the 128 permutations",
                         re::ConfigError);
    CHECK_THROWS_AS(NearDuplicates(none, {.bands = 0}), re::ConfigError);
    CHECK_THROWS_AS(NearDuplicates(none, {.min_hash = {.permutations = 0}}), re::ConfigError);
  }
}
