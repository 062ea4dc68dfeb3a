#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/stable_sort.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// A token that is recognised in the raw text, before any normalisation.
struct SpecialToken {
  std::string content;
  std::int32_t id = 0;

  friend bool operator==(const SpecialToken&, const SpecialToken&) = default;
};

/// Cuts raw text at special tokens: leftmost first, the longest of those that begin at one place; case matters, and a
/// token is found inside words too. Equal to Hugging Face's added tokens with `normalized`, `single_word`, `lstrip` and
/// `rstrip` all false.
///
/// @note  immutable, safe from many threads
class SpecialTokens {
 public:
  /// @throws ConfigError for an empty content
  explicit SpecialTokens(std::vector<SpecialToken> tokens = {}) : tokens_(std::move(tokens)) {
    for (const SpecialToken& token : tokens_) {
      if (token.content.empty()) {
        throw ConfigError::invalid("text::SpecialTokens", "special token", "empty", "at least one character");
      }
      starts_[static_cast<unsigned char>(token.content.front())] = true;
    }
    stable_sort(tokens_,
                [](const SpecialToken& a, const SpecialToken& b) { return a.content.size() > b.content.size(); });
  }

  /// @return  longest first
  [[nodiscard]] const std::vector<SpecialToken>& tokens() const { return tokens_; }

  /// Calls on_text(std::string_view) and on_token(std::int32_t) for the parts of `text` in order; no part is empty.
  ///
  /// @note  O(n) unless the text is full of beginnings of special tokens; no allocation
  template <class OnText, class OnToken>
  void split(std::string_view text, OnText&& on_text, OnToken&& on_token) const {
    std::size_t first = 0;  // of the plain text that is being read
    for (std::size_t i = 0; i < text.size();) {
      const SpecialToken* token = match(text.substr(i));
      if (token == nullptr) {
        ++i;
        continue;
      }
      if (i > first) {
        on_text(text.substr(first, i - first));
      }
      on_token(token->id);
      i += token->content.size();
      first = i;
    }
    if (text.size() > first) {
      on_text(text.substr(first));
    }
  }

 private:
  [[nodiscard]] const SpecialToken* match(std::string_view text) const {
    if (!starts_[static_cast<unsigned char>(text.front())]) {
      return nullptr;
    }
    const auto found = std::find_if(
        tokens_.begin(), tokens_.end(), [text](const SpecialToken& token) { return text.starts_with(token.content); });
    return found == tokens_.end() ? nullptr : &*found;
  }

  std::vector<SpecialToken> tokens_;
  std::array<bool, 256> starts_{};  ///< bytes that a special token begins with
};

}  // namespace reasonembed::text
