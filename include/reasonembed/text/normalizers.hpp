#pragma once
/// @file The normalisers of tokenizer files, each equal to the one of its name in Hugging Face `tokenizers`.
#include <reasonembed/config.hpp>
#include <reasonembed/text/bert_characters.hpp>
#include <reasonembed/text/bert_normalizer.hpp>
#include <reasonembed/text/byte_level.hpp>
#include <reasonembed/text/character_map.hpp>
#include <reasonembed/text/normalization_form.hpp>
#include <reasonembed/text/reference_characters.hpp>
#include <reasonembed/text/text_pattern.hpp>
#include <reasonembed/text/token_scratch.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// Full lowercase, character by character.
struct Lowercase {
  void normalize(std::string_view text, std::string& out) const {
    for (std::size_t i = 0; i < text.size();) {
      const DecodedCharacter character = decode_utf8(text, i);
      for (const char32_t c : BertCharacters::lowercase(character.value)) {
        append_utf8(c, out);
      }
      i += character.length;
    }
  }
};

/// Drops combining marks; a decomposition must come before.
struct StripAccents {
  void normalize(std::string_view text, std::string& out) const {
    for (std::size_t i = 0; i < text.size();) {
      const DecodedCharacter character = decode_utf8(text, i);
      if (!ReferenceCharacters::is_mark(character.value)) {
        out += text.substr(i, character.length);
      }
      i += character.length;
    }
  }
};

/// Drops white space at the ends.
struct Strip {
  bool left = true;
  bool right = true;

  void normalize(std::string_view text, std::string& out) const {
    std::size_t begin = text.size();
    std::size_t end = 0;
    for (std::size_t i = 0; i < text.size();) {
      const DecodedCharacter character = decode_utf8(text, i);
      if (!is_white_space(character.value)) {
        begin = begin == text.size() ? i : begin;
        end = i + character.length;
      }
      i += character.length;
    }
    begin = left ? begin : 0;
    end = right ? end : text.size();
    if (begin < end) {
      out += text.substr(begin, end - begin);
    }
  }
};

/// Puts `content` in the place of every match.
struct Replace {
  TextPattern pattern;
  std::string content;

  void normalize(std::string_view text, std::string& out) const {
    pattern.for_each_part(text, [&](std::size_t begin, std::size_t end, bool is_match) {
      out += is_match ? std::string_view(content) : text.substr(begin, end - begin);
    });
  }
};

/// Puts a text before every text that is not empty.
struct Prepend {
  std::string prefix;

  void normalize(std::string_view text, std::string& out) const {
    if (!text.empty()) {
      (out += prefix) += text;
    }
  }
};

/// Drops control characters, and writes further white space and format characters as blanks.
struct Nmt {
  void normalize(std::string_view text, std::string& out) const {
    for (std::size_t i = 0; i < text.size();) {
      const DecodedCharacter character = decode_utf8(text, i);
      const char32_t c = character.value;
      const bool blank = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      const bool dropped = (c >= 0x1 && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
      if (blank) {
        out += ' ';
      } else if (!dropped) {
        out += text.substr(i, character.length);
      }
      i += character.length;
    }
  }
};

/// Writes bytes as visible characters.
struct ByteLevelNormalizer {
  void normalize(std::string_view text, std::string& out) const { append_byte_characters(text, out); }
};

using NormalizerStep = std::variant<NormalizationForm,
                                    BertNormalizer,
                                    Lowercase,
                                    StripAccents,
                                    Strip,
                                    Replace,
                                    Prepend,
                                    Nmt,
                                    CharacterMap,
                                    ByteLevelNormalizer>;

/// Normalisers in a row.
///
/// @note  immutable, safe from many threads
class NormalizerSequence {
 public:
  explicit NormalizerSequence(std::vector<NormalizerStep> steps = {}) : steps_(std::move(steps)) {}

  [[nodiscard]] bool empty() const { return steps_.empty(); }

  /// What a text became.
  struct Result {
    std::string_view text;       ///< in the input or in scratch.normalized
    bool at_text_start = false;  ///< nothing was dropped from its begin
  };

  /// @param text           well-formed UTF-8
  /// @param at_text_start  true if the raw text begins here
  /// @note                 O(n log m) time, m the longest run of combining marks; allocates only where `scratch` must
  ///                       grow
  Result normalize(std::string_view text, bool at_text_start, TokenScratch& scratch) const {
    Result result{text, at_text_start};
    for (const NormalizerStep& step : steps_) {
      result.at_text_start = result.at_text_start && keeps_begin(step, result.text, scratch);
      scratch.staged.clear();
      apply(step, result.text, scratch, scratch.staged);
      scratch.staged.swap(scratch.normalized);
      result.text = scratch.normalized;
    }
    return result;
  }

 private:
  static void apply(const NormalizerStep& step, std::string_view text, TokenScratch& scratch, std::string& out) {
    if (const auto* form = std::get_if<NormalizationForm>(&step)) {
      form->normalize(text, scratch, out);
    } else if (const auto* bert = std::get_if<BertNormalizer>(&step)) {
      bert->normalize(text, scratch.marks, out);
    } else {
      std::visit(
          [&](const auto& s) {
            if constexpr (requires { s.normalize(text, out); }) {
              s.normalize(text, out);
            }
          },
          step);
    }
  }

  /// The first character may go where single characters are dropped.
  static bool keeps_begin(const NormalizerStep& step, std::string_view text, TokenScratch& scratch) {
    const bool drops = std::holds_alternative<BertNormalizer>(step) || std::holds_alternative<StripAccents>(step) ||
                       std::holds_alternative<Nmt>(step) || std::holds_alternative<Strip>(step);
    if (text.empty()) {
      return true;
    }
    if (drops) {
      std::string first;
      apply(step, text.substr(0, decode_utf8(text, 0).length), scratch, first);
      return !first.empty() || (std::holds_alternative<Strip>(step) && !std::get<Strip>(step).left);
    }
    bool keeps = true;
    if (const auto* replace = std::get_if<Replace>(&step); replace != nullptr && replace->content.empty()) {
      replace->pattern.for_each_part(
          text, [&](std::size_t begin, std::size_t, bool is_match) { keeps = keeps && !(begin == 0 && is_match); });
    }
    return keeps;
  }

  std::vector<NormalizerStep> steps_;
};

}  // namespace reasonembed::text
