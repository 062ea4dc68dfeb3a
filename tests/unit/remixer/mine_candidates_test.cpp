#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"
#include "support/scratch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using rx::GeneratedQuery;
using rx::MineCandidates;
using rx::MineCandidatesOptions;
using rx::MinedQuery;
using Texts = std::vector<std::string>;

namespace {

/// Ranks all documents in the order of the pool, for every query.
struct InOrder {
  struct Searcher {
    Index size = 0;
    std::shared_ptr<std::vector<Index>> asked;
    [[nodiscard]] re::retrieval::Rankings search(std::span<const std::string> queries,
                                                 std::string_view /*instruction*/,
                                                 Index top_k) const {
      asked->push_back(top_k);
      re::retrieval::Rankings found(queries.size());
      for (std::size_t query = 0; query < queries.size(); ++query) {
        for (Index i = 0; i < std::min(size, top_k); ++i) {
          found[query].push_back({i, static_cast<float>(-i)});
        }
      }
      return found;
    }
  };
  [[nodiscard]] Searcher index(const rx::DocumentTexts& documents, re::Progress* progress) const {
    progress->advance(static_cast<Index>(documents.size()));
    pool->assign(documents.begin(), documents.end());
    return {static_cast<Index>(documents.size()), asked};
  }
  std::shared_ptr<Texts> pool = std::make_shared<Texts>();
  std::shared_ptr<std::vector<Index>> asked = std::make_shared<std::vector<Index>>();
};
static_assert(rx::Retriever<InOrder>);
static_assert(rx::Stage<MineCandidates<InOrder>>);

const auto kSameStart = [](std::string_view source, std::string_view candidate) {
  return source.substr(0, 2) == candidate.substr(0, 2);
};
static_assert(rx::ExclusionRule<std::remove_const_t<decltype(kSameStart)>>);
static_assert(!rx::ExclusionRule<int>);

GeneratedQuery query(const std::string& text, const std::string& source) {
  return {text, {"id of " + source, source}, {}};
}

Texts texts_of(const MinedQuery& mined) {
  Texts all;
  for (const rx::SharedText& text : mined.candidates) {
    all.push_back(text.str());
  }
  return all;
}

struct Mined {
  std::vector<MinedQuery> queries = {};
  rx::StageReport report = {};
};
template <class Stage>
Mined mine(Stage stage, std::vector<GeneratedQuery> queries) {
  Mined mined;
  mined.queries = run_stage(stage, std::move(queries), mined.report);
  return mined;
}
Mined mine(const Texts& corpus, std::vector<GeneratedQuery> queries, const MineCandidatesOptions& options = {}) {
  return mine(MineCandidates(InOrder(), corpus, "", options), std::move(queries));
}

}  // namespace

TEST_SUITE("remixer/mine_candidates") {
  TEST_CASE("MineCandidatesOptions: the defaults are the paper's") {
    CHECK(test::named_options(MineCandidatesOptions{}) ==
          std::vector<std::string>{"top_k 1000", "kept 100", "fill_gaps false"});
  }

  TEST_CASE("run: the source is no candidate, wherever it ranks") {
    for (const char* source : {"a", "b", "c", "d"}) {
      CAPTURE(source);
      const Mined mined = mine({"a", "b", "c", "d"}, {query("q", source)});
      Texts expected = {"a", "b", "c", "d"};
      std::erase(expected, source);
      REQUIRE(mined.queries.size() == 1);
      CHECK(texts_of(mined.queries[0]) == expected);
      CHECK(mined.queries[0].source.id == std::string("id of ") + source);
      CHECK(mined.report.counts.at("candidates that were the source") == 1);
    }
  }

  TEST_CASE("run: copies of the source under other ids are the source") {
    const Mined mined = mine({"s", "a", "s", "b", "s"}, {query("q", "s")});
    CHECK(texts_of(mined.queries[0]) == Texts{"a", "b"});
    CHECK(mined.report.counts.at("documents in the pool") == 3);
  }

  TEST_CASE("run: a source that the corpus lacks joins the pool, for other queries") {
    const InOrder retriever;
    const Mined mined =
        mine(MineCandidates(retriever, Texts{"a", "b"}), {query("q1", "s1"), query("q2", "s2"), query("q3", "a")});
    CHECK(*retriever.pool == Texts{"a", "b", "s1", "s2"});
    CHECK(texts_of(mined.queries[0]) == Texts{"a", "b", "s2"});
    CHECK(texts_of(mined.queries[1]) == Texts{"a", "b", "s1"});
    CHECK(texts_of(mined.queries[2]) == Texts{"b", "s1", "s2"});
  }

  TEST_CASE("run: a document equal to the query is skipped and does not count among the first") {
    const Mined mined = mine({"q", "a", "b", "c"}, {query("q", "c")}, {.kept = 2});
    CHECK(texts_of(mined.queries[0]) == Texts{"a", "b"});
    CHECK(mined.report.counts.at("candidates equal to the query") == 1);
  }

  TEST_CASE("run: the first are kept, then the source is taken out: it is not replaced") {
    CHECK(texts_of(mine({"s", "a", "b", "c"}, {query("q", "s")}, {.kept = 2}).queries[0]) == Texts{"a"});
    CHECK(texts_of(mine({"a", "b", "c", "s"}, {query("q", "s")}, {.kept = 2}).queries[0]) == Texts{"a", "b"});
    CHECK(texts_of(mine({"a", "b", "c", "s"}, {query("q", "s")}, {.top_k = 1}).queries[0]) == Texts{"a"});
  }

  TEST_CASE("run: the next documents take the places of the excluded ones where that is wanted") {
    const MineCandidatesOptions options{.kept = 2, .fill_gaps = true};
    CHECK(texts_of(mine({"s", "a", "b", "c"}, {query("q", "s")}, options).queries[0]) == Texts{"a", "b"});
    CHECK(texts_of(mine({"a", "b", "c", "s"}, {query("q", "s")}, options).queries[0]) == Texts{"a", "b"});
    CHECK(texts_of(mine({"s", "a"}, {query("q", "s")}, options).queries[0]) == Texts{"a"});
    const Texts corpus = {"s1 near", "s1 source", "x far", "y far", "z far"};
    CHECK(texts_of(
              mine(MineCandidates(InOrder(), corpus, "", options, kSameStart), {query("q", "s1 source")}).queries[0]) ==
          Texts{"x far", "y far"});
  }

  TEST_CASE("run: with the paper's numbers a query has 100 candidates, or 99 and its source") {
    Texts corpus;
    for (int i = 0; i < 1500; ++i) {
      corpus.push_back("document " + std::to_string(i));
    }
    const InOrder retriever;
    const Mined mined = mine(MineCandidates(retriever, corpus), {query("q1", corpus[5]), query("q2", corpus[500])});
    CHECK(mined.queries[0].candidates.size() == 99);
    CHECK(mined.queries[1].candidates.size() == 100);
    CHECK(*retriever.asked == std::vector<Index>{1000});
  }

  TEST_CASE("run: blank documents are no candidates") {
    const Mined mined = mine({"", "a", " \n", "b"}, {query("q", "b"), query("p", "")});
    CHECK(texts_of(mined.queries[0]) == Texts{"a"});
    CHECK(texts_of(mined.queries[1]) == Texts{"a", "b"});
  }

  TEST_CASE("run: near-copies of the source go by the predicate's word") {
    const Texts corpus = {"s1 source", "s1 near", "x far", "y far"};
    const Mined mined = mine(MineCandidates(InOrder(), corpus, "", {}, kSameStart), {query("q", "s1 source")});
    CHECK(texts_of(mined.queries[0]) == Texts{"x far", "y far"});
    CHECK(mined.report.counts.at("candidates too like the source") == 1);
    CHECK(texts_of(mine(corpus, {query("q", "s1 source")}).queries[0]) == Texts{"s1 near", "x far", "y far"});
  }

  TEST_CASE("run: a query without a candidate is dropped and counted") {
    const Mined mined = mine({"s"}, {query("q", "s")});
    CHECK(mined.queries.empty());
    CHECK(mined.report.dropped == std::map<std::string, Index>{{"no candidate", 1}});
  }

  TEST_CASE("run: nothing in, and no corpus but the sources") {
    CHECK(mine({"a"}, {}).queries.empty());
    const Mined mined = mine(Texts{}, {query("q1", "s1"), query("q2", "s2")});
    CHECK(texts_of(mined.queries[0]) == Texts{"s2"});
    CHECK(texts_of(mined.queries[1]) == Texts{"s1"});
  }

  TEST_CASE("run: many queries are searched for in blocks, each finds its own") {
    Texts corpus;
    std::vector<GeneratedQuery> queries;
    for (int i = 0; i < 600; ++i) {
      corpus.push_back("word" + std::to_string(i) + " rest");
      corpus.push_back("word" + std::to_string(i) + " another text");
      queries.push_back(query("word" + std::to_string(i), corpus[static_cast<std::size_t>(2 * i)]));
    }
    const Mined mined = mine(MineCandidates(rx::Bm25Retriever<>(), corpus), queries);
    REQUIRE(mined.queries.size() == 600);
    for (std::size_t i = 0; i < 600; ++i) {
      CHECK(texts_of(mined.queries[i]) == Texts{corpus[2 * i + 1]});
    }
  }

  TEST_CASE("run: whatever corpus, source and query, the source is never found, and what is found is distinct") {
    re::RandomStream random(5);
    for (int round = 0; round < 300; ++round) {
      CAPTURE(round);
      const auto word = [&] { return std::string(1, static_cast<char>('a' + random.below(6))); };
      const auto text = [&] {
        std::string all = word();
        for (std::uint64_t i = random.below(3); i > 0; --i) {
          all += " " + word();
        }
        return all;
      };
      Texts corpus;
      for (std::uint64_t i = random.below(30); i > 0; --i) {
        corpus.push_back(text());
      }
      std::vector<GeneratedQuery> queries;
      for (std::uint64_t i = random.below(6); i > 0; --i) {
        queries.push_back(query(text(), text()));
      }
      const auto kept = static_cast<Index>(1 + random.below(10));
      const Mined mined = mine(MineCandidates(rx::Bm25Retriever<>(), corpus, "", {.top_k = 20, .kept = kept}), queries);
      CHECK(mined.report.items_in == mined.report.items_out + mined.report.all_dropped());
      for (const MinedQuery& found : mined.queries) {
        const Texts texts = texts_of(found);
        CHECK(std::set<std::string>(texts.begin(), texts.end()).size() == texts.size());
        CHECK(std::find(texts.begin(), texts.end(), found.source.text.str()) == texts.end());
        CHECK(std::find(texts.begin(), texts.end(), found.query) == texts.end());
        CHECK(static_cast<Index>(texts.size()) <= kept);
        CHECK(!texts.empty());
      }
    }
  }

  TEST_CASE("run: candidates outlive the stage, and a second run is the first again") {
    std::vector<MinedQuery> first;
    {
      MineCandidates stage(InOrder(), Texts{"a", "b"});
      rx::StageReport report;
      first = run_stage(stage, {query("q", "s")}, report);
      CHECK(run_stage(stage, {query("q", "s")}, report) == first);
      CHECK(report.counts.at("documents in the pool") == 3);
      CHECK(texts_of(run_stage(stage, {query("q", "a")}, report)[0]) == Texts{"b"});
      CHECK(report.counts.at("documents in the pool") == 2);  // the source of the run before is not there
    }
    CHECK(texts_of(first[0]) == Texts{"a", "b"});
  }

  TEST_CASE("run: a candidate of many queries is in memory once") {
    const Mined mined = mine({"a", "b", "c"}, {query("q1", "b"), query("q2", "c")});
    CHECK(mined.queries[0].candidates[0].view().data() == mined.queries[1].candidates[0].view().data());
  }

  TEST_CASE("MineCandidates: refuses impossible options") {
    CHECK_THROWS_WITH_AS((void)MineCandidates(InOrder(), Texts{}, "", {.top_k = 0}),
                         "remixer::MineCandidates: top_k is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)MineCandidates(InOrder(), Texts{}, "", {.kept = 0}),
                         "remixer::MineCandidates: kept is 0, expected at least 1",
                         re::ConfigError);
  }

  TEST_CASE("run: candidates of a pool on the disk are those of the same texts in memory, and keep the pool") {
    const test::Scratch scratch;
    const Texts corpus = {"s", "a", "", "b", "a", "c"};
    const std::vector<GeneratedQuery> queries = {query("q1", "s"), query("a", "elsewhere"), query("q3", "c")};
    const Mined expected = mine(corpus, queries);
    Mined got;
    {
      auto pool = std::make_shared<rx::DocumentPool>(scratch.path());
      for (const std::string& text : corpus) {
        pool->add(text);
      }
      got = mine(MineCandidates(InOrder(), std::shared_ptr<const rx::DocumentPool>(std::move(pool))), queries);
    }
    CHECK(got.queries == expected.queries);
    CHECK(got.report == expected.report);
    CHECK(texts_of(got.queries[0]) == Texts{"a", "b", "c", "elsewhere"});
  }
}
