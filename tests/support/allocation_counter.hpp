#pragma once
/// @file How often a function allocates. Counts in programs of which one file includes support/count_allocations.hpp.
#include <atomic>
#include <cstddef>
#include <new>

namespace test {

inline std::atomic<std::size_t> allocation_count{0};

/// @return  how often f() allocated, on whatever thread
template <class F>
std::size_t count_allocations(F&& f) {
  const std::size_t before = allocation_count.load();
  f();
  return allocation_count.load() - before;
}

/// @return  whether allocations are counted in this program: a count of 0 means something
inline bool allocations_are_counted() {
  return count_allocations([] { ::operator delete(::operator new(100)); }) == 1;
}

}  // namespace test
