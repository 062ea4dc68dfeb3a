#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/min_hash.hpp>
#include <reasonembed/remixer/shingles.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::jaccard;
using re::remixer::MinHash;

namespace {

/// Two sets of which `common` elements are in both and `own` in each alone.
struct Sets {
  std::vector<std::uint64_t> a;
  std::vector<std::uint64_t> b;
};
Sets make_sets(int common, int own, std::uint64_t seed) {
  re::RandomStream random(seed);
  Sets sets;
  for (int i = 0; i < common; ++i) {
    const std::uint64_t x = random.next_u64();
    sets.a.push_back(x);
    sets.b.push_back(x);
  }
  for (int i = 0; i < own; ++i) {
    sets.a.push_back(random.next_u64());
    sets.b.push_back(random.next_u64());
  }
  std::sort(sets.a.begin(), sets.a.end());
  std::sort(sets.b.begin(), sets.b.end());
  return sets;
}

}  // namespace

TEST_SUITE("remixer/min_hash") {
  TEST_CASE("similarity: its error against the exact Jaccard has the spread that theory gives, and no bias") {
    constexpr int kPairs = 400;
    for (const Index permutations : {32, 128, 512}) {
      for (const auto& [common, own] : {std::pair{10, 90}, {50, 50}, {90, 10}, {180, 10}}) {
        const MinHash hash({.permutations = permutations});
        double sum = 0;
        double squares = 0;
        double j = 0;
        for (int pair = 0; pair < kPairs; ++pair) {
          const Sets sets = make_sets(common, own, static_cast<std::uint64_t>(pair) + 1);
          j = jaccard(sets.a, sets.b);
          const double error = hash.similarity(hash.signature(sets.a), hash.signature(sets.b)) - j;
          sum += error;
          squares += error * error;
        }
        CAPTURE(permutations);
        CAPTURE(j);
        const double deviation = std::sqrt(j * (1 - j) / static_cast<double>(permutations));
        // the mean of 400 pairs, and their spread, within about five standard errors
        CHECK(std::fabs(sum / kPairs) <= 0.25 * deviation + 1e-3);
        CHECK(std::sqrt(squares / kPairs) <= 1.25 * deviation);
        CHECK(std::sqrt(squares / kPairs) >= 0.75 * deviation);
      }
    }
  }
  TEST_CASE("similarity: is 1 for the same set in any order, and 0 for sets with nothing in common") {
    const MinHash hash;
    const Sets sets = make_sets(0, 200, 1);
    std::vector<std::uint64_t> reversed(sets.a.rbegin(), sets.a.rend());
    CHECK(hash.signature(sets.a) == hash.signature(reversed));
    CHECK(hash.similarity(hash.signature(sets.a), hash.signature(reversed)) == 1.0);
    CHECK(hash.similarity(hash.signature(sets.a), hash.signature(sets.b)) <= 0.02);
  }
  TEST_CASE("signature: is a function of seed and set") {
    const Sets sets = make_sets(5, 5, 1);
    CHECK(MinHash().signature(sets.a) == MinHash().signature(sets.a));
    CHECK(MinHash({.seed = 1}).signature(sets.a) != MinHash({.seed = 2}).signature(sets.a));
    CHECK(MinHash({.permutations = 7}).signature(sets.a).size() == 7);
  }
  TEST_CASE("signature: of a union is the smaller number of both, of nothing the largest of all") {
    const MinHash hash({.permutations = 64});
    const Sets sets = make_sets(0, 50, 3);
    std::vector<std::uint64_t> both = sets.a;
    both.insert(both.end(), sets.b.begin(), sets.b.end());
    const auto a = hash.signature(sets.a);
    const auto b = hash.signature(sets.b);
    const auto all = hash.signature(both);
    for (std::size_t i = 0; i < 64; ++i) {
      CHECK(all[i] == std::min(a[i], b[i]));
    }
    for (const std::uint32_t number : hash.signature({})) {
      CHECK(number == std::numeric_limits<std::uint32_t>::max());
    }
  }
  TEST_CASE("MinHash: refuses no permutations and signatures of another length") {
    CHECK_THROWS_WITH_AS(
        MinHash({.permutations = 0}), "remixer::MinHash: permutations is 0, expected at least 1", re::ConfigError);
    const std::vector<std::uint32_t> wrong(3);
    CHECK_THROWS_WITH_AS((void)MinHash().similarity(wrong, wrong),
                         "remixer::MinHash::similarity: a.size() is 3, expected 128",
                         re::ShapeError);
  }
}
