#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// Finds all keys that begin at one place of a text. A trie over bytes whose edges lie in one open-addressing table.
///
/// @note  one look-up for every byte that is matched; immutable after the last insert, safe from many threads
class ByteTrie {
 public:
  static constexpr std::int32_t kMissing = -1;

  struct Match {
    std::size_t length = 0;  ///< bytes of the key, 0 if there is none
    std::int32_t value = kMissing;
  };

  /// @param key    not empty
  /// @param value  >= 0
  /// @return       false if the key is there already; it keeps its value
  /// @throws       DataError if the keys have more than 16 million bytes that differ
  bool insert(std::string_view key, std::int32_t value) {
    REASONEMBED_ASSERT(!key.empty() && value >= 0);
    std::uint32_t node = 0;
    for (const char byte : key) {
      node = child_or_add(edge(node, byte));
    }
    if (values_[node] != kMissing) {
      return false;
    }
    values_[node] = value;
    return true;
  }

  /// Calls on_match(std::size_t length, std::int32_t value) for every key that `text` begins with, from short to long.
  template <class OnMatch>
  void for_each_prefix(std::string_view text, OnMatch&& on_match) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(edge(node, text[i]));
      if (node == 0) {
        return;
      }
      if (values_[node] != kMissing) {
        on_match(i + 1, values_[node]);
      }
    }
  }
  [[nodiscard]] Match longest_prefix(std::string_view text) const {
    Match longest;
    for_each_prefix(text, [&](std::size_t length, std::int32_t value) { longest = {length, value}; });
    return longest;
  }

 private:
  static constexpr std::uint32_t kMostNodes = 1U << 24;
  struct Slot {
    std::uint32_t edge = 0;
    std::uint32_t child = 0;  ///< 0: the slot is free, for the root is nobody's child
  };

  [[nodiscard]] static std::uint32_t edge(std::uint32_t node, char byte) {
    return (node << 8) | static_cast<unsigned char>(byte);
  }
  [[nodiscard]] std::size_t place(std::uint32_t edge) const {
    std::size_t i = (edge * 0x9E3779B97F4A7C15ULL) >> shift_;  // the high bits of a product depend on all of its factor
    while (slots_[i].child != 0 && slots_[i].edge != edge) {
      i = (i + 1) & (slots_.size() - 1);
    }
    return i;
  }
  [[nodiscard]] std::uint32_t child(std::uint32_t edge) const { return slots_[place(edge)].child; }

  std::uint32_t child_or_add(std::uint32_t edge) {
    std::size_t i = place(edge);
    if (slots_[i].child != 0) {
      return slots_[i].child;
    }
    if (values_.size() >= kMostNodes) {
      throw DataError::invalid("text::ByteTrie", "size of the keys", "over 16777216 bytes", "fewer");
    }
    if (2 * values_.size() > slots_.size()) {
      grow();
      i = place(edge);
    }
    slots_[i] = {edge, static_cast<std::uint32_t>(values_.size())};
    values_.push_back(kMissing);
    return slots_[i].child;
  }
  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    --shift_;
    for (const Slot& slot : old) {
      if (slot.child != 0) {
        slots_[place(slot.edge)] = slot;
      }
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(16);
  unsigned shift_ = 60;  ///< 64 - log2(slots_.size())
  std::vector<std::int32_t> values_ = {kMissing};
};

}  // namespace reasonembed::text
