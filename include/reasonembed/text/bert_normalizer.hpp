#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/text/bert_characters.hpp>
#include <reasonembed/text/unicode.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

struct BertNormalizerOptions {
  bool clean_text = true;                            ///< drop control characters, write every white space as a blank
  bool handle_chinese_chars = true;                  ///< put blanks around every ideograph
  std::optional<bool> strip_accents = std::nullopt;  ///< decompose, drop non-spacing marks; unset: as `lowercase`
  bool lowercase = true;

  friend bool operator==(const BertNormalizerOptions&, const BertNormalizerOptions&) = default;
};

/// The text normalisation of BERT, equal to Hugging Face's BertNormalizer on every text.
///
/// The steps, in this order: clean, isolate ideographs, canonical decomposition (NFD) without accents, lowercase.
///
/// @note  one pass over the text; const and safe from many threads
class BertNormalizer {
 public:
  using Options = BertNormalizerOptions;

  explicit BertNormalizer(Options options = {})
      : options_(options), strip_accents_(options.strip_accents.value_or(options.lowercase)) {
    for (std::size_t byte = 0; byte < ascii_.size(); ++byte) {
      const auto c = static_cast<char32_t>(byte);
      const bool blank = options.clean_text && is_white_space(c);
      const bool upper = options.lowercase && c >= 'A' && c <= 'Z';
      ascii_[byte] = options.clean_text && BertCharacters::is_removed(c) ? kRemoved
                     : blank                                             ? std::uint8_t{' '}
                             : static_cast<std::uint8_t>(c + (upper ? 32 : 0));
    }
  }

  [[nodiscard]] const Options& options() const { return options_; }

  /// Appends the normalised text.
  ///
  /// @param text   UTF-8; malformed bytes are read as U+FFFD
  /// @param marks  empty, and empty again afterwards
  /// @note         O(n log m) time, m the longest run of combining marks that are no accents; allocates only where
  ///               `out` and `marks` must grow
  void normalize(std::string_view text, MarkRun& marks, std::string& out) const {
    REASONEMBED_ASSERT(marks.empty());
    const auto emit = [this, &out](char32_t c) { append_lowercase(c, out); };
    for (std::size_t i = 0; i < text.size();) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (byte < ascii_.size()) {
        if (ascii_[byte] != kRemoved) {
          marks.flush(emit);
          out.push_back(static_cast<char>(ascii_[byte]));
        }
        ++i;
        continue;
      }
      const DecodedCharacter character = decode_utf8(text, i);
      append(character.value, marks, out);
      i += character.length;
    }
    marks.flush(emit);
  }

 private:
  static constexpr std::uint8_t kRemoved = 0xFF;

  /// One character beyond ASCII, through all steps.
  void append(char32_t c, MarkRun& marks, std::string& out) const {
    if (options_.clean_text && BertCharacters::is_removed(c)) {
      return;
    }
    const auto emit = [this, &out](char32_t mark) { append_lowercase(mark, out); };
    const bool ideograph = options_.handle_chinese_chars && BertCharacters::is_ideograph(c);
    const bool blank = options_.clean_text && is_white_space(c);
    if (ideograph || blank) {
      marks.flush(emit);
      out.push_back(' ');
    }
    if (blank) {
      return;
    }
    if (strip_accents_) {
      append_decomposed(c, marks, out);
    } else {
      append_lowercase(c, out);
    }
    if (ideograph) {
      marks.flush(emit);
      out.push_back(' ');
    }
  }

  void append_decomposed(char32_t c, MarkRun& marks, std::string& out) const {
    for (const char32_t part : BertCharacters::decompose(c)) {
      // Accents go before the marks are put in order: a stable sort of what is left gives the same order.
      const bool accent = BertCharacters::is_accent(part);
      const std::uint8_t combining_class = BertCharacters::combining_class(part);
      if (combining_class == 0) {
        marks.flush([this, &out](char32_t mark) { append_lowercase(mark, out); });
        if (!accent) {
          append_lowercase(part, out);
        }
      } else if (!accent) {
        marks.add(part, combining_class);
      }
    }
  }

  void append_lowercase(char32_t c, std::string& out) const {
    if (!options_.lowercase) {
      append_utf8(c, out);
      return;
    }
    for (const char32_t part : BertCharacters::lowercase(c)) {
      append_utf8(part, out);
    }
  }

  Options options_;
  bool strip_accents_;
  std::array<std::uint8_t, 128> ascii_{};  ///< what each ASCII character becomes
};

}  // namespace reasonembed::text
