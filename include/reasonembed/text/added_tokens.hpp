#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/text/byte_trie.hpp>
#include <reasonembed/text/reference_characters.hpp>
#include <reasonembed/text/unicode.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// A token that is searched for in the text itself, whatever the model would make of it.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  ///< only where no word character stands directly before or behind it
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< takes the white space behind it along
  bool normalized = false;   ///< is searched for in the normalised text, in its own normalised form
  bool special = false;

  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

/// One search for added tokens: leftmost first, and the longest of those that begin at one place.
///
/// Equal to what Hugging Face `tokenizers` does, its corners included: a place that `single_word` rejects is passed
/// over as a whole, and white space that one token took is not taken again.
///
/// @note  immutable, safe from many threads
class AddedTokens {
 public:
  AddedTokens() = default;

  /// @param searched  what each is searched for, usually its content
  /// @throws          ConfigError naming the token that is searched for as the empty text, or as the same text as
  ///                  another: the reference would find either by chance
  AddedTokens(std::vector<AddedToken> tokens, const std::vector<std::string>& searched, std::string_view where)
      : tokens_(std::move(tokens)) {
    REASONEMBED_ASSERT(tokens_.size() == searched.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (searched[i].empty()) {
        throw ConfigError::invalid(where,
                                   "added token \"" + tokens_[i].content + "\"",
                                   "empty when normalised",
                                   "a token that a text can hold");
      }
      starts_[static_cast<unsigned char>(searched[i].front())] = true;
      if (!trie_.insert(searched[i], static_cast<std::int32_t>(i))) {
        throw ConfigError::invalid(where,
                                   "added token \"" + tokens_[i].content + "\"",
                                   "\"" + searched[i] + "\" when normalised, as another one",
                                   "different tokens");
      }
    }
  }

  [[nodiscard]] const std::vector<AddedToken>& tokens() const { return tokens_; }

  /// Calls on_text(std::string_view) and on_token(std::int32_t id) for the parts of `text` in order; no text is empty.
  ///
  /// @note  O(n l) time, l the longest token, whatever the text; no allocation
  template <class OnText, class OnToken>
  void split(std::string_view text, OnText&& on_text, OnToken&& on_token) const {
    std::size_t first = 0;  // of the plain text that is being read
    Blanks blanks;
    for (std::size_t i = 0; i < text.size();) {
      const ByteTrie::Match match =
          starts_[static_cast<unsigned char>(text[i])] ? trie_.longest_prefix(text.substr(i)) : ByteTrie::Match();
      if (match.length == 0) {
        ++i;
        continue;
      }
      std::size_t begin = i;
      std::size_t end = i + match.length;
      i = end;
      const AddedToken& token = tokens_[static_cast<std::size_t>(match.value)];
      if (token.single_word && (ends_in_word(text.substr(0, begin)) || begins_with_word(text.substr(end)))) {
        continue;
      }
      if (token.lstrip) {
        begin = first_trailing_blank(text, first, begin);
      }
      if (token.rstrip) {
        end = blanks.end_behind(text, end);
      }
      if (first < begin) {
        on_text(text.substr(first, begin - first));
      }
      if (begin < end) {  // otherwise it lies in white space that the one before it took
        on_token(token.id);
      }
      first = end;
    }
    if (first < text.size()) {
      on_text(text.substr(first));
    }
  }

 private:
  /// Where the white space from a place on ends. Remembers the last answer, so that tokens which are white space
  /// themselves do not read one long run again and again.
  class Blanks {
   public:
    std::size_t end_behind(std::string_view text, std::size_t place) {
      if (place < begin_ || place >= end_) {
        begin_ = place;
        for (end_ = place; end_ < text.size();) {
          const DecodedCharacter character = decode_utf8(text, end_);
          if (!is_white_space(character.value)) {
            break;
          }
          end_ += character.length;
        }
      }
      return end_;
    }

   private:
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
  };

  [[nodiscard]] static std::size_t start_of_last(std::string_view text) {
    std::size_t i = text.size() - 1;
    while (i > 0 && (static_cast<unsigned char>(text[i]) >> 6) == 2) {
      --i;
    }
    return i;
  }
  [[nodiscard]] static bool ends_in_word(std::string_view text) {
    return !text.empty() && ReferenceCharacters::is_word(decode_utf8(text, start_of_last(text)).value);
  }
  [[nodiscard]] static bool begins_with_word(std::string_view text) {
    return !text.empty() && ReferenceCharacters::is_word(decode_utf8(text, 0).value);
  }
  /// The begin of the white space directly before `end`, not before `first`.
  [[nodiscard]] static std::size_t first_trailing_blank(std::string_view text, std::size_t first, std::size_t end) {
    while (end > first) {
      const std::size_t last = first + start_of_last(text.substr(first, end - first));
      if (!is_white_space(decode_utf8(text, last).value)) {
        break;
      }
      end = last;
    }
    // A token that took white space behind it may reach past the begin of this one.
    return std::max(first, end);
  }

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
  std::array<bool, 256> starts_{};  ///< bytes that a token begins with
};

}  // namespace reasonembed::text
