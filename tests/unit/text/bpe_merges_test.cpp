#include <reasonembed/text/bpe_merges.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::text::BpeMerge;
using re::text::BpeMerges;
using re::text::MergeBuffers;
using Ids = std::vector<std::int32_t>;

namespace {

MergeBuffers word_of(const Ids& ids) {
  MergeBuffers word;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    word.symbols.push_back({ids[i],
                            i > 0 ? static_cast<std::uint32_t>(i - 1) : MergeBuffers::kNone,
                            i + 1 < ids.size() ? static_cast<std::uint32_t>(i + 1) : MergeBuffers::kNone});
  }
  return word;
}

Ids merged(const BpeMerges& merges, const Ids& ids) {
  MergeBuffers word = word_of(ids);
  merges.apply(word);
  CHECK(word.queue.empty());
  Ids out;
  for (std::uint32_t i = ids.empty() ? MergeBuffers::kNone : 0; i != MergeBuffers::kNone; i = word.symbols[i].next) {
    out.push_back(word.symbols[i].id);
  }
  return out;
}

/// The definition: the pair of the lowest rank, leftmost, until there is none.
Ids merged_by_definition(const std::vector<BpeMerge>& merges, Ids ids) {
  while (true) {
    std::size_t best_rank = merges.size();
    std::size_t best_place = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left == ids[i] && merges[rank].right == ids[i + 1]) {
          best_rank = rank;
          best_place = i;
          break;
        }
      }
    }
    if (best_rank == merges.size()) {
      return ids;
    }
    ids[best_place] = merges[best_rank].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_place) + 1);
  }
}

class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}
  std::int32_t below(std::int32_t n) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::int32_t>((state_ >> 33) % static_cast<std::uint64_t>(n));
  }

 private:
  std::uint64_t state_;
};

}  // namespace

TEST_SUITE("text/bpe_merges") {
  TEST_CASE("apply: words of none and one symbol stay") {
    const BpeMerges merges(std::vector<BpeMerge>{{1, 2, 3}});
    CHECK(merged(merges, {}).empty());
    CHECK(merged(merges, {1}) == Ids{1});
    CHECK(merged(BpeMerges(), {1, 2}) == Ids{1, 2});
  }

  TEST_CASE("apply: the lowest rank first, wherever it stands") {
    const BpeMerges merges(std::vector<BpeMerge>{{2, 3, 10}, {1, 2, 11}, {1, 10, 12}});
    CHECK(merged(merges, {1, 2}) == Ids{11});
    CHECK(merged(merges, {1, 2, 3}) == Ids{12});
    CHECK(merged(merges, {1, 2, 1, 2, 3}) == Ids{11, 12});
  }

  TEST_CASE("apply: of equal ranks the leftmost first") {
    const BpeMerges merges(std::vector<BpeMerge>{{1, 1, 2}});
    CHECK(merged(merges, {1, 1, 1}) == Ids{2, 1});
    CHECK(merged(merges, {1, 1, 1, 1, 1}) == Ids{2, 2, 1});
  }

  TEST_CASE("rank: the place of a merge, -1 without one, the later of two") {
    const BpeMerges merges(std::vector<BpeMerge>{{1, 2, 3}, {2, 1, 4}, {1, 2, 5}});
    CHECK(merges.size() == 3);
    CHECK(merges.rank(2, 1) == 1);
    CHECK(merges.rank(1, 2) == 2);
    CHECK(merges.rank(1, 1) == -1);
    CHECK(merges.rank(-1, 2) == -1);
    CHECK(merged(merges, {1, 2}) == Ids{5});
    CHECK(BpeMerges().rank(0, 0) == -1);
  }

  TEST_CASE("apply: agrees with the definition on random words and merges") {
    // Every pair has a result of its own, as in a trained vocabulary.
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      Numbers numbers(seed);
      std::vector<BpeMerge> list;
      std::int32_t next = 4;
      while (list.size() < 40) {
        const BpeMerge merge{numbers.below(next), numbers.below(next), next};
        bool known = false;
        for (const BpeMerge& other : list) {
          known = known || (other.left == merge.left && other.right == merge.right);
        }
        if (!known) {
          list.push_back(merge);
          ++next;
        }
      }
      const BpeMerges merges(list);
      for (const int length : {1, 2, 3, 7, 8, 9, 33, 100}) {
        Ids ids;
        for (int i = 0; i < length; ++i) {
          ids.push_back(numbers.below(4));
        }
        CAPTURE(seed);
        CAPTURE(length);
        CHECK(merged(merges, ids) == merged_by_definition(list, ids));
      }
    }
  }

  TEST_CASE("apply: a waiting merge whose pair changed still counts if the result is the same") {
    // 1+2 and 4+5 make 9: when 2 has become 5 and 1 has become 4, the waiting entry asks for 9 and gets it.
    const BpeMerges merges(std::vector<BpeMerge>{{2, 3, 5}, {0, 1, 4}, {4, 5, 9}, {1, 2, 9}});
    CHECK(merged(merges, {0, 1, 2, 3}) == Ids{9});
  }

  TEST_CASE("apply: a word of a million symbols takes n log n steps") {
    // 1 1 -> 2, 2 2 -> 3, ...: every level merges all of it. Comparing all pairs each time would take 5e11 steps.
    std::vector<BpeMerge> list;
    for (std::int32_t id = 1; id <= 20; ++id) {
      list.push_back({id, id, id + 1});
    }
    const auto begin = std::chrono::steady_clock::now();
    const Ids out = merged(BpeMerges(list), Ids(1 << 20, 1));
    CHECK(out == Ids{21});
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  }
}
