#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI {

/// Distinct strings numbered 0, 1, 2, ... in the order they came: ids of documents and queries, words of a vocabulary.
///
/// @note  add and find are O(length) on average and compare whole strings, so equal hashes do no harm; the numbers
///        depend on the order of the calls alone. Reading from many threads is safe. At most 2^32 - 2 strings.
class StringIndex {
 public:
  /// What find returns for a string that is not here.
  static constexpr Index kAbsent = -1;

  /// @return  the number of `text`, and whether it has been added by this call
  std::pair<Index, bool> add(std::string_view text) {
    if (2 * (strings_.size() + 1) > slots_.size()) {
      grow();
    }
    const std::size_t slot = slot_of(text);
    if (slots_[slot] != kFree) {
      return {static_cast<Index>(slots_[slot]), false};
    }
    strings_.emplace_back(text);  // first: what it may throw leaves the index as it was
    slots_[slot] = static_cast<Number>(strings_.size() - 1);
    return {size() - 1, true};
  }
  /// @return  the number of `text`, kAbsent if it was never added
  [[nodiscard]] Index find(std::string_view text) const {
    if (slots_.empty()) {
      return kAbsent;
    }
    const Number number = slots_[slot_of(text)];
    return number == kFree ? kAbsent : static_cast<Index>(number);
  }
  [[nodiscard]] bool contains(std::string_view text) const { return find(text) != kAbsent; }
  /// @pre  0 <= number < size(); the reference lives until the next add
  [[nodiscard]] const std::string& operator[](Index number) const {
    REASONEMBED_ASSERT(number >= 0 && number < size());
    return strings_[static_cast<std::size_t>(number)];
  }
  [[nodiscard]] Index size() const { return static_cast<Index>(strings_.size()); }
  [[nodiscard]] bool empty() const { return strings_.empty(); }
  /// @return  (size) all strings by number
  [[nodiscard]] const std::vector<std::string>& strings() const { return strings_; }

  friend bool operator==(const StringIndex& a, const StringIndex& b) { return a.strings_ == b.strings_; }

 private:
  using Number = std::uint32_t;
  static constexpr Number kFree = std::numeric_limits<Number>::max();

  /// @return  the slot that holds `text`, or the free one where it belongs
  [[nodiscard]] std::size_t slot_of(std::string_view text) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = std::hash<std::string_view>{}(text)&mask;
    while (slots_[slot] != kFree && strings_[slots_[slot]] != text) {
      slot = (slot + 1) & mask;  // at most half of the slots are taken: runs stay short
    }
    return slot;
  }
  void grow() {
    if (strings_.size() >= kFree - 1) {
      throw std::length_error("StringIndex: more than 2^32 - 2 strings");
    }
    slots_.assign(slots_.empty() ? 16 : 2 * slots_.size(), kFree);
    for (std::size_t number = 0; number < strings_.size(); ++number) {
      slots_[slot_of(strings_[number])] = static_cast<Number>(number);
    }
  }

  std::vector<std::string> strings_;
  std::vector<Number> slots_;  // a power of two, or empty
};

}  // namespace reasonembed
