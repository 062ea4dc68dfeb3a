#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/text_list.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// Distinct texts numbered in the order they came, one behind the other in one block of memory.
///
/// Two documents have one number if and only if their texts are equal, so a number stands for what an encoder sees,
/// whatever ids a corpus has given it. StringIndex does the same for short strings that are wanted as std::string.
///
/// @note  about 20 bytes a text besides its own; add and find are O(length) on average and compare whole texts; the
///        numbers depend on the order of the calls alone; views as in TextList. At most 2^32 - 2 texts
class TextTable {
 public:
  using Number = std::uint32_t;
  /// What find returns for a text that is not here.
  static constexpr Number kAbsent = std::numeric_limits<Number>::max();

  /// @pre     `text` is no part of a text of this table
  /// @return  the number of `text`, the next free one if it is not here yet
  Number add(std::string_view text) {
    if (2 * (static_cast<std::size_t>(texts_.size()) + 1) > slots_.size()) {
      grow();
    }
    const std::size_t slot = slot_of(text);
    if (slots_[slot] == kAbsent) {
      slots_[slot] = static_cast<Number>(texts_.add(text));
    }
    return slots_[slot];
  }
  /// @return  the number of `text`, kAbsent if it was never added
  [[nodiscard]] Number find(std::string_view text) const { return slots_.empty() ? kAbsent : slots_[slot_of(text)]; }
  /// @pre  number < size()
  [[nodiscard]] std::string_view operator[](Number number) const { return texts_[static_cast<Index>(number)]; }
  [[nodiscard]] Index size() const { return texts_.size(); }
  [[nodiscard]] bool empty() const { return texts_.empty(); }
  /// @return  bytes of all texts together
  [[nodiscard]] std::size_t bytes() const { return texts_.bytes(); }

  friend bool operator==(const TextTable& a, const TextTable& b) { return a.texts_ == b.texts_; }

 private:
  /// @return  the slot that holds `text`, or the free one where it belongs
  [[nodiscard]] std::size_t slot_of(std::string_view text) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = std::hash<std::string_view>{}(text)&mask;
    while (slots_[slot] != kAbsent && (*this)[slots_[slot]] != text) {
      slot = (slot + 1) & mask;  // at most half of the slots are taken: runs stay short
    }
    return slot;
  }
  void grow() {
    if (texts_.size() >= static_cast<Index>(kAbsent) - 1) {
      throw std::length_error("data::TextTable: more than 2^32 - 2 texts");
    }
    slots_.assign(slots_.empty() ? 16 : 2 * slots_.size(), kAbsent);
    for (Index number = 0; number < texts_.size(); ++number) {
      slots_[slot_of(texts_[number])] = static_cast<Number>(number);
    }
  }

  TextList texts_;
  std::vector<Number> slots_;  // a power of two, or empty
};

}  // namespace reasonembed::data
