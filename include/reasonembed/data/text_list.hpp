#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// Texts numbered 0, 1, 2, ..., one behind the other in one block of memory.
///
/// @note  8 bytes a text besides its own; a view that operator[] returns is valid until the next add, also after the
///        list has been moved; reading from many threads is safe
class TextList {
 public:
  /// @pre     `text` does not lie in this list
  /// @return  the number of the text
  Index add(std::string_view text) {
    ends_.reserve(ends_.size() + (ends_.size() == ends_.capacity() ? ends_.size() + 1 : 0));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    ends_.push_back(bytes_.size());  // has its place, so that what the line above may throw leaves the list as it was
    return size() - 1;
  }
  /// @pre  0 <= number < size()
  [[nodiscard]] std::string_view operator[](Index number) const {
    REASONEMBED_ASSERT(number >= 0 && number < size());
    const auto i = static_cast<std::size_t>(number);
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }
  [[nodiscard]] Index size() const { return static_cast<Index>(ends_.size()); }
  [[nodiscard]] bool empty() const { return ends_.empty(); }
  /// @return  bytes of all texts together
  [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }

  friend bool operator==(const TextList&, const TextList&) = default;

 private:
  std::vector<char> bytes_;  // not a string: a short one moves its bytes, and views would point at the old place
  std::vector<std::size_t> ends_;
};

}  // namespace reasonembed::data
