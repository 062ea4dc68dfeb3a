#include <reasonembed/retrieval/search.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::retrieval::Hit;
using re::retrieval::Rankings;
using re::retrieval::ranks_before;
using re::retrieval::SearchOptions;

TEST_SUITE("retrieval/search") {
  TEST_CASE("ranks_before: high scores first, equal ones by document number") {
    CHECK(ranks_before({5, 2.0F}, {1, 1.0F}));
    CHECK_FALSE(ranks_before({1, 1.0F}, {5, 2.0F}));
    CHECK(ranks_before({1, 1.0F}, {2, 1.0F}));
    CHECK_FALSE(ranks_before({2, 1.0F}, {1, 1.0F}));
    CHECK_FALSE(ranks_before({1, 1.0F}, {1, 1.0F}));
    CHECK(ranks_before({1, 0.0F}, {2, -0.0F}));  // the two zeros are equal
    CHECK_FALSE(ranks_before({2, 0.0F}, {1, -0.0F}));
  }

  TEST_CASE("ranks_before: sorts any hits into one order") {
    std::mt19937 random(1);
    std::vector<Hit> hits;
    for (Index document = 0; document < 100; ++document) {
      hits.push_back({document, static_cast<float>(document % 7)});
    }
    std::vector<Hit> sorted = hits;
    std::sort(sorted.begin(), sorted.end(), ranks_before);
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      CHECK((sorted[i - 1].score > sorted[i].score ||
             (sorted[i - 1].score == sorted[i].score && sorted[i - 1].document < sorted[i].document)));
    }
    for (int repeat = 0; repeat < 5; ++repeat) {
      std::shuffle(hits.begin(), hits.end(), random);
      std::sort(hits.begin(), hits.end(), ranks_before);
      CHECK(hits == sorted);
    }
  }

  TEST_CASE("Rankings: behaves like a vector of rankings") {
    Rankings rankings(2);
    CHECK(rankings.size() == 2);
    CHECK_FALSE(rankings.empty());
    CHECK(Rankings().empty());
    rankings[1].push_back({7, 1.0F});
    const Rankings copy = rankings;
    CHECK(copy == rankings);
    CHECK(copy[1].front() == Hit{7, 1.0F});
    rankings[0].push_back({1, 1.0F});
    CHECK(copy != rankings);
    std::size_t hits = 0;
    for (const std::vector<Hit>& ranking : rankings) {
      hits += ranking.size();
    }
    CHECK(hits == 2);
  }

  TEST_CASE("Rankings: a ranking of a temporary outlives it") {
    static_assert(std::is_same_v<decltype(std::declval<Rankings>()[0]), std::vector<Hit>>);
    static_assert(std::is_same_v<decltype(std::declval<const Rankings&>()[0]), const std::vector<Hit>&>);
    const auto search = [] {
      Rankings rankings(1);
      rankings[0] = {{3, 1.0F}, {4, 0.5F}};
      return rankings;
    };
    Index sum = 0;
    for (const Hit& hit : search()[0]) {  // what every user writes first
      sum += hit.document;
    }
    CHECK(sum == 7);
  }

  TEST_CASE("check_search: accepts options that fit and names what does not") {
    using re::retrieval::detail::check_search;
    const std::vector<std::vector<Index>> excluded = {{1, 2}, {}};
    CHECK_NOTHROW(check_search("where", {}, 0));
    CHECK_NOTHROW(check_search("where", {.top_k = 1, .excluded = excluded}, 2));
    CHECK_THROWS_WITH_AS(
        check_search("where", {.top_k = 0}, 2), "where: top_k is 0, expected at least 1", re::ConfigError);
    CHECK_THROWS_WITH_AS(
        check_search("where", {.excluded = excluded}, 3), "where: excluded.size() is 2, expected 3", re::ShapeError);
    const std::vector<std::vector<Index>> unsorted = {{}, {2, 1}};
    CHECK_THROWS_WITH_AS(check_search("where", {.excluded = unsorted}, 2),
                         "where: excluded[1] is unsorted, expected ascending numbers",
                         re::ConfigError);
  }

  TEST_CASE("for_each_item: runs every item once, with a pool and without") {
    const re::ThreadPool pool(3);
    for (const re::ThreadPool* choice : {static_cast<const re::ThreadPool*>(nullptr), &pool}) {
      CHECK(re::retrieval::detail::worker_count(choice) == (choice == nullptr ? 1 : 3));
      std::vector<int> runs(100, 0);
      re::retrieval::detail::for_each_item(choice, 100, [&](Index item, int worker) {
        runs[static_cast<std::size_t>(item)] += worker >= 0 && worker < 3 ? 1 : 100;
      });
      CHECK(std::all_of(runs.begin(), runs.end(), [](int count) { return count == 1; }));
    }
  }
}
