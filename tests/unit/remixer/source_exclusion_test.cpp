#include <reasonembed/core/random.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/remixer/source_exclusion.hpp>
#include <reasonembed/retrieval/bm25.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::SourceExclusion;

namespace {

/// Random texts over few words, many of them equal, some with another case, some without words.
std::vector<std::string> random_corpus(std::uint64_t seed) {
  re::RandomStream random(seed);
  std::vector<std::string> texts;
  for (int i = 0; i < 150; ++i) {
    if (!texts.empty() && random.below(3) == 0) {
      std::string copy = texts[random.below(texts.size())];
      if (random.below(2) == 0) {
        copy += random.below(2) == 0 ? "!" : " again";
      }
      texts.push_back(std::move(copy));
      continue;
    }
    std::string text;
    for (std::uint64_t words = random.below(30); words > 0; --words) {
      text += "w" + std::to_string(random.below(20)) + " ";
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace

TEST_SUITE("remixer/source_exclusion") {
  TEST_CASE("find: property: exactly the documents of equal text, whatever the corpus") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      CAPTURE(seed);
      const std::vector<std::string> texts = random_corpus(seed);
      const SourceExclusion exclusion(texts);
      for (std::size_t i = 0; i < texts.size(); i += 7) {
        std::vector<Index> expected;
        for (std::size_t j = 0; j < texts.size(); ++j) {
          if (texts[j] == texts[i]) {
            expected.push_back(static_cast<Index>(j));
          }
        }
        REQUIRE(exclusion.find(texts[i]) == expected);
      }
    }
  }
  TEST_CASE("find: property: with near-duplicates, exactly those for which is_source says so") {
    for (const double threshold : {0.5, 0.8, 1.0}) {
      for (std::uint64_t seed = 100; seed < 110; ++seed) {
        const std::vector<std::string> texts = random_corpus(seed);
        // a row a band: no pair above 0.5 is missed
        const re::remixer::SourceExclusionOptions options{.near_duplicates = true,
                                                          .near = {.threshold = threshold, .bands = 128}};
        const SourceExclusion exclusion(texts, options);
        for (std::size_t i = 0; i < texts.size(); i += 5) {
          std::vector<Index> expected;
          for (std::size_t j = 0; j < texts.size(); ++j) {
            if (SourceExclusion::is_source(texts[i], texts[j], options)) {
              expected.push_back(static_cast<Index>(j));
            }
          }
          REQUIRE(exclusion.find(texts[i]) == expected);
        }
      }
    }
  }
  TEST_CASE("find: property: a search that takes its answer never returns the source") {
    for (std::uint64_t seed = 200; seed < 220; ++seed) {
      const std::vector<std::string> texts = random_corpus(seed);
      const SourceExclusion exclusion(texts);
      std::vector<std::string> sources;
      for (std::size_t i = 0; i < texts.size(); i += 11) {
        sources.push_back(texts[i]);
      }
      const auto excluded = exclusion.find_all(sources);
      const re::retrieval::Bm25<> index(texts);
      const auto hits = index.search(sources, {.top_k = 200, .excluded = excluded});
      for (std::size_t query = 0; query < sources.size(); ++query) {
        for (const re::retrieval::Hit& hit : hits[query]) {
          REQUIRE(texts[static_cast<std::size_t>(hit.document)] != sources[query]);
        }
      }
    }
  }
  TEST_CASE("find: equality means every byte; near-duplicates hide behind case and punctuation") {
    const std::vector<std::string> texts = {"A short text about rivers.",
                                            "a short text about rivers",
                                            "Something else, of course.",
                                            "A short text about rivers."};
    CHECK(SourceExclusion(texts).find(texts[0]) == std::vector<Index>{0, 3});
    CHECK(SourceExclusion(texts, {.near_duplicates = true}).find(texts[0]) == std::vector<Index>{0, 1, 3});
    CHECK(SourceExclusion(texts).find("A short text about rivers. ").empty());
    CHECK(SourceExclusion(texts).find("").empty());
  }
  TEST_CASE("find_all: is find for each, for every pool") {
    const std::vector<std::string> texts = random_corpus(7);
    const SourceExclusion exclusion(texts, {.near_duplicates = true});
    const re::ThreadPool pool(3);
    const auto all = exclusion.find_all(texts, &pool);
    REQUIRE(all.size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CHECK(all[i] == exclusion.find(texts[i]));
      CHECK(std::binary_search(all[i].begin(), all[i].end(), static_cast<Index>(i)));  // itself at least
    }
  }
  TEST_CASE("is_source: texts without words are the source of nothing but themselves") {
    CHECK(SourceExclusion::is_source("", ""));
    CHECK(SourceExclusion::is_source("?", "?"));
    CHECK(!SourceExclusion::is_source("?", "!", {.near_duplicates = true}));
    CHECK(!SourceExclusion::is_source("a", "A"));
    CHECK(SourceExclusion::is_source("a", "A", {.near_duplicates = true}));
    CHECK(!SourceExclusion::is_source("a\xFFq", "a q"));  // bytes that are not UTF-8 are compared as they are
  }
  TEST_CASE("SourceExclusion: bad options are refused although the switch is off") {
    const std::vector<std::string> texts = {"a"};
    CHECK_THROWS_AS(SourceExclusion(texts, {.near = {.threshold = 2}}), re::ConfigError);
  }

  TEST_CASE("NearSource: property: says what is_source says of texts that differ, and nothing while it is off") {
    for (const bool on : {false, true}) {
      for (const double threshold : {0.3, 0.8, 1.0}) {
        CAPTURE(on);
        CAPTURE(threshold);
        const re::remixer::SourceExclusionOptions options{.near_duplicates = on, .near = {.threshold = threshold}};
        const re::remixer::NearSource near(options);
        const std::vector<std::string> texts = random_corpus(9);
        std::size_t found = 0;
        for (std::size_t i = 0; i < texts.size(); i += 3) {
          for (const std::string& other : texts) {
            if (texts[i] != other) {
              const bool expected = SourceExclusion::is_source(texts[i], other, options);
              found += expected ? 1 : 0;
              if (near(texts[i], other) != expected) {
                CAPTURE(texts[i]);
                CHECK(near(texts[i], other) == expected);
              }
            }
          }
        }
        CHECK((found > 0) == on);
      }
    }
  }

  TEST_CASE("NearSource: texts without words are near nothing; bad options are refused although the switch is off") {
    const re::remixer::NearSource near({.near_duplicates = true, .near = {.threshold = 0.01}});
    CHECK(!near("", ""));
    CHECK(!near("...", "!"));
    CHECK(!near("a b c", ""));
    CHECK(near("A b, c", "a B c."));
    CHECK_THROWS_AS((re::remixer::NearSource{{.near = {.threshold = 0.0}}}), re::ConfigError);
    CHECK_THROWS_AS((re::remixer::NearSource{{.near = {.shingles = {.length = 0}}}}), re::ConfigError);
  }
}
