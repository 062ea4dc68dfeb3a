#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/sample_sources.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using re::StringIndex;
using rx::SampleSources;
using rx::SampleSourcesOptions;
using rx::SourceDocument;
using rx::StageReport;

namespace {

struct Sampled {
  std::vector<SourceDocument> documents = {};
  StageReport report = {};

  [[nodiscard]] std::vector<std::string> ids() const {
    std::vector<std::string> all;
    for (const SourceDocument& document : documents) {
      all.push_back(document.id);
    }
    return all;
  }
};

Sampled sample(std::vector<SourceDocument> documents,
               const SampleSourcesOptions& options = {},
               const std::vector<std::string>& left_out = {}) {
  StringIndex ids;
  for (const std::string& id : left_out) {
    ids.add(id);
  }
  SampleSources stage(options, std::move(ids));
  Sampled sampled;
  sampled.documents = run_stage(stage, std::move(documents), sampled.report);
  return sampled;
}

/// `count` documents of `length` characters that all differ.
std::vector<SourceDocument> many(int count, std::size_t length = 300) {
  std::vector<SourceDocument> documents;
  for (int i = 0; i < count; ++i) {
    std::string text = std::to_string(i) + " ";
    text.resize(length, 'x');
    documents.push_back({std::to_string(i), text});
  }
  return documents;
}

std::string refused(const SampleSourcesOptions& options) {
  try {
    (void)SampleSources(options);
  } catch (const re::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_SUITE("remixer/sample_sources") {
  TEST_CASE("SampleSourcesOptions: the defaults are the paper's") {
    CHECK(test::named_options(SampleSourcesOptions{}) ==
          std::vector<std::string>{"least_characters 200", "most_characters 5000", "most_documents 10000", "seed 42"});
  }

  TEST_CASE("run: the limits of length are inclusive, and count characters, not bytes") {
    std::string wave;
    for (int i = 0; i < 200; ++i) {
      wave += "\xF0\x9F\x8C\x8A";
    }
    const Sampled sampled = sample({{"199", std::string(199, 'a')},
                                    {"200", std::string(200, 'a')},
                                    {"5000", std::string(5000, 'a')},
                                    {"5001", std::string(5001, 'a')},
                                    {"wave", wave},
                                    {"part", wave.substr(4)},
                                    {"empty", ""}});
    CHECK(sampled.ids() == std::vector<std::string>{"200", "5000", "wave"});
    CHECK(sampled.report.dropped == std::map<std::string, Index>{{"too short", 3}, {"too long", 1}});
  }

  TEST_CASE("run: leaves out what a benchmark speaks of, and copies of it under other ids") {
    const std::string gold(300, 'g');
    const Sampled sampled = sample({{"copy before", gold},
                                    {"gold", gold},
                                    {"copy behind", gold},
                                    {"other", std::string(300, 'o')},
                                    {"short gold", "g"},
                                    {"short copy", "g"}},
                                   {},
                                   {"gold", "short gold", "not in the corpus"});
    CHECK(sampled.ids() == std::vector<std::string>{"other"});
    CHECK(sampled.report.dropped ==
          std::map<std::string, Index>{{"in a benchmark", 2}, {"a copy of a document in a benchmark", 3}});
  }

  TEST_CASE("run: takes one of several copies, and nothing that is not UTF-8") {
    const Sampled sampled = sample({{"a", std::string(300, 'x')},
                                    {"b", std::string(300, 'x')},
                                    {"bad", std::string(300, 'y') + "\xFF"},
                                    {"c", std::string(301, 'x')}});
    CHECK(sampled.ids() == std::vector<std::string>{"a", "c"});
    CHECK(sampled.report.dropped ==
          std::map<std::string, Index>{{"a copy of an earlier document", 1}, {"not UTF-8", 1}});
  }

  TEST_CASE("run: draws as many as are wanted, in the order of the corpus") {
    for (const Index most : {Index{1}, Index{2}, Index{10}, Index{99}, Index{100}, Index{101}}) {
      CAPTURE(most);
      const Sampled sampled = sample(many(100), {.most_documents = most});
      CHECK(static_cast<Index>(sampled.documents.size()) == std::min<Index>(most, 100));
      const Index expected = std::max<Index>(100 - most, 0);
      CHECK(sampled.report.all_dropped() == expected);
      std::vector<int> numbers;
      for (const std::string& id : sampled.ids()) {
        numbers.push_back(std::stoi(id));
      }
      CHECK(std::is_sorted(numbers.begin(), numbers.end()));
    }
    CHECK(sample(many(100), {.most_documents = 0}).documents.size() == 100);
  }

  TEST_CASE("run: which documents are drawn does not depend on the order of the corpus") {
    std::vector<SourceDocument> documents = many(200);
    const auto drawn = [](const Sampled& sampled) {
      const std::vector<std::string> ids = sampled.ids();
      return std::set<std::string>(ids.begin(), ids.end());
    };
    const std::set<std::string> expected = drawn(sample(documents, {.most_documents = 30}));
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      re::RandomStream(seed).shuffle(documents);
      CHECK(drawn(sample(documents, {.most_documents = 30})) == expected);
    }
  }

  TEST_CASE("run: a document more changes at most one of those that are drawn") {
    std::vector<SourceDocument> documents = many(200);
    const std::vector<std::string> before = sample(documents, {.most_documents = 30}).ids();
    documents.push_back({"one more", std::string(400, 'm')});
    const std::vector<std::string> after = sample(documents, {.most_documents = 30}).ids();
    std::size_t gone = 0;
    for (const std::string& id : before) {
      gone += std::find(after.begin(), after.end(), id) == after.end() ? 1 : 0;
    }
    CHECK(gone <= 1);
  }

  TEST_CASE("run: a larger sample holds the smaller one") {
    const std::vector<std::string> small = sample(many(200), {.most_documents = 20}).ids();
    const std::vector<std::string> large = sample(many(200), {.most_documents = 50}).ids();
    for (const std::string& id : small) {
      CHECK(std::find(large.begin(), large.end(), id) != large.end());
    }
  }

  TEST_CASE("run: another seed draws others, and every document is drawn as often as the next") {
    std::vector<double> drawn(50, 0);
    constexpr int kSeeds = 2000;
    for (int seed = 0; seed < kSeeds; ++seed) {
      for (const std::string& id :
           sample(many(50), {.most_documents = 10, .seed = static_cast<std::uint64_t>(seed)}).ids()) {
        ++drawn[static_cast<std::size_t>(std::stoi(id))];
      }
    }
    double chi_square = 0;
    for (const double count : drawn) {
      chi_square += (count - kSeeds / 5.0) * (count - kSeeds / 5.0) / (kSeeds / 5.0);
    }
    // Drawn without replacement the sum is (1 - 10/50) times chi-square with 49 degrees; its upper 0.1% point
    // is 85.351.
    CHECK(chi_square < 0.8 * 85.351);
  }

  TEST_CASE("run: nothing, one and a huge document") {
    CHECK(sample({}).documents.empty());
    CHECK(sample(many(1)).documents.size() == 1);
    CHECK(sample({{"huge", std::string(10 << 20, 'x')}}).documents.empty());
    CHECK(sample({{"huge", std::string(10 << 20, 'x')}}, {.most_characters = 100 << 20}).documents.size() == 1);
  }

  TEST_CASE("SampleSources: refuses impossible options") {
    CHECK(refused({.least_characters = 0}) == "remixer::SampleSources: least_characters is 0, expected at least 1");
    CHECK(refused({.least_characters = 10, .most_characters = 9}) ==
          "remixer::SampleSources: most_characters is 9, expected at least least_characters, 10");
    CHECK(refused({.most_documents = -1}) == "remixer::SampleSources: most_documents is -1, expected at least 0");
    CHECK(refused({.least_characters = 9, .most_characters = 9}).empty());
  }

  TEST_CASE("benchmark_documents: judged ones of any relevance, and excluded ones") {
    re::data::Qrels qrels;
    qrels.add("q1", "gold", 1);
    qrels.add("q1", "judged", 0);
    qrels.add("q2", "gold", 1);
    re::data::Queries queries;
    queries.add({.id = "q1", .text = "a", .excluded = {"excluded", "gold"}});
    queries.add({.id = "q3", .text = "b"});
    const StringIndex ids = rx::benchmark_documents(qrels, queries);
    CHECK(ids.size() == 3);
    CHECK(ids.contains("gold"));
    CHECK(ids.contains("judged"));
    CHECK(ids.contains("excluded"));
    CHECK(rx::benchmark_documents({}, {}).empty());
  }

  TEST_CASE("source_documents: all of a corpus, in its order") {
    re::data::Corpus corpus;
    corpus.add("b", "text b");
    corpus.add("a", "");
    CHECK(rx::source_documents(corpus) == std::vector<SourceDocument>{{"b", "text b"}, {"a", ""}});
  }
}
