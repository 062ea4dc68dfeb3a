#include <reasonembed/distributed/communicator.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <span>

namespace re = reasonembed;
using re::Index;
using re::distributed::Communicator;
using re::distributed::Shard;
using re::distributed::shard;

namespace {

/// The smallest conforming type.
struct Archetype {
  int rank_value = 0;
  int size_value = 1;
  [[nodiscard]] int rank() const { return rank_value; }
  [[nodiscard]] int size() const { return size_value; }
  void barrier() {}
  template <class T>
  void all_gather(std::span<const T>, std::span<T>) {}
  template <class T>
  void all_reduce_sum(std::span<T>) {}
  template <class T>
  void broadcast(std::span<T>, int) {}
};

struct NoBarrier {
  [[nodiscard]] int rank() const { return 0; }
  [[nodiscard]] int size() const { return 1; }
  template <class T>
  void all_gather(std::span<const T>, std::span<T>) {}
  template <class T>
  void all_reduce_sum(std::span<T>) {}
  template <class T>
  void broadcast(std::span<T>, int) {}
};

struct WideRank : Archetype {
  [[nodiscard]] std::int64_t rank() const { return 0; }
};

struct MutableSize : Archetype {
  [[nodiscard]] int size() { return 1; }
};

struct FloatOnly : Archetype {
  void all_reduce_sum(std::span<float>) {}
};

struct Counting : Archetype {
  template <class T>
  int broadcast(std::span<T>, int) {
    return 0;
  }
};

}  // namespace

static_assert(Communicator<Archetype>);
static_assert(!Communicator<NoBarrier>, "an operation is missing");
static_assert(!Communicator<WideRank>, "ranks are int");
static_assert(!Communicator<MutableSize>, "asking for the size changes nothing");
static_assert(!Communicator<FloatOnly>, "sums of double and of counts are needed too");
static_assert(!Communicator<Counting>, "collectives return void");
static_assert(!Communicator<int>);

TEST_SUITE("distributed/communicator") {
  TEST_CASE("shard: covers every item exactly once with sizes that differ by at most one") {
    for (const int size : {1, 2, 3, 7}) {
      for (const Index count : {0, 1, 2, 3, 6, 7, 8, 100}) {
        CAPTURE(size);
        CAPTURE(count);
        Index next = 0;
        for (int rank = 0; rank < size; ++rank) {
          const Shard part = shard(Archetype{rank, size}, count);
          CHECK(part.begin == next);
          CHECK((part.size() == count / size || part.size() == count / size + 1));
          next = part.end;
        }
        CHECK(next == count);
      }
    }
  }

  TEST_CASE("shard: gives the larger parts to the lower ranks") {
    CHECK(shard(Archetype{0, 3}, 8) == Shard{0, 3});
    CHECK(shard(Archetype{1, 3}, 8) == Shard{3, 6});
    CHECK(shard(Archetype{2, 3}, 8) == Shard{6, 8});
  }

  TEST_CASE("shard: more processes than items leaves the last ones empty") {
    CHECK(shard(Archetype{4, 5}, 2).size() == 0);
    CHECK(shard(Archetype{4, 5}, 2) == Shard{2, 2});
  }

  TEST_CASE("shard: refuses a negative count") {
    CHECK_THROWS_WITH_AS(
        (void)shard(Archetype{}, -1), "distributed::shard: count is -1, expected at least 0", re::ShapeError);
  }
}
