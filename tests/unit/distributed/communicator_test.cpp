#include <reasonembed/distributed/communicator.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

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

/// A group of threads: the smallest model with more than one member, to try the semantics of the concept on.
struct Board {
  explicit Board(int members) : size(members), step(members), bytes(static_cast<std::size_t>(members)) {}
  int size;
  std::barrier<> step;
  std::vector<const void*> bytes;  // what each rank shows to the others
};

class Member {
 public:
  Member(Board& board, int rank) : board_(&board), rank_(rank) {}
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return board_->size; }
  void barrier() { board_->step.arrive_and_wait(); }
  template <class T>
  void all_gather(std::span<const T> in, std::span<T> out) {
    re::require_extent("Member::all_gather",
                       "out.size()",
                       static_cast<Index>(out.size()),
                       static_cast<Index>(in.size()) * board_->size);
    show(in.data());
    for (int rank = 0; rank < size(); ++rank) {
      const T* theirs = shown<T>(rank);
      std::copy(theirs, theirs + in.size(), out.begin() + rank * static_cast<Index>(in.size()));
    }
    barrier();
  }
  template <class T>
  void all_reduce_sum(std::span<T> values) {
    const std::vector<T> own(values.begin(), values.end());
    show(own.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      T total = shown<T>(0)[i];
      for (int rank = 1; rank < size(); ++rank) {
        total += shown<T>(rank)[i];
      }
      values[i] = total;
    }
    barrier();
  }
  template <class T>
  void broadcast(std::span<T> values, int root) {
    const std::vector<T> own(values.begin(), values.end());
    show(own.data());
    std::copy(shown<T>(root), shown<T>(root) + values.size(), values.begin());
    barrier();
  }

 private:
  void show(const void* data) {
    board_->bytes[static_cast<std::size_t>(rank_)] = data;
    barrier();
  }
  template <class T>
  [[nodiscard]] const T* shown(int rank) const {
    return static_cast<const T*>(board_->bytes[static_cast<std::size_t>(rank)]);
  }

  Board* board_;
  int rank_;
};

/// Runs f(member) on every member of a group of threads.
template <class F>
void run_group(int size, const F& f) {
  Board board(size);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      Member member(board, rank);
      f(member);
    });
  }
}

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

static_assert(Communicator<Archetype> && Communicator<Member>);
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

  TEST_CASE_TEMPLATE("all_gather: rank r's part lies at r n on every rank", T, float, double, std::int64_t) {
    std::vector<std::vector<T>> received(3, std::vector<T>(6));
    run_group(3, [&](Member& member) {
      const auto rank = static_cast<std::size_t>(member.rank());
      const std::vector<T> own{static_cast<T>(10 * rank), static_cast<T>(10 * rank + 1)};
      member.all_gather(std::span<const T>(own), std::span<T>(received[rank]));
    });
    for (const auto& all : received) {
      CHECK(all == std::vector<T>{0, 1, 10, 11, 20, 21});
    }
  }

  TEST_CASE("all_reduce_sum: adds by ascending rank, so all ranks and all runs get the same bits") {
    const std::vector<float> terms{1e8F, 1.0F, -1e8F, 1.0F};  // every order of the sum gives other bits
    const float ascending = ((1e8F + 1.0F) - 1e8F) + 1.0F;
    for (int repeat = 0; repeat < 20; ++repeat) {
      std::vector<float> sums(4);
      run_group(4, [&](Member& member) {
        const auto rank = static_cast<std::size_t>(member.rank());
        std::vector<float> value{terms[rank]};
        member.all_reduce_sum(std::span<float>(value));
        sums[rank] = value[0];
      });
      CHECK(sums == std::vector<float>(4, ascending));
    }
  }

  TEST_CASE("broadcast: every rank gets the values of the root") {
    for (int root = 0; root < 3; ++root) {
      std::vector<double> received(3);
      run_group(3, [&](Member& member) {
        std::vector<double> value{1.5 * member.rank()};
        member.broadcast(std::span<double>(value), root);
        received[static_cast<std::size_t>(member.rank())] = value[0];
      });
      CHECK(received == std::vector<double>(3, 1.5 * root));
    }
  }

  TEST_CASE("shard, all_gather: work done in parts and gathered equals work done alone") {
    const auto square = [](Index item) { return static_cast<double>(item * item); };
    const Index count = 12;
    std::vector<double> alone(static_cast<std::size_t>(count));
    for (Index item = 0; item < count; ++item) {
      alone[static_cast<std::size_t>(item)] = square(item);
    }
    for (const int size : {1, 2, 3, 4}) {
      std::vector<std::vector<double>> gathered(static_cast<std::size_t>(size), std::vector<double>(alone.size()));
      run_group(size, [&](Member& member) {
        std::vector<double> own;
        const Shard part = shard(member, count);
        for (Index item = part.begin; item < part.end; ++item) {
          own.push_back(square(item));
        }
        member.all_gather(std::span<const double>(own),
                          std::span<double>(gathered[static_cast<std::size_t>(member.rank())]));
      });
      for (const auto& all : gathered) {
        CHECK(all == alone);
      }
    }
  }
}
