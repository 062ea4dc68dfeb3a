#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/io/text_spool.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// A text as its keeper has it.
struct KeptText {
  std::string_view text = {};
  const io::TextSpool* spool = nullptr;  ///< that the text lies in, null where none is told what is read
};

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
      explicit Own(std::string given) : text(std::move(given)), kept{text} {}
      std::string text;
      KeptText kept;
    };
    const auto own = std::make_shared<const Own>(std::move(text));
    text_ = std::shared_ptr<const KeptText>(own, &own->kept);
  }
  // NOLINTNEXTLINE(google-explicit-constructor): likewise
  SharedText(const char* text) : SharedText(std::string(text)) {}
  /// A text that somebody else keeps, who lives as long as this text.
  /// @param text  shares the ownership of the keeper, in whom view and bytes lie
  explicit SharedText(std::shared_ptr<const KeptText> text) : text_(std::move(text)) {}

  /// @return  the text, without a copy; valid as long as one of its SharedTexts
  [[nodiscard]] std::string_view view() const {
    if (!text_) {
      return {};
    }
    if (text_->spool != nullptr) {
      text_->spool->looked_at(text_->text);
    }
    return text_->text;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a text is read like any other
  operator std::string_view() const { return view(); }
  /// @return  a copy
  [[nodiscard]] std::string str() const { return std::string(view()); }
  [[nodiscard]] bool empty() const { return view().empty(); }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.text_ == b.text_ || a.view() == b.view();
  }

 private:
  std::shared_ptr<const KeptText> text_;
};

}  // namespace reasonembed::remixer
