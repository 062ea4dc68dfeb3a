#include <reasonembed/distributed/single_process.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::distributed::Shard;
using re::distributed::SingleProcess;

static_assert(re::distributed::Communicator<SingleProcess>);
static_assert(re::distributed::Communicator<const SingleProcess>, "const encoders may hold one");
static_assert(std::is_empty_v<SingleProcess> && std::is_trivially_copyable_v<SingleProcess>);

namespace {

/// Any algorithm on a group: the mean of values that are spread over its processes.
template <re::distributed::Communicator C>
double mean_over_group(C& group, std::span<const double> own) {
  std::vector<double> sum{0.0};
  for (const double value : own) {
    sum[0] += value;
  }
  std::vector<std::int64_t> count{static_cast<std::int64_t>(own.size())};
  group.all_reduce_sum(std::span<double>(sum));
  group.all_reduce_sum(std::span<std::int64_t>(count));
  group.barrier();
  return sum[0] / static_cast<double>(count[0]);
}

}  // namespace

TEST_SUITE("distributed/single_process") {
  TEST_CASE("rank, size: are those of a group of one") {
    const SingleProcess group;
    CHECK(group.rank() == 0);
    CHECK(group.size() == 1);
    group.barrier();
  }

  TEST_CASE_TEMPLATE("all_gather: copies", T, float, double, std::int64_t) {
    const SingleProcess group;
    for (const std::size_t size : {0UL, 1UL, 17UL}) {
      std::vector<T> in(size);
      std::vector<T> out(size, T{-1});
      for (std::size_t i = 0; i < size; ++i) {
        in[i] = static_cast<T>(3 * i);
      }
      group.all_gather(std::span<const T>(in), std::span<T>(out));
      CHECK(out == in);
    }
  }

  TEST_CASE("all_gather: rejects an output of the wrong extent, as a larger group would") {
    std::vector<float> in(3);
    std::vector<float> out(6, 7.0F);
    CHECK_THROWS_WITH_AS(SingleProcess().all_gather(std::span<const float>(in), std::span<float>(out)),
                         "distributed::SingleProcess::all_gather: out.size() is 6, expected 3",
                         re::ShapeError);
    CHECK(out == std::vector<float>(6, 7.0F));
  }

  TEST_CASE_TEMPLATE("all_reduce_sum, broadcast: leave the values as they are", T, float, double, std::int64_t) {
    const SingleProcess group;
    std::vector<T> values{T{1}, T{-2}, T{3}};
    const std::vector<T> before = values;
    group.all_reduce_sum(std::span<T>(values));
    CHECK(values == before);
    group.broadcast(std::span<T>(values), 0);
    CHECK(values == before);
    group.all_reduce_sum(std::span<T>());
    group.broadcast(std::span<T>(), 0);
  }

  TEST_CASE("broadcast: refuses a root outside of the group") {
    std::vector<float> values(1);
    CHECK_THROWS_WITH_AS(SingleProcess().broadcast(std::span<float>(values), 1),
                         "distributed::SingleProcess::broadcast: root is 1, expected 0",
                         re::ConfigError);
    CHECK_THROWS_AS(SingleProcess().broadcast(std::span<float>(values), -1), re::ConfigError);
  }

  TEST_CASE("group: runs code written for any number of processes") {
    SingleProcess group;
    const std::vector<double> values{1.0, 2.0, 6.0};
    CHECK(mean_over_group(group, values) == 3.0);
    CHECK(re::distributed::shard(group, 5) == Shard{0, 5});
  }
}
