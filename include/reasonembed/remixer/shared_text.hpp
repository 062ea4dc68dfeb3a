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
/// It may lie in memory or in a TextStore on the disk: whoever reads it does not see the difference.
///
/// @note  copying costs 16 bytes whatever the length; immutable, so reading from many threads is safe. Texts are
///        compared by their bytes.
class SharedText {
 public:
  SharedText() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a text is what the record is made of
  SharedText(std::string text) {
    struct Own {
      explicit Own(std::string given) : text(std::move(given)), view(text) {}
      std::string text;
      std::string_view view;
    };
    const auto own = std::make_shared<const Own>(std::move(text));
    text_ = std::shared_ptr<const std::string_view>(own, &own->view);
  }
  // NOLINTNEXTLINE(google-explicit-constructor): likewise
  SharedText(const char* text) : SharedText(std::string(text)) {}
  /// A text that somebody else keeps, who lives as long as this text.
  /// @param text  shares the ownership of the keeper, in whom view and bytes lie
  explicit SharedText(std::shared_ptr<const std::string_view> text) : text_(std::move(text)) {}

  /// @return  the text, without a copy; valid as long as one of its SharedTexts
  [[nodiscard]] std::string_view view() const { return text_ ? *text_ : std::string_view(); }
  // NOLINTNEXTLINE(google-explicit-constructor): a text is read like any other
  operator std::string_view() const { return view(); }
  /// @return  a copy
  [[nodiscard]] std::string str() const { return std::string(view()); }
  [[nodiscard]] bool empty() const { return view().empty(); }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.text_ == b.text_ || a.view() == b.view();
  }

 private:
  std::shared_ptr<const std::string_view> text_;
};

}  // namespace reasonembed::remixer
