#include <reasonembed/remixer/any_retriever.hpp>
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/fused_retriever.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using Texts = std::vector<std::string>;

namespace {

const Texts kDocuments = {"the cat sat", "a dog barked", "cat and dog", "rain"};
const Texts kQueries = {"cat", "dog barked", "snow"};

static_assert(rx::RetrieverIndex<rx::AnyRetriever::Searcher>);
static_assert(rx::Retriever<rx::FusedRetriever<rx::Bm25Retriever<>, rx::AnyRetriever>>);

}  // namespace

TEST_SUITE("remixer/any_retriever") {
  TEST_CASE("search: finds what the retriever finds that it holds") {
    const rx::Bm25Retriever<> bm25;
    const rx::AnyRetriever any = bm25;
    const auto expected = bm25.index(kDocuments).search(kQueries, "", 3);
    CHECK(any.index(kDocuments).search(kQueries, "", 3) == expected);
    const rx::AnyRetriever copy = any;  // NOLINT(performance-unnecessary-copy-initialization): the copy is the test
    CHECK(copy.index(kDocuments).search(kQueries, "", 3) == expected);
  }

  TEST_CASE("index: lives longer than the retriever, may be moved, and counts its documents") {
    auto any = std::make_unique<rx::AnyRetriever>(rx::FusedRetriever(rx::Bm25Retriever<>(), rx::Bm25Retriever<>()));
    re::Progress progress("index", 4, {.silent = true});
    auto index = any->index(kDocuments, &progress);
    CHECK(progress.done() == 4);
    any.reset();
    const auto moved = std::move(index);
    CHECK(moved.search(kQueries, "", 1)[1][0].document == 1);
    CHECK(moved.search({}, "", 1).empty());
  }

  TEST_CASE("index: errors of the retriever come through") {
    const rx::AnyRetriever any = rx::Bm25Retriever<>({.b = 2.0F});
    CHECK_THROWS_AS((void)any.index(kDocuments), re::ConfigError);
  }

  TEST_CASE("AnyRetriever: mines like the retriever it holds") {
    const std::vector<rx::GeneratedQuery> queries = {{"cat", {"id", kDocuments[0]}, {}}};
    rx::StageReport report;
    rx::MineCandidates plain(rx::Bm25Retriever<>(), kDocuments);
    rx::MineCandidates any(rx::AnyRetriever(rx::Bm25Retriever<>()), kDocuments);
    const auto expected = run_stage(plain, queries, report);
    REQUIRE(expected.size() == 1);
    CHECK(run_stage(any, queries, report) == expected);
  }
}
