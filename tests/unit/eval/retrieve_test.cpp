#include <reasonembed/eval/evaluate.hpp>
#include <reasonembed/eval/retrieve.hpp>
#include <reasonembed/retrieval/bm25.hpp>
#include <reasonembed/retrieval/trec_run.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::data::RetrievalDataset;
using re::eval::DatasetSearch;
using re::eval::Exclusion;
using re::eval::make_run;
using re::eval::retrieve;
using re::retrieval::Hit;
using re::retrieval::Rankings;
using re::retrieval::RunEntry;
using re::retrieval::SearchOptions;
using Entries = std::vector<RunEntry>;

namespace {

RetrievalDataset small_dataset() {
  RetrievalDataset dataset;
  for (const char* id : {"a", "b", "c", "d"}) {
    dataset.corpus.add(id, id);
  }
  dataset.queries.add({.id = "q1", .text = "x", .excluded = {"d", "b", "elsewhere"}});
  dataset.queries.add({.id = "q2", .text = "y"});
  dataset.qrels.add("q1", "a", 1);
  dataset.qrels.add("q2", "d", 1);
  return dataset;
}

/// Ranks d, c, b, a for every query, minding its options as an index does.
Rankings backwards(std::size_t queries, const SearchOptions& options) {
  Rankings rankings(queries);
  for (std::size_t query = 0; query < queries; ++query) {
    for (Index document = 3; document >= 0; --document) {
      const bool banned = !options.excluded.empty() &&
                          std::binary_search(options.excluded[query].begin(), options.excluded[query].end(), document);
      if (!banned && static_cast<Index>(rankings[query].size()) < options.top_k) {
        rankings[query].push_back({document, static_cast<float>(document)});
      }
    }
  }
  return rankings;
}

struct GoodSearch {
  Rankings operator()(const SearchOptions&) const { return Rankings(2); }
};
struct ReturnsVector {
  std::vector<std::vector<Hit>> operator()(const SearchOptions&) const { return {}; }
};
static_assert(DatasetSearch<GoodSearch>);
static_assert(!DatasetSearch<ReturnsVector>);
static_assert(!DatasetSearch<int>);

}  // namespace

TEST_SUITE("eval/retrieve") {
  TEST_CASE("make_run: names queries and documents") {
    Rankings hits(2);
    hits[0] = {{2, 0.5F}, {0, 0.25F}};
    const re::retrieval::Run run = make_run(small_dataset(), hits);
    CHECK(run.queries() == std::vector<std::string>{"q1", "q2"});
    CHECK(*run.find("q1") == Entries{{"c", 0.5}, {"a", 0.25}});
    CHECK(run.find("q2")->empty());
  }

  TEST_CASE("make_run: refuses hits of another dataset") {
    CHECK_THROWS_WITH_AS(
        (void)make_run(small_dataset(), Rankings(3)), "eval::make_run: hits.size() is 3, expected 2", re::ShapeError);
    Rankings hits(2);
    for (const Index document : {Index{4}, Index{-1}}) {
      hits[1] = {{document, 1.0F}};
      CHECK_THROWS_WITH_AS(
          (void)make_run(small_dataset(), hits),
          ("eval::make_run: document of query \"q2\" is " + std::to_string(document) + ", expected a number below 4")
              .c_str(),
          re::ShapeError);
    }
    hits[1] = {{0, std::numeric_limits<float>::quiet_NaN()}};
    CHECK_THROWS_AS((void)make_run(small_dataset(), hits), re::NonFiniteError);
    hits[1] = {{0, 1.0F}, {0, 0.5F}};
    CHECK_THROWS_AS((void)make_run(small_dataset(), hits), re::DataError);
  }

  TEST_CASE("retrieve: removes excluded documents before the cut-off or after it") {
    const RetrievalDataset dataset = small_dataset();
    const auto search = [](const SearchOptions& options) { return backwards(2, options); };
    const re::retrieval::Run before = retrieve(dataset, search, {.top_k = 2});
    CHECK(*before.find("q1") == Entries{{"c", 2}, {"a", 0}});
    CHECK(*before.find("q2") == Entries{{"d", 3}, {"c", 2}});
    const re::retrieval::Run after = retrieve(dataset, search, {.top_k = 2, .exclusion = Exclusion::kAfterCutoff});
    CHECK(*after.find("q1") == Entries{{"c", 2}});
    CHECK(*after.find("q2") == Entries{{"d", 3}, {"c", 2}});
    // the difference of protocols is one of scores
    CHECK(re::eval::evaluate(before, dataset.qrels, {.measures = {"recall_10"}}).means[0] == 1);
    CHECK(re::eval::evaluate(after, dataset.qrels, {.measures = {"recall_10"}}).means[0] == 0.5);
  }

  TEST_CASE("retrieve: where the cut-off is no limit, both ways agree") {
    const auto search = [](const SearchOptions& options) { return backwards(2, options); };
    CHECK(retrieve(small_dataset(), search, {.top_k = 4}) ==
          retrieve(small_dataset(), search, {.top_k = 4, .exclusion = Exclusion::kAfterCutoff}));
  }

  TEST_CASE("retrieve: hands the search its options, to be completed by it") {
    const RetrievalDataset dataset = small_dataset();
    int calls = 0;
    (void)retrieve(dataset,
                   [&](SearchOptions options) {
                     ++calls;
                     CHECK(options.top_k == 7);
                     CHECK(options.excluded.size() == 2);
                     CHECK(options.pool == nullptr);
                     options.top_k = 1;
                     return backwards(2, options);
                   },
                   {.top_k = 7});
    (void)retrieve(dataset,
                   [&](const SearchOptions& options) {
                     ++calls;
                     CHECK(options.excluded.empty());
                     return backwards(2, options);
                   },
                   {.exclusion = Exclusion::kAfterCutoff});
    CHECK(calls == 2);
    CHECK_THROWS_AS((void)retrieve(dataset, [](const SearchOptions&) { return Rankings(1); }), re::ShapeError);
    CHECK_THROWS_AS(
        (void)retrieve(
            dataset, [](const SearchOptions&) { return Rankings(1); }, {.exclusion = Exclusion::kAfterCutoff}),
        re::ShapeError);
  }

  TEST_CASE("retrieve: a dataset, an index, a run file and its scores in a few lines") {
    const test::Scratch directory;
    directory.write("corpus.jsonl",
                    "{\"id\": \"d1\", \"text\": \"salt draws water out of cells\"}\n"
                    "{\"id\": \"d2\", \"text\": \"the moon has no air\"}\n");
    directory.write("dev.queries.jsonl", "{\"id\": \"q\", \"text\": \"why does salt make water come out?\"}\n");
    directory.write("dev.qrels.tsv", "q 0 d1 1\n");
    const auto path = directory.path();
    // example-begin retrieve
    const auto dataset = re::data::read_retrieval_dataset(path, {.split = "dev"});
    for (const std::string& note : dataset.notes) {
      std::fprintf(stderr, "note: %s\n", note.c_str());
    }
    const re::retrieval::Bm25 index(dataset.corpus.texts());
    const re::retrieval::Run run = re::eval::retrieve(
        dataset, [&](const auto& options) { return index.search(dataset.queries.texts(), options); }, {.top_k = 100});
    re::retrieval::write_trec_run(path / "bm25.trec", run, {.tag = "bm25"});
    const auto result = re::eval::evaluate(run, dataset.qrels, {.measures = {"ndcg_cut_10", "recall_100"}});
    std::printf("nDCG@10 %.4f\n", result.mean("ndcg_cut_10"));
    // example-end retrieve
    CHECK(result.means == std::vector<double>{1, 1});
    CHECK(re::retrieval::read_trec_run(path / "bm25.trec") == run);
  }

  TEST_CASE("retrieve: BM25 on EntailmentBank has the scores of an independent program") {
    const auto data = test::find_data("entailmentbank");
    if (!data) {
      return;
    }
    // computed by a 40-line Python program from the formula; it rounds scores to five digits before it breaks ties
    for (const auto& [field, expected] : std::vector<std::pair<std::string, double>>{
             {"question", 0.22413}, {"text", 0.32887}, {"hypothesis", 0.41531}}) {
      CAPTURE(field);
      const RetrievalDataset dataset = re::data::read_retrieval_dataset(*data, {.query_field = field});
      const re::retrieval::Bm25 index(dataset.corpus.texts());
      const auto run =
          retrieve(dataset,
                   [&](const SearchOptions& options) { return index.search(dataset.queries.texts(), options); },
                   {.top_k = 100});
      CHECK(std::abs(re::eval::evaluate(run, dataset.qrels).means[0] - expected) <= 1e-4);
    }
  }
}
