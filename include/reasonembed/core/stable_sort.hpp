#pragma once
#include <reasonembed/config.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI {

/// Sorts `items` and keeps the order of those that are equal.
///
/// What std::stable_sort does; that one warns under clang with libstdc++ 12, in every program that includes it.
///
/// @param less  strict weak order; must not throw
/// @note  O(n log n) time, one vector of n positions and one of n items; deterministic
template <class T, class Less>
void stable_sort(std::vector<T>& items, Less less) {
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (less(items[a], items[b])) {
      return true;
    }
    return a < b && !less(items[b], items[a]);
  });
  std::vector<T> sorted;
  sorted.reserve(items.size());
  for (const std::size_t position : order) {
    sorted.push_back(std::move(items[position]));
  }
  items = std::move(sorted);
}

}  // namespace reasonembed
