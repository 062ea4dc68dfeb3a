#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

namespace reasonembed::inline REASONEMBED_ABI::nn {

namespace detail {

/// An allocator that gives nothing and counts what it was asked for.
struct CountingAllocator {
  struct Nothing {};
  struct Leaf {
    using Matrix = Nothing;
    using Table = Nothing;
    using Vector = Nothing;
  };
  [[nodiscard]] Nothing matrix(Index rows, Index cols) {
    count += rows * cols;
    return {};
  }
  [[nodiscard]] Nothing table(Index rows, Index cols) { return matrix(rows, cols); }
  [[nodiscard]] Nothing vector(Index size) { return matrix(1, size); }
  Index count = 0;
};

}  // namespace detail

/// @return  numbers that an encoder learns, whether weights exist or not
/// @note    O(layers); allocates no weight
template <class Encoder>
[[nodiscard]] Index parameter_count(const Encoder& encoder) {
  detail::CountingAllocator allocator;
  (void)encoder.allocate(allocator);
  return allocator.count;
}

}  // namespace reasonembed::nn
