#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/fused_retriever.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"

#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using re::retrieval::Hit;
using Texts = std::vector<std::string>;

namespace {

/// Finds what it was told to find, in that order, for every query; remembers what was asked.
struct Fixed {
  std::vector<Index> ranking = {};

  struct Searcher {
    std::vector<Index> ranking;
    [[nodiscard]] re::retrieval::Rankings search(std::span<const std::string> queries,
                                                 std::string_view instruction,
                                                 Index top_k) const {
      re::retrieval::Rankings found(queries.size());
      for (std::size_t query = 0; query < queries.size(); ++query) {
        for (std::size_t i = 0; i < ranking.size() && static_cast<Index>(i) < top_k; ++i) {
          found[query].push_back({ranking[i], static_cast<float>(100 - i)});
        }
      }
      return instruction == "none" ? re::retrieval::Rankings(queries.size()) : found;
    }
  };
  [[nodiscard]] Searcher index(const rx::DocumentTexts& documents, re::Progress* progress) const {
    if (progress != nullptr) {
      progress->advance(static_cast<Index>(documents.size()));
    }
    return {ranking};
  }
};
static_assert(rx::Retriever<Fixed>);
static_assert(rx::Retriever<rx::FusedRetriever<Fixed, rx::Bm25Retriever<>>>);

const Texts kDocuments = {"a", "b", "c", "d", "e", "f"};
const Texts kQuery = {"q"};

std::vector<Hit> fuse(const std::vector<Index>& first, const std::vector<Index>& second, Index top_k, double k = 60.0) {
  const rx::FusedRetriever retriever(Fixed{first}, Fixed{second}, {.rank_constant = k});
  return retriever.index(kDocuments).search(kQuery, "", top_k)[0];
}
std::vector<Index> numbers(const std::vector<Hit>& hits) {
  std::vector<Index> all;
  for (const Hit& hit : hits) {
    all.push_back(hit.document);
  }
  return all;
}

}  // namespace

TEST_SUITE("remixer/fused_retriever") {
  TEST_CASE("search: a document's score is the sum of 1 / (60 + rank)") {
    const std::vector<Hit> hits = fuse({0, 1, 2}, {1, 3}, 10);
    REQUIRE(hits.size() == 4);
    CHECK(hits[0] == Hit{1, static_cast<float>(1.0 / 62 + 1.0 / 61)});
    CHECK(hits[1] == Hit{0, static_cast<float>(1.0 / 61)});
    CHECK(hits[2] == Hit{3, static_cast<float>(1.0 / 62)});
    CHECK(hits[3] == Hit{2, static_cast<float>(1.0 / 63)});
  }

  TEST_CASE("search: equal scores are ranked by number, and the fusion is cut at top_k") {
    CHECK(numbers(fuse({5, 4}, {2, 1}, 10)) == std::vector<Index>{2, 5, 1, 4});
    CHECK(numbers(fuse({5, 4}, {2, 1}, 3)) == std::vector<Index>{2, 5, 1});
    CHECK(numbers(fuse({0, 1, 2, 3}, {3, 2, 1, 0}, 1)) == std::vector<Index>{0});  // each is asked for one
  }

  TEST_CASE("search: the order of the two does not matter; one that finds nothing neither") {
    CHECK(fuse({0, 1, 2}, {2, 4}, 10) == fuse({2, 4}, {0, 1, 2}, 10));
    CHECK(numbers(fuse({3, 1}, {}, 10)) == std::vector<Index>{3, 1});
    CHECK(fuse({}, {}, 10).empty());
  }

  TEST_CASE("search: a small constant lets the first ranks stand out") {
    // 1/(k+1) against 2/(k+3): the leader of one list against the third of both
    CHECK(numbers(fuse({0, 4, 2}, {1, 5, 2}, 6, 0.0)).front() == 0);
    CHECK(numbers(fuse({0, 4, 2}, {1, 5, 2}, 6, 60.0)).front() == 2);
  }

  TEST_CASE("search: instruction and queries reach both; progress counts documents once") {
    re::Progress progress("index", 6, {.silent = true});
    const rx::FusedRetriever retriever(Fixed{{1}}, Fixed{{2}});
    const auto index = retriever.index(kDocuments, &progress);
    CHECK(progress.done() == 6);
    CHECK(index.search(kQuery, "none", 10)[0].empty());
    CHECK(index.search(Texts{"a", "b"}, "", 10).size() == 2);
    CHECK(index.search({}, "", 10).empty());
  }

  TEST_CASE("FusedRetriever: refuses an impossible constant") {
    const auto make = [](double k) { return rx::FusedRetriever(Fixed{}, Fixed{}, {.rank_constant = k}); };
    CHECK_THROWS_WITH_AS((void)make(-1.0),
                         "remixer::FusedRetriever: rank_constant is -1.000000, expected a finite number of at least 0",
                         re::ConfigError);
    CHECK_THROWS_AS((void)make(std::numeric_limits<double>::quiet_NaN()), re::ConfigError);
    CHECK_THROWS_AS((void)make(std::numeric_limits<double>::infinity()), re::ConfigError);
    CHECK(test::named_options(rx::FusedRetrieverOptions{}) == std::vector<std::string>{"rank_constant 60"});
  }
}
