#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/text/token_scratch.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// Two neighbouring tokens that become one.
struct BpeMerge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t result = 0;

  friend bool operator==(const BpeMerge&, const BpeMerge&) = default;
};

/// The merges of byte pair encoding in the order of their rank, and how they are applied to a word: always the one of
/// the lowest rank, of equal ones the leftmost, until none is left.                          [Sennrich 2016, alg. 1]
///
/// @note  immutable, safe from many threads
class BpeMerges {
 public:
  /// @param merges  merge r has rank r; of two with the same pair the later one counts
  explicit BpeMerges(std::span<const BpeMerge> merges = {}, std::string_view where = "text::BpeMerges")
      : slots_(std::bit_ceil(2 * merges.size() + 1)), mask_(slots_.size() - 1) {
    if (merges.size() > std::numeric_limits<std::int32_t>::max()) {
      throw DataError::invalid(where, "number of merges", std::to_string(merges.size()), "at most 2147483647");
    }
    results_.reserve(merges.size());
    for (const BpeMerge& merge : merges) {
      Slot& slot = slots_[place(merge.left, merge.right)];
      slot = {pair(merge.left, merge.right), static_cast<std::int32_t>(results_.size())};
      results_.push_back(merge.result);
    }
  }

  [[nodiscard]] std::size_t size() const { return results_.size(); }

  /// @return  the rank of the merge of `left` and `right`, -1 if they are never merged
  [[nodiscard]] std::int32_t rank(std::int32_t left, std::int32_t right) const {
    return slots_[place(left, right)].rank;
  }

  /// Merges the symbols of one word; those that remain follow each other by `next` from the first on.
  ///
  /// @param word  symbols in order with their links, an empty queue; the queue is empty again afterwards
  /// @note        O(n log n) time for n symbols; allocates only where the queue must grow
  void apply(MergeBuffers& word) const {
    for (std::size_t i = 0; i + 1 < word.symbols.size(); ++i) {
      offer(static_cast<std::uint32_t>(i), word);
    }
    std::make_heap(word.queue.begin(), word.queue.end(), std::greater<>());
    while (!word.queue.empty()) {
      std::pop_heap(word.queue.begin(), word.queue.end(), std::greater<>());
      const std::uint64_t top = word.queue.back();
      word.queue.pop_back();
      const auto at = static_cast<std::uint32_t>(top);
      MergeBuffers::Symbol& left = word.symbols[at];
      if (left.id < 0 || left.next == MergeBuffers::kNone) {
        continue;
      }
      MergeBuffers::Symbol& right = word.symbols[left.next];
      // Its neighbour may have changed since. The reference asks for the same result, not for the same pair.
      const std::int32_t now = rank(left.id, right.id);
      const std::int32_t result = results_[static_cast<std::size_t>(top >> 32)];
      if (now < 0 || results_[static_cast<std::size_t>(now)] != result) {
        continue;
      }
      left.id = result;
      right.id = -1;
      left.next = right.next;
      if (left.next != MergeBuffers::kNone) {
        word.symbols[left.next].previous = at;
      }
      if (left.previous != MergeBuffers::kNone) {
        push(left.previous, word);
      }
      push(at, word);
    }
  }

 private:
  struct Slot {
    std::uint64_t pair = 0;
    std::int32_t rank = -1;  ///< -1: the slot is free
  };

  [[nodiscard]] static std::uint64_t pair(std::int32_t left, std::int32_t right) {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
  }
  [[nodiscard]] std::size_t place(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = pair(left, right);
    std::uint64_t hash = key * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32;
    std::size_t i = hash & mask_;
    while (slots_[i].rank >= 0 && slots_[i].pair != key) {
      i = (i + 1) & mask_;
    }
    return i;
  }

  /// Queues the merge of symbol `at` and its neighbour, if there is one; the heap is left to the caller.
  bool offer(std::uint32_t at, MergeBuffers& word) const {
    const MergeBuffers::Symbol& left = word.symbols[at];
    if (left.next == MergeBuffers::kNone) {
      return false;
    }
    const std::int32_t found = rank(left.id, word.symbols[left.next].id);
    if (found < 0) {
      return false;
    }
    word.queue.push_back((std::uint64_t{static_cast<std::uint32_t>(found)} << 32) | at);
    return true;
  }
  void push(std::uint32_t at, MergeBuffers& word) const {
    if (offer(at, word)) {
      std::push_heap(word.queue.begin(), word.queue.end(), std::greater<>());
    }
  }

  std::vector<Slot> slots_;
  std::size_t mask_;
  std::vector<std::int32_t> results_;  ///< by rank
};

}  // namespace reasonembed::text
