#include <reasonembed/retrieval/top_k.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <span>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::retrieval::Hit;
using re::retrieval::ranks_before;
using re::retrieval::TopK;
using Hits = std::vector<Hit>;

namespace {

/// A full sort: what TopK must equal.
Hits reference(const std::vector<float>& scores, Index k, std::span<const Index> excluded = {}) {
  Hits hits;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::find(excluded.begin(), excluded.end(), static_cast<Index>(i)) == excluded.end()) {
      hits.push_back({static_cast<Index>(i), scores[i]});
    }
  }
  std::sort(hits.begin(), hits.end(), ranks_before);
  hits.resize(std::min(hits.size(), static_cast<std::size_t>(k)));
  return hits;
}

std::vector<float> random_scores(std::size_t count, int distinct, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> level(-distinct, distinct);
  std::vector<float> scores(count);
  for (float& score : scores) {
    score = static_cast<float>(level(random)) / 8.0F;
  }
  return scores;
}

}  // namespace

TEST_SUITE("retrieval/top_k") {
  TEST_CASE("TopK: equals a full sort, with many ties and few, for k around the number of hits") {
    for (const std::size_t count : {0, 1, 2, 15, 16, 17, 100, 1000}) {
      for (const int distinct : {0, 1, 3, 100000}) {
        const std::vector<float> scores = random_scores(count, distinct, 5);
        for (const Index k : {1, 2, 7, 15, 16, 17, 99, 100, 101, 5000}) {
          CAPTURE(count);
          CAPTURE(distinct);
          CAPTURE(k);
          TopK best(k);
          best.offer(0, scores);
          REQUIRE(best.take() == reference(scores, k));
        }
      }
    }
  }

  TEST_CASE("TopK: the order of the offers plays no part") {
    const std::vector<float> scores = random_scores(300, 4, 9);
    Hits hits = reference(scores, 300);
    std::mt19937 random(4);
    for (const Index k : {1, 10, 299}) {
      for (int repeat = 0; repeat < 10; ++repeat) {
        std::shuffle(hits.begin(), hits.end(), random);
        TopK best(k);
        for (const Hit& hit : hits) {
          best.offer(hit);
        }
        REQUIRE(best.take() == reference(scores, k));
      }
    }
    TopK ascending(10);
    TopK descending(10);
    for (std::size_t i = 0; i < hits.size(); ++i) {
      ascending.offer({static_cast<Index>(i), static_cast<float>(i)});
      descending.offer({static_cast<Index>(i), -static_cast<float>(i)});
    }
    CHECK(ascending.take().front() == Hit{299, 299.0F});
    CHECK(descending.take().back() == Hit{9, -9.0F});
  }

  TEST_CASE("TopK: blocks may be cut anywhere") {
    const std::vector<float> scores = random_scores(257, 20, 3);
    for (const std::size_t block : {1, 2, 16, 100, 257}) {
      TopK best(20);
      for (std::size_t first = 0; first < scores.size(); first += block) {
        best.offer(static_cast<Index>(first), std::span(scores).subspan(first, std::min(block, scores.size() - first)));
      }
      CHECK(best.take() == reference(scores, 20));
    }
  }

  TEST_CASE("TopK: excluded documents make room for others") {
    const std::vector<float> scores = random_scores(200, 10, 6);
    const std::vector<std::vector<Index>> lists = {{}, {0}, {199}, {0, 1, 2, 3, 50, 60, 199}, {-1, 7, 500}};
    for (const std::vector<Index>& excluded : lists) {
      for (const Index k : {1, 10, 199, 200}) {
        CAPTURE(excluded.size());
        TopK best(k, excluded);
        best.offer(0, scores);
        REQUIRE(best.take() == reference(scores, k, excluded));
      }
    }
    std::vector<Index> all(200);
    for (Index i = 0; i < 200; ++i) {
      all[static_cast<std::size_t>(i)] = i;
    }
    TopK none(5, all);
    none.offer(0, scores);
    CHECK(none.take().empty());
  }

  TEST_CASE("TopK: infinite scores and the largest k are handled like others") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    TopK best(2);
    for (const Hit& hit :
         {Hit{0, -kInfinity}, Hit{1, kInfinity}, Hit{2, -kInfinity}, Hit{3, 0.0F}, Hit{4, kInfinity}}) {
      best.offer(hit);
    }
    CHECK(best.take() == Hits{{1, kInfinity}, {4, kInfinity}});
    TopK all(std::numeric_limits<Index>::max());
    all.offer({1, -kInfinity});
    all.offer({0, -kInfinity});
    CHECK(all.take() == Hits{{0, -kInfinity}, {1, -kInfinity}});
  }

  TEST_CASE("take: leaves an empty object that can be filled again") {
    TopK best(1);
    best.offer({0, 5.0F});
    best.offer({1, 6.0F});
    CHECK(best.take() == Hits{{1, 6.0F}});
    CHECK(best.take().empty());
    best.offer({2, -1.0F});
    CHECK(best.take() == Hits{{2, -1.0F}});
  }
}
