#include <reasonembed/core/random.hpp>
#include <reasonembed/retrieval/fusion.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::retrieval::fuse_ranks;
using re::retrieval::fuse_scores;
using re::retrieval::Hit;
using re::retrieval::Rankings;

namespace {

Rankings one(std::vector<Hit> hits) {
  Rankings rankings(1);
  rankings[0] = std::move(hits);
  return rankings;
}

std::vector<Index> documents(const Rankings& rankings) {
  std::vector<Index> numbers;
  for (const Hit& hit : rankings[0]) {
    numbers.push_back(hit.document);
  }
  return numbers;
}

}  // namespace

TEST_SUITE("retrieval/fusion") {
  TEST_CASE("fuse_ranks: sums 1 / (k + rank) over the systems that found a document") {
    const std::vector<Rankings> systems = {one({{7, 9.0F}, {3, 5.0F}, {4, 1.0F}}), one({{3, 0.2F}, {8, 0.1F}})};
    const std::vector<Hit> fused = fuse_ranks(systems)[0];
    REQUIRE(fused.size() == 4);
    CHECK(fused[0] == Hit{3, static_cast<float>(1.0 / 62 + 1.0 / 61)});
    CHECK(fused[1] == Hit{7, static_cast<float>(1.0 / 61)});
    CHECK(fused[2] == Hit{8, static_cast<float>(1.0 / 62)});
    CHECK(fused[3] == Hit{4, static_cast<float>(1.0 / 63)});
  }
  TEST_CASE("fuse_ranks: options choose constant, weights and number of hits") {
    const std::vector<Rankings> systems = {one({{1, 1.0F}, {2, 0.5F}}), one({{2, 1.0F}, {1, 0.5F}})};
    CHECK(documents(fuse_ranks(systems)) == std::vector<Index>{1, 2});  // a tie, by number
    CHECK(documents(fuse_ranks(systems, {.weights = {1, 2}})) == std::vector<Index>{2, 1});
    CHECK(documents(fuse_ranks(systems, {.top_k = 1, .weights = {1, 2}})) == std::vector<Index>{2});
    CHECK(fuse_ranks(systems, {.rank_constant = 0})[0][0].score == 1.5F);
    CHECK(fuse_ranks(systems, {.weights = {0, 0}})[0][0].score == 0.0F);
  }
  TEST_CASE("fuse_ranks: of one system keeps its order, whatever its scores") {
    re::RandomStream random(1);
    std::vector<Hit> hits;
    for (Index i = 0; i < 500; ++i) {
      hits.push_back({i, static_cast<float>(random.below(20))});
    }
    std::sort(hits.begin(), hits.end(), re::retrieval::ranks_before);
    const std::vector<Rankings> systems = {one(hits)};
    const std::vector<Index> fused = documents(fuse_ranks(systems));
    REQUIRE(fused.size() == 500);
    for (std::size_t i = 0; i < 500; ++i) {
      CHECK(fused[i] == hits[i].document);
    }
  }
  TEST_CASE("fuse_scores: stretches each ranking to [0, 1]") {
    const std::vector<Rankings> systems = {one({{1, 30.0F}, {2, 20.0F}, {3, 10.0F}}), one({{2, 0.9F}, {4, 0.7F}})};
    const std::vector<Hit> fused = fuse_scores(systems, {.weights = {1, 2}})[0];
    CHECK(fused == std::vector<Hit>{{2, 2.5F}, {1, 1.0F}, {3, 0.0F}, {4, 0.0F}});
  }
  TEST_CASE("fuse_scores: equal scores count as the best, one hit as well") {
    const std::vector<Rankings> systems = {one({{5, 3.0F}, {6, 3.0F}}), one({{6, -1.0F}})};
    CHECK(fuse_scores(systems)[0] == std::vector<Hit>{{6, 2.0F}, {5, 1.0F}});
  }
  TEST_CASE("fuse_ranks, fuse_scores: a query that nothing was found for has no hits") {
    const std::vector<Rankings> systems = {Rankings(3), Rankings(3)};
    CHECK(fuse_ranks(systems) == Rankings(3));
    CHECK(fuse_scores(systems) == Rankings(3));
    const std::vector<Rankings> none = {Rankings()};
    CHECK(fuse_ranks(none).empty());
  }
  TEST_CASE("fuse_ranks, fuse_scores: refuse what does not fit") {
    const std::vector<Rankings> none;
    CHECK_THROWS_WITH_AS(
        (void)fuse_ranks(none), "retrieval::fuse_ranks: number of systems is 0, expected at least 1", re::ConfigError);
    const std::vector<Rankings> uneven = {Rankings(2), Rankings(3)};
    CHECK_THROWS_WITH_AS(
        (void)fuse_scores(uneven), "retrieval::fuse_scores: systems[1].size() is 3, expected 2", re::ShapeError);
    const std::vector<Rankings> two = {Rankings(2), Rankings(2)};
    CHECK_THROWS_WITH_AS((void)fuse_ranks(two, {.weights = {1}}),
                         "retrieval::fuse_ranks: weights.size() is 1, expected 2",
                         re::ShapeError);
    CHECK_THROWS_AS((void)fuse_ranks(two, {.weights = {1, -1}}), re::ConfigError);
    CHECK_THROWS_AS((void)fuse_ranks(two, {.weights = {1, std::nan("")}}), re::ConfigError);
    CHECK_THROWS_AS((void)fuse_ranks(two, {.top_k = 0}), re::ConfigError);
    CHECK_THROWS_AS((void)fuse_ranks(two, {.rank_constant = -1}), re::ConfigError);
    const std::vector<Rankings> infinite = {one({{1, std::numeric_limits<float>::infinity()}})};
    CHECK_THROWS_WITH_AS((void)fuse_scores(infinite),
                         "retrieval::fuse_scores: systems[0][0].score[0] is inf, expected a finite number",
                         re::NonFiniteError);
    CHECK(fuse_ranks(infinite)[0].size() == 1);  // ranks need no finite scores
  }
}
