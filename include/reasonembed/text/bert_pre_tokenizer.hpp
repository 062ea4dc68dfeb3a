#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/text/bert_characters.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// Cuts normalised text into words: white space separates and vanishes, every punctuation character is its own word.
///
/// Equal to Hugging Face's BertPreTokenizer.
class BertPreTokenizer {
 public:
  /// Calls on_word(std::string_view) for every word in order; the views point into `text` and are never empty.
  ///
  /// @param text  UTF-8; malformed bytes are read as U+FFFD, which is a letter here
  /// @note        O(n), no allocation
  template <class OnWord>
  static void for_each_word(std::string_view text, OnWord&& on_word) {
    std::size_t first = 0;  // of the word that is being read
    for (std::size_t i = 0; i < text.size();) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const DecodedCharacter character = byte < 0x80 ? DecodedCharacter{byte, 1, true} : decode_utf8(text, i);
      const bool punctuation = BertCharacters::is_punctuation(character.value);
      if (punctuation || is_white_space(character.value)) {
        if (i > first) {
          on_word(text.substr(first, i - first));
        }
        if (punctuation) {
          on_word(text.substr(i, character.length));
        }
        first = i + character.length;
      }
      i += character.length;
    }
    if (text.size() > first) {
      on_word(text.substr(first));
    }
  }
};

}  // namespace reasonembed::text
