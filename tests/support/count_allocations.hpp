#pragma once
/// @file Counts allocations by `operator new`. Include it in exactly one file of a test program: it replaces the global
/// operators, which can't be inline.
#include <support/allocation_counter.hpp>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace test {

inline void* counted_allocation(std::size_t size, std::size_t alignment) {
  ++allocation_count;
  // aligned_alloc wants a multiple of the alignment, and never 0 bytes
  const std::size_t rounded = (size + alignment) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

// g++ that sees through an inlined operator warns that free() and operator new do not match.
[[gnu::noinline]] inline void release_counted(void* memory) noexcept {
  std::free(memory);
}

}  // namespace test

void* operator new(std::size_t size) {
  return test::counted_allocation(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size) {
  return test::counted_allocation(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return test::counted_allocation(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return test::counted_allocation(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  test::release_counted(memory);
}
void operator delete[](void* memory) noexcept {
  test::release_counted(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  test::release_counted(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  test::release_counted(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  test::release_counted(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  test::release_counted(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  test::release_counted(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  test::release_counted(memory);
}
