#include <reasonembed/eval/score.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace re = reasonembed;
using re::retrieval::Rankings;
using re::retrieval::RunEntry;
using re::retrieval::SearchOptions;

TEST_SUITE("eval/score") {
  TEST_CASE("score: searches, measures nDCG@10 and takes the time of the search") {
    re::data::RetrievalDataset dataset;
    dataset.corpus.add("a", "one");
    dataset.corpus.add("b", "two");
    dataset.queries.add({.id = "q1", .text = "x"});
    dataset.queries.add({.id = "q2", .text = "y"});
    dataset.qrels.add("q1", "b", 1);
    dataset.qrels.add("q2", "b", 1);
    const re::eval::ScoredRun scored = re::eval::score("fixed", dataset, [](const SearchOptions& options) {
      CHECK(options.top_k == 1000);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      Rankings rankings(2);
      rankings[0] = {{1, 0.5F}};
      rankings[1] = {{0, 0.5F}};
      return rankings;
    });
    CHECK(scored.row.name == "fixed");
    CHECK(scored.row.metric == "ndcg_cut_10");
    CHECK(scored.row.mean == 0.5);
    CHECK(scored.row.spread == 0);
    CHECK(scored.row.seeds == 1);
    CHECK(scored.row.seconds >= 0.005);
    CHECK(scored.run.size() == 2);
    CHECK(*scored.run.find("q1") == std::vector<RunEntry>{{"b", 0.5}});
  }

  TEST_CASE("score: passes options and errors on") {
    re::data::RetrievalDataset dataset;
    dataset.corpus.add("a", "one");
    dataset.queries.add({.id = "q", .text = "x"});
    dataset.qrels.add("q", "a", 1);
    (void)re::eval::score("s",
                          dataset,
                          [](const SearchOptions& options) {
                            CHECK(options.top_k == 3);
                            return Rankings(1);
                          },
                          {.top_k = 3});
    CHECK_THROWS_AS((void)re::eval::score("s", dataset, [](const SearchOptions&) { return Rankings(2); }),
                    re::ShapeError);
  }
}
