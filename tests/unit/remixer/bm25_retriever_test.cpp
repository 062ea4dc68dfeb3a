#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/retrieval/bm25.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using Texts = std::vector<std::string>;

namespace {

const Texts kDocuments = {"salt draws water out", "water boils", "bread rises in warmth", "salt and bread"};

struct NoIndex {
  int index(std::span<const std::string> /*documents*/, re::Progress* /*progress*/) const { return 0; }
};
static_assert(!rx::Retriever<NoIndex> && !rx::Retriever<int> && !rx::RetrieverIndex<int>);

}  // namespace

TEST_SUITE("remixer/bm25_retriever") {
  TEST_CASE("search: ranks as BM25 does, whatever the instruction") {
    const auto index = rx::Bm25Retriever<>().index(kDocuments);
    const Texts queries = {"salt water", "bread", "nothing of it"};
    const re::retrieval::Rankings expected = re::retrieval::Bm25<>(kDocuments).search(queries, {.top_k = 3});
    CHECK(index.search(queries, "", 3) == expected);
    CHECK(index.search(queries, "Find salt.", 3) == expected);
    CHECK(expected[0].front().document == 0);
    CHECK(expected[2].empty());
    CHECK(index.search({}, "", 3).empty());
  }

  TEST_CASE("search: threads change nothing") {
    const re::ThreadPool pool(2);
    const Texts queries(50, "salt water bread");
    CHECK(rx::Bm25Retriever<>({}, &pool).index(kDocuments).search(queries, "", 4) ==
          rx::Bm25Retriever<>().index(kDocuments).search(queries, "", 4));
  }

  TEST_CASE("index: takes the options of BM25, and advances the progress by its documents") {
    re::Progress progress("index", 4, {.silent = true});
    const rx::Bm25Retriever<> retriever({.k1 = 2.0F, .b = 0.0F});
    const auto index = retriever.index(kDocuments, &progress);
    CHECK(progress.done() == 4);
    const re::retrieval::Bm25<> expected(kDocuments, {.k1 = 2.0F, .b = 0.0F});
    CHECK(index.search(kDocuments, "", 4) == expected.search(kDocuments, {.top_k = 4}));
    CHECK_THROWS_AS((void)rx::Bm25Retriever<>({.b = 2.0F}).index(kDocuments), re::ConfigError);
    CHECK(rx::Bm25Retriever<>().index({}).search(kDocuments, "", 1)[0].empty());
  }
}
