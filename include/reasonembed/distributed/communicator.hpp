#pragma once
/// @file What the library asks of a group of processes that work on one job.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::distributed {

/// The collective operations of a Communicator on elements of type T; see Communicator.
template <class C, class T>
concept CommunicatorFor = requires(C& c, std::span<const T> in, std::span<T> out, int root) {
  { c.all_gather(in, out) } -> std::same_as<void>;
  { c.all_reduce_sum(out) } -> std::same_as<void>;
  { c.broadcast(out, root) } -> std::same_as<void>;
};

/// A group of `size()` processes (or threads), numbered by rank, that call every operation in the same order.
///
/// Valid expressions, for `C c`, `const C k`, T in {float, double, std::int64_t}, `std::span<const T> in` (n),
/// `std::span<T> out`, `int root` in [0, size()):
///
/// | expression               | result | shapes       | meaning |
/// |--------------------------|--------|--------------|---------|
/// | `k.rank()`               | int    |              | this process, in [0, size()) |
/// | `k.size()`               | int    |              | processes in the group, >= 1 |
/// | `c.barrier()`            | void   |              | returns when all have called it |
/// | `c.all_gather(in, out)`  | void   | out (size n) | out[r n + i] = in[i] of rank r; n is the same everywhere |
/// | `c.all_reduce_sum(out)`  | void   | out (n)      | out[i] = ((x_0[i] + x_1[i]) + x_2[i]) + ... |
/// | `c.broadcast(out, root)` | void   | out (n)      | out becomes that of rank `root` |
///
/// Semantics: a sum has ONE order, by ascending rank, so all ranks get the same bits and a run repeats bit for bit.
/// Operations are blocking. Spans of one call must not overlap. A wrong extent throws ShapeError and a root outside of
/// the group ConfigError, before anything is sent.
template <class C>
concept Communicator = requires(C& c, const C& k) {
  { k.rank() } -> std::same_as<int>;
  { k.size() } -> std::same_as<int>;
  { c.barrier() } -> std::same_as<void>;
} && CommunicatorFor<C, float> && CommunicatorFor<C, double> && CommunicatorFor<C, std::int64_t>;

/// The items [begin, end) that one process of a group works on.
struct Shard {
  Index begin = 0;
  Index end = 0;
  [[nodiscard]] Index size() const { return end - begin; }
  friend bool operator==(const Shard&, const Shard&) = default;
};

/// @param count  items in all, >= 0
/// @return       this rank's consecutive part of [0, count): sizes differ by at most one, lower ranks get the larger
/// @throws       ShapeError if count < 0
template <Communicator C>
[[nodiscard]] Shard shard(const C& communicator, Index count) {
  if (count < 0) {
    throw ShapeError::invalid("distributed::shard", "count", std::to_string(count), "at least 0");
  }
  const Index size = communicator.size();
  const Index rank = communicator.rank();
  const Index begin = rank * (count / size) + std::min(rank, count % size);
  return {begin, begin + count / size + (rank < count % size ? 1 : 0)};
}

}  // namespace reasonembed::distributed
