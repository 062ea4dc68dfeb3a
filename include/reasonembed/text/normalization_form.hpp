#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/text/bert_characters.hpp>
#include <reasonembed/text/reference_characters.hpp>
#include <reasonembed/text/token_scratch.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// The four normalisation forms of Unicode: NFD and NFC, or NFKD and NFKC with compatibility decompositions.
///                                                                       [Unicode 15.0, section 3.11, D118 to D121]
///
/// Tables are those of the reference tokenizer (Unicode 9), so that characters which are newer stay as they are.
struct NormalizationForm {
  bool compose = true;         ///< NFC, NFKC
  bool compatibility = false;  ///< NFKD, NFKC

  /// Appends the normalised text.
  ///
  /// @param text  well-formed UTF-8
  /// @note        O(n log m) time, m the longest run of combining marks; allocates only where `scratch` and `out` must
  ///              grow
  void normalize(std::string_view text, TokenScratch& scratch, std::string& out) const {
    Writer writer{*this, scratch, out};
    for (std::size_t i = 0; i < text.size();) {
      if (const std::size_t ascii = ascii_prefix(text.substr(i)); ascii > 1) {
        writer.add_ascii(text.substr(i, ascii));
        i += ascii;
        continue;
      }
      const DecodedCharacter character = decode_utf8(text, i);
      writer.add_decomposed(character.value);
      i += character.length;
    }
    writer.finish();
  }

  friend bool operator==(const NormalizationForm&, const NormalizationForm&) = default;

 private:
  /// Waiting are the last starter, its marks that it did not take up (scratch.run), and marks that have no order yet.
  class Writer {
   public:
    Writer(const NormalizationForm& form, TokenScratch& scratch, std::string& out)
        : form_(form), scratch_(scratch), out_(out) {
      scratch_.run.clear();
    }

    /// @pre  not empty
    void add_ascii(std::string_view ascii) {
      finish();
      out_.append(ascii.substr(0, ascii.size() - 1));
      add(static_cast<unsigned char>(ascii.back()));
    }
    void add_decomposed(char32_t c) {
      if (form_.compatibility && !ReferenceCharacters::is_compatibility_itself(c)) {
        const CompatibilitySequence parts = decompose_compatibility(c);
        for (std::size_t k = 0; k < parts.size; ++k) {
          add(static_cast<char32_t>(parts.characters[k]));
        }
        return;
      }
      for (const char32_t part : BertCharacters::decompose(c)) {
        add(part);
      }
    }
    void finish() {
      order_marks();
      if (has_starter_) {
        append_utf8(starter_, out_);
        has_starter_ = false;
      }
      for (const char32_t mark : scratch_.run) {
        append_utf8(mark, out_);
      }
      scratch_.run.clear();
    }

   private:
    void add(char32_t c) {
      if (const std::uint8_t combining_class = BertCharacters::combining_class(c); combining_class != 0) {
        scratch_.marks.add(c, combining_class);
        return;
      }
      order_marks();
      if (form_.compose && has_starter_ && scratch_.run.empty()) {
        if (const char32_t composite = composed(starter_, c); composite != 0) {
          starter_ = composite;
          return;
        }
      }
      finish();
      starter_ = c;
      has_starter_ = true;
    }

    /// A mark joins the starter unless one of its own class or a higher one stands between them.
    void order_marks() {
      std::uint8_t last_class = 0;
      scratch_.marks.flush([&](char32_t mark) {
        const std::uint8_t combining_class = BertCharacters::combining_class(mark);
        const bool blocked = last_class >= combining_class;
        const char32_t composite = form_.compose && has_starter_ && !blocked ? composed(starter_, mark) : 0;
        if (composite != 0) {
          starter_ = composite;
        } else {
          scratch_.run.push_back(mark);
          last_class = combining_class;
        }
      });
    }

    [[nodiscard]] static char32_t composed(char32_t first, char32_t second) {
      const char32_t composite = second < 0x300 ? 0 : text::compose(first, second);
      return composite == 0x11938 ? 0 : composite;
    }

    const NormalizationForm& form_;
    TokenScratch& scratch_;
    std::string& out_;
    char32_t starter_ = 0;
    bool has_starter_ = false;
  };
};

}  // namespace reasonembed::text
