#include <reasonembed/remixer/benchmark_items.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::BenchmarkItem;
using re::remixer::BenchmarkPart;

TEST_SUITE("remixer/benchmark_items") {
  TEST_CASE("benchmark_items: all queries, and each relevant document once") {
    re::data::RetrievalDataset dataset;
    for (const char* id : {"d1", "d2", "d3", "d4"}) {
      dataset.corpus.add(id, std::string("text of ") + id);
    }
    dataset.queries.add({.id = "q1", .text = "first"});
    dataset.queries.add({.id = "q2", .text = "second"});
    dataset.queries.add({.id = "q3", .text = "not judged"});
    dataset.qrels.add("q1", "d3", 1);
    dataset.qrels.add("q1", "d2", 0);
    dataset.qrels.add("q2", "d3", 2);
    dataset.qrels.add("q2", "d1", 1);
    dataset.qrels.add("q2", "absent", 1);
    CHECK(re::remixer::benchmark_items(dataset) ==
          std::vector<BenchmarkItem>{{BenchmarkPart::kQuery, "q1", "first"},
                                     {BenchmarkPart::kQuery, "q2", "second"},
                                     {BenchmarkPart::kQuery, "q3", "not judged"},
                                     {BenchmarkPart::kDocument, "d1", "text of d1"},
                                     {BenchmarkPart::kDocument, "d3", "text of d3"}});
    CHECK(re::remixer::benchmark_items({}).empty());
  }
}
