#pragma once
#include <reasonembed/config.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// A text that many records hold at once: a document is a candidate of hundreds of queries.
///
/// @note  copying costs 16 bytes whatever the length; immutable, so reading from many threads is safe. Texts are
///        compared by their bytes.
class SharedText {
 public:
  SharedText() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a text is what the record is made of
  SharedText(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}
  // NOLINTNEXTLINE(google-explicit-constructor): likewise
  SharedText(const char* text) : SharedText(std::string(text)) {}
  /// Text `number` of a list, without a copy of its own: the whole list lives as long as this text.
  /// @pre  number < texts->size()
  SharedText(const std::shared_ptr<const std::vector<std::string>>& texts, std::size_t number)
      : text_(texts, &(*texts)[number]) {}

  [[nodiscard]] const std::string& str() const {
    static const std::string empty;
    return text_ ? *text_ : empty;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a text is read like any other
  operator std::string_view() const { return str(); }
  [[nodiscard]] bool empty() const { return str().empty(); }

  friend bool operator==(const SharedText& a, const SharedText& b) { return a.text_ == b.text_ || a.str() == b.str(); }

 private:
  std::shared_ptr<const std::string> text_;
};

}  // namespace reasonembed::remixer
