#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace reasonembed::inline REASONEMBED_ABI::text {

/// A run of one character, or of white space: the regular expressions `x+`, `x{2,}`, `\s+`, each as long as it can be.
struct CharacterRun {
  char32_t character = 0;  ///< 0: any white space
  std::size_t least = 1;   ///< a shorter run is none

  friend bool operator==(const CharacterRun&, const CharacterRun&) = default;
};

/// What Replace and Split look for in a text: a literal text or a run of characters.
///
/// @note  a literal of n bytes is found in O(m + n) time for m bytes of a text that is not built to be slow
class TextPattern {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a text is the pattern of itself
  TextPattern(std::string literal) : pattern_(std::move(literal)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): both alternatives convert
  TextPattern(CharacterRun run) : pattern_(run) {}

  /// The regular expressions that are understood: one character, escaped or not, or \s, alone or with + or {n,}.
  ///
  /// @return  nothing for any other expression
  [[nodiscard]] static std::optional<TextPattern> from_regex(std::string_view regex) {
    if (regex.empty()) {
      return std::nullopt;
    }
    CharacterRun run;
    std::size_t i = 0;
    const bool escaped = regex[0] == '\\';
    constexpr std::string_view kMeaning = "\\^$.|?*+()[]{}";
    if (escaped && regex.size() > 1 && regex[1] == 's') {
      i = 2;
    } else if (escaped) {
      if (regex.size() < 2 || kMeaning.find(regex[1]) == std::string_view::npos) {
        return std::nullopt;
      }
      run.character = static_cast<unsigned char>(regex[1]);
      i = 2;
    } else {
      const DecodedCharacter character = decode_utf8(regex, 0);
      if (!character.valid || character.value == 0 || kMeaning.find(regex[0]) != std::string_view::npos) {
        return std::nullopt;
      }
      run.character = character.value;
      i = character.length;
    }
    return quantified(run, regex.substr(i));
  }

  /// Calls on_part(std::size_t begin, std::size_t end, bool is_match) for the matches and for what lies between them,
  /// in order; no part is empty.
  template <class OnPart>
  void for_each_part(std::string_view text, OnPart&& on_part) const {
    std::size_t first = 0;
    const auto on_match = [&](std::size_t begin, std::size_t end) {
      if (begin > first) {
        on_part(first, begin, false);
      }
      on_part(begin, end, true);
      first = end;
    };
    if (const auto* literal = std::get_if<std::string>(&pattern_)) {
      for_each_literal(text, *literal, on_match);
    } else {
      for_each_run(text, std::get<CharacterRun>(pattern_), on_match);
    }
    if (text.size() > first) {
      on_part(first, text.size(), false);
    }
  }

  friend bool operator==(const TextPattern&, const TextPattern&) = default;

 private:
  /// `run` with what stands behind it in a regular expression.
  [[nodiscard]] static std::optional<TextPattern> quantified(CharacterRun run, std::string_view quantifier) {
    if (quantifier.empty() && run.character != 0) {
      std::string literal;
      append_utf8(run.character, literal);
      return TextPattern(literal);
    }
    if (quantifier == "+") {
      return TextPattern(run);
    }
    if (quantifier.size() < 4 || quantifier.size() > 6 || quantifier.front() != '{' || !quantifier.ends_with(",}")) {
      return std::nullopt;
    }
    run.least = 0;
    for (const char digit : quantifier.substr(1, quantifier.size() - 3)) {
      if (digit < '0' || digit > '9') {
        return std::nullopt;
      }
      run.least = 10 * run.least + static_cast<std::size_t>(digit - '0');
    }
    return run.least == 0 ? std::nullopt : std::optional(TextPattern(run));
  }

  template <class OnMatch>
  static void for_each_literal(std::string_view text, std::string_view literal, OnMatch&& on_match) {
    if (literal.empty()) {
      return;
    }
    for (std::size_t i = text.find(literal); i != std::string_view::npos; i = text.find(literal, i + literal.size())) {
      on_match(i, i + literal.size());
    }
  }
  template <class OnMatch>
  static void for_each_run(std::string_view text, const CharacterRun& run, OnMatch&& on_match) {
    std::size_t begin = 0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < text.size();) {
      const DecodedCharacter c = decode_utf8(text, i);
      if (run.character == 0 ? is_white_space(c.value) : c.value == run.character) {
        begin = count == 0 ? i : begin;
        ++count;
      } else {
        if (count >= run.least) {
          on_match(begin, i);
        }
        count = 0;
      }
      i += c.length;
    }
    if (count >= run.least) {
      on_match(begin, text.size());
    }
  }

  std::variant<std::string, CharacterRun> pattern_;
};

}  // namespace reasonembed::text
