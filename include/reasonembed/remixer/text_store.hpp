#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/text_spool.hpp>
#include <reasonembed/remixer/shared_text.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Distinct texts numbered in the order they came, in memory or on the disk: where records that hold them as SharedText
/// keep those of a corpus that is larger than memory.
///
/// @note  stays where it is; about 50 bytes of memory a text, wherever the texts are. Hashes tell different texts apart
/// without reading
///        them; equality is decided by the bytes. Reading from many threads is safe. At most 2^32 - 2 texts.
class TextStore {
 public:
  /// What find returns for a text that is not here.
  static constexpr Index kAbsent = -1;

  /// In memory.
  TextStore() = default;
  TextStore(const TextStore&) = delete;
  TextStore& operator=(const TextStore&) = delete;
  TextStore(TextStore&&) = delete;
  TextStore& operator=(TextStore&&) = delete;
  ~TextStore() = default;
  /// In a file without a name in `directory`, gone with the store.
  /// @throws  IoError if no file can be made there
  explicit TextStore(const std::filesystem::path& directory) : spool_(directory) {}

  /// @return  the number of `text`, and whether it has been added by this call
  /// @throws  IoError as io::TextSpool::add; the store is then as it was
  std::pair<Index, bool> add(std::string_view text) {
    if (2 * (texts_.size() + 1) > slots_.size()) {
      grow();
    }
    const std::uint64_t hash = hash_of(text);
    Number& slot = slots_[slot_of(hash, text)];
    if (slot != kFree) {
      return {static_cast<Index>(slot), false};
    }
    hashes_.push_back(hash);
    try {
      texts_.push_back({spool_.add(text), &spool_});
    } catch (...) {
      hashes_.pop_back();
      throw;
    }
    slot = static_cast<Number>(texts_.size() - 1);
    return {size() - 1, true};
  }
  /// @return  the number of `text`, kAbsent if it was never added
  [[nodiscard]] Index find(std::string_view text) const {
    if (slots_.empty()) {
      return kAbsent;
    }
    const Number number = slots_[slot_of(hash_of(text), text)];
    return number == kFree ? kAbsent : static_cast<Index>(number);
  }
  [[nodiscard]] bool contains(std::string_view text) const { return find(text) != kAbsent; }
  /// @pre  0 <= number < size(); the view lives as long as the store
  [[nodiscard]] std::string_view operator[](Index number) const {
    REASONEMBED_ASSERT(number >= 0 && number < size());
    return texts_[static_cast<std::size_t>(number)].text;
  }
  [[nodiscard]] Index size() const { return static_cast<Index>(texts_.size()); }
  /// @return  bytes of all texts together
  [[nodiscard]] std::size_t bytes() const { return spool_.bytes(); }
  [[nodiscard]] bool on_disk() const { return spool_.on_disk(); }
  /// Gives back the memory of texts on the disk that have been read.
  void release() const { spool_.release(); }

  /// Text `number` of a store, which lives as long as this text.
  /// @pre  0 <= number < store->size()
  [[nodiscard]] static SharedText share(const std::shared_ptr<const TextStore>& store, Index number) {
    REASONEMBED_ASSERT(number >= 0 && number < store->size());
    return SharedText(std::shared_ptr<const KeptText>(store, &store->texts_[static_cast<std::size_t>(number)]));
  }

 private:
  using Number = std::uint32_t;
  static constexpr Number kFree = std::numeric_limits<Number>::max();

  static std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }
  /// @return  the slot that holds `text`, or the free one where it belongs
  [[nodiscard]] std::size_t slot_of(std::uint64_t hash, std::string_view text) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = hash & mask;
    while (slots_[slot] != kFree && (hashes_[slots_[slot]] != hash || !equals(slots_[slot], text))) {
      slot = (slot + 1) & mask;  // at most half of the slots are taken: runs stay short
    }
    return slot;
  }
  [[nodiscard]] bool equals(Number number, std::string_view text) const {
    const std::string_view own = texts_[number].text;
    spool_.looked_at(own);
    return own == text;
  }
  void grow() {
    if (texts_.size() >= kFree - 1) {
      throw std::length_error("remixer::TextStore: more than 2^32 - 2 texts");
    }
    slots_.assign(slots_.empty() ? 16 : 2 * slots_.size(), kFree);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t number = 0; number < hashes_.size(); ++number) {
      std::size_t slot = hashes_[number] & mask;
      while (slots_[slot] != kFree) {
        slot = (slot + 1) & mask;
      }
      slots_[slot] = static_cast<Number>(number);
    }
  }

  io::TextSpool spool_;
  std::deque<KeptText> texts_;         // each stays where it is, for SharedTexts look at it
  std::vector<std::uint64_t> hashes_;  // of the texts: those are read if they are the ones, and hardly ever else
  std::vector<Number> slots_;          // a power of two, or empty
};

}  // namespace reasonembed::remixer
