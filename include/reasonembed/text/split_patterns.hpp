#pragma once
/// @file The regular expressions by which byte-level tokenizers cut texts into words, as scanners.
///
/// \s is White_Space; letters and numbers are those of ReferenceCharacters. The patterns are ordered choices, tried at
/// every place in turn; each scanner below returns the end of the first one that matches. Every character is matched by
/// one, so the words are the whole text.
#include <reasonembed/config.hpp>
#include <reasonembed/text/reference_characters.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::text {

namespace detail {

/// A character of a text together with its class.
struct ClassifiedCharacter {
  char32_t value = 0;
  std::size_t end = 0;  ///< the byte behind it
  CharacterClass kind = CharacterClass::kOther;

  [[nodiscard]] bool ends_line() const { return value == '\r' || value == '\n'; }
};

/// @pre  i < text.size()
[[nodiscard]] inline ClassifiedCharacter classified(std::string_view text, std::size_t i) {
  const DecodedCharacter character = decode_utf8(text, i);
  return {character.value, i + character.length, ReferenceCharacters::class_of(character.value)};
}

/// The end of the longest run of `kind` from byte `i` on, of at most `most` characters.
[[nodiscard]] inline std::size_t end_of_run(std::string_view text,
                                            std::size_t i,
                                            CharacterClass kind,
                                            std::size_t most = static_cast<std::size_t>(-1)) {
  for (; i < text.size() && most > 0; --most) {
    const ClassifiedCharacter c = classified(text, i);
    if (c.kind != kind) {
      break;
    }
    i = c.end;
  }
  return i;
}

/// The end of `'s|'t|'re|'ve|'m|'ll|'d` at an apostrophe, 0 if there is none.
///
/// @param fold  without regard to case; the long s (U+017F) is then an s
[[nodiscard]] inline std::size_t end_of_contraction(std::string_view text, std::size_t i, bool fold) {
  const auto letter = [&](std::size_t at) {
    const char c = at < text.size() ? text[at] : '\0';
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char first = letter(i + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') {
    return i + 2;
  }
  const char second = letter(i + 2);
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) {
    return i + 3;
  }
  return fold && text.substr(i + 1).starts_with("\xC5\xBF") ? i + 3 : 0;
}

/// The end of `\s+(?!\S)|\s+` at white space: a run leaves its last character to the word that follows it, unless it
/// is that character.
///
/// @param run_end  where the run ends
[[nodiscard]] inline std::size_t end_of_blanks(std::string_view text, std::size_t i, std::size_t run_end) {
  if (run_end == text.size()) {
    return run_end;
  }
  std::size_t last = run_end - 1;
  while ((static_cast<unsigned char>(text[last]) >> 6) == 2) {
    --last;
  }
  return last > i ? last : run_end;
}

}  // namespace detail

/// GPT-2's pattern:  's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///                                                                                       [Radford 2019, encoder.py]
struct Gpt2Pattern {
  /// @pre     i < text.size(), at the begin of a word
  /// @return  the end of the word
  [[nodiscard]] static std::size_t word_end(std::string_view text, std::size_t i) {
    using detail::ClassifiedCharacter;
    const ClassifiedCharacter first = detail::classified(text, i);
    if (first.value == '\'') {
      if (const std::size_t end = detail::end_of_contraction(text, i, false); end != 0) {
        return end;
      }
    }
    if (first.kind != CharacterClass::kSpace) {
      return detail::end_of_run(text, first.end, first.kind);
    }
    if (first.value == ' ' && first.end < text.size()) {
      const ClassifiedCharacter second = detail::classified(text, first.end);
      if (second.kind != CharacterClass::kSpace) {
        return detail::end_of_run(text, second.end, second.kind);
      }
    }
    return detail::end_of_blanks(text, i, detail::end_of_run(text, i, CharacterClass::kSpace));
  }

  friend bool operator==(const Gpt2Pattern&, const Gpt2Pattern&) = default;
};

/// The pattern of Llama 3, and with one digit a word that of Qwen2 and Qwen3:
///
///   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
///   ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
///                                                                       [Llama 3, tokenizer.py; Qwen2, tokenizer.json]
struct TiktokenPattern {
  std::size_t most_digits = 3;  ///< numbers in one word: 3 for Llama 3, 1 for Qwen

  /// @pre     i < text.size(), at the begin of a word
  /// @return  the end of the word
  [[nodiscard]] std::size_t word_end(std::string_view text, std::size_t i) const {
    using detail::ClassifiedCharacter;
    const ClassifiedCharacter first = detail::classified(text, i);
    if (first.value == '\'') {
      if (const std::size_t end = detail::end_of_contraction(text, i, true); end != 0) {
        return end;
      }
    }
    if (first.kind == CharacterClass::kLetter) {
      return detail::end_of_run(text, first.end, CharacterClass::kLetter);
    }
    if (first.kind == CharacterClass::kNumber) {
      return detail::end_of_run(text, i, CharacterClass::kNumber, most_digits);
    }
    const ClassifiedCharacter second = first.end < text.size() ? detail::classified(text, first.end)
                                                               : ClassifiedCharacter{0, 0, CharacterClass::kSpace};
    if (second.kind == CharacterClass::kLetter && !first.ends_line()) {
      return detail::end_of_run(text, second.end, CharacterClass::kLetter);
    }
    if (first.kind == CharacterClass::kOther || (first.value == ' ' && second.kind == CharacterClass::kOther)) {
      return end_of_lines(text, detail::end_of_run(text, first.end, CharacterClass::kOther));
    }
    return blanks_end(text, i);
  }

  friend bool operator==(const TiktokenPattern&, const TiktokenPattern&) = default;

 private:
  [[nodiscard]] static std::size_t end_of_lines(std::string_view text, std::size_t i) {
    while (i < text.size() && (text[i] == '\r' || text[i] == '\n')) {
      ++i;
    }
    return i;
  }
  /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last end of a line in the run of white space, if it holds one.
  [[nodiscard]] static std::size_t blanks_end(std::string_view text, std::size_t i) {
    std::size_t lines = 0;
    std::size_t end = i;
    while (end < text.size()) {
      const detail::ClassifiedCharacter c = detail::classified(text, end);
      if (c.kind != CharacterClass::kSpace) {
        break;
      }
      end = c.end;
      lines = c.ends_line() ? end : lines;
    }
    return lines != 0 ? lines : detail::end_of_blanks(text, i, end);
  }
};

}  // namespace reasonembed::text
