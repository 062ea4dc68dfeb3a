#pragma once
/// @file The pre-tokenizers of tokenizer files, each equal to the one of its name in Hugging Face `tokenizers`.
#include <reasonembed/config.hpp>
#include <reasonembed/text/bert_characters.hpp>
#include <reasonembed/text/bert_pre_tokenizer.hpp>
#include <reasonembed/text/byte_level.hpp>
#include <reasonembed/text/reference_characters.hpp>
#include <reasonembed/text/regular_expression.hpp>
#include <reasonembed/text/split_patterns.hpp>
#include <reasonembed/text/splitter.hpp>
#include <reasonembed/text/text_pattern.hpp>
#include <reasonembed/text/token_scratch.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::text {

namespace detail {

/// Cuts one text at single characters: each for which `is_match` holds is a match of its own.
template <class IsMatch>
void split_at_characters(std::string_view text, IsMatch is_match, Splitter& splitter) {
  std::size_t first = 0;
  for (std::size_t i = 0; i < text.size();) {
    const DecodedCharacter character = decode_utf8(text, i);
    const std::size_t end = i + character.length;
    if (is_match(character.value)) {
      if (i > first) {
        splitter.add(first, i, false);
      }
      splitter.add(i, end, true);
      first = end;
    }
    i = end;
  }
  if (text.size() > first) {
    splitter.add(first, text.size(), false);
  }
}

/// Cuts a text into the words of a pattern that matches everything.
template <class Pattern, class OnWord>
void for_each_pattern_word(const Pattern& pattern, std::string_view text, OnWord&& on_word) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = pattern.word_end(text, i);
    on_word(i, end);
    i = end;
  }
}

}  // namespace detail

/// Cuts at the matches of a pattern.
struct PatternSplit {
  std::variant<Gpt2Pattern, TiktokenPattern, TextPattern, RegularExpression> pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  ///< what lies between the matches counts as the matches

  void split(std::string_view text, bool at_text_start, std::string&, Pieces& out) const {
    Splitter splitter(behavior, invert);
    splitter.begin(text, at_text_start, out);
    std::visit(
        [&](const auto& p) {
          if constexpr (requires { p.word_end(text, 0); }) {
            detail::for_each_pattern_word(
                p, text, [&](std::size_t begin, std::size_t end) { splitter.add(begin, end, true); });
          } else {
            p.for_each_part(text,
                            [&](std::size_t begin, std::size_t end, bool match) { splitter.add(begin, end, match); });
          }
        },
        pattern);
    splitter.end();
  }
};

/// Words are what white space separates.
struct WhitespaceSplit {
  void split(std::string_view text, bool at_text_start, std::string&, Pieces& out) const {
    Splitter splitter(SplitBehavior::kRemoved);
    splitter.begin(text, at_text_start, out);
    detail::split_at_characters(text, [](char32_t c) { return is_white_space(c); }, splitter);
    splitter.end();
  }
};

/// The matches of `\w+|[^\w\s]+`.
struct WhitespaceWords {
  void split(std::string_view text, bool at_text_start, std::string&, Pieces& out) const {
    enum class Kind : std::uint8_t { kSpace, kWord, kOther };
    Splitter splitter(SplitBehavior::kRemoved);
    splitter.begin(text, at_text_start, out);
    Kind kind = Kind::kSpace;
    std::size_t first = 0;
    for (std::size_t i = 0; i < text.size();) {
      const DecodedCharacter character = decode_utf8(text, i);
      const Kind found = ReferenceCharacters::is_word(character.value) ? Kind::kWord
                         : is_white_space(character.value)             ? Kind::kSpace
                                                                       : Kind::kOther;
      if (found != kind) {
        splitter.add(first, i, kind == Kind::kSpace);
        first = i;
        kind = found;
      }
      i += character.length;
    }
    splitter.add(first, text.size(), kind == Kind::kSpace);
    splitter.end();
  }
};

/// BERT's words.
struct BertWords {
  void split(std::string_view text, bool at_text_start, std::string&, Pieces& out) const {
    BertPreTokenizer::for_each_word(text, [&](std::string_view word) {
      if (out.size() == 0) {
        out.set_at_text_start(at_text_start && word.data() == text.data());
      }
      out.add(word);
    });
  }
};

/// Cuts digits out, one by one or in runs.
struct Digits {
  bool individual = false;

  void split(std::string_view text, bool at_text_start, std::string&, Pieces& out) const {
    Splitter splitter(individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
    splitter.begin(text, at_text_start, out);
    detail::split_at_characters(text, [](char32_t c) { return ReferenceCharacters::is_numeric(c); }, splitter);
    splitter.end();
  }
};

/// Cuts at punctuation, which is BERT's.
struct Punctuation {
  SplitBehavior behavior = SplitBehavior::kIsolated;

  void split(std::string_view text, bool at_text_start, std::string&, Pieces& out) const {
    Splitter splitter(behavior);
    splitter.begin(text, at_text_start, out);
    detail::split_at_characters(text, [](char32_t c) { return BertCharacters::is_punctuation(c); }, splitter);
    splitter.end();
  }
};

/// GPT-2's words if `use_pattern`, with every byte written as a visible character.
struct ByteLevelWords {
  bool add_prefix_space = false;  ///< a blank before every text that does not begin with one
  bool use_pattern = true;

  void split(std::string_view text, bool at_text_start, std::string& prefixed, Pieces& out) const {
    if (add_prefix_space && text.front() != ' ') {
      (prefixed = ' ') += text;
      text = prefixed;
    }
    if (out.size() == 0) {
      out.set_at_text_start(at_text_start);
    }
    const auto add = [&](std::size_t begin, std::size_t end) {
      append_byte_characters(text.substr(begin, end - begin), out.open());
      out.close();
    };
    if (use_pattern) {
      detail::for_each_pattern_word(Gpt2Pattern(), text, add);
    } else {
      add(0, text.size());
    }
  }
};

/// SentencePiece's blanks: each is written as a visible mark, the text gets one before it, and words begin at marks.
struct Metaspace {
  enum class Scheme : std::uint8_t { kAlways, kFirst, kNever };

  std::string replacement = "\xE2\x96\x81";
  Scheme scheme = Scheme::kAlways;  ///< which texts get a mark before them: all, the one that begins the raw text, none
  bool cut = true;                  ///< false: the text stays one piece

  void split(std::string_view text, bool at_text_start, std::string& marked, Pieces& out) const {
    marked.clear();
    for (const char byte : text) {
      byte == ' ' ? marked += replacement : marked += byte;
    }
    const bool asked = scheme == Scheme::kAlways || (scheme == Scheme::kFirst && at_text_start);
    if (asked && !marked.starts_with(replacement)) {
      marked.insert(0, replacement);
    }
    if (out.size() == 0) {
      out.set_at_text_start(at_text_start);
    }
    for (std::size_t begin = 0; begin < marked.size();) {
      const std::size_t next = cut ? marked.find(replacement, begin + 1) : std::string::npos;
      const std::size_t end = next == std::string::npos ? marked.size() : next;
      out.add(std::string_view(marked).substr(begin, end - begin));
      begin = end;
    }
  }
};

using PreTokenizerStep = std::
    variant<PatternSplit, WhitespaceSplit, WhitespaceWords, BertWords, Digits, Punctuation, ByteLevelWords, Metaspace>;

/// Pre-tokenizers in a row, each cutting the pieces of the one before it.
///
/// @note  immutable, safe from many threads
class PreTokenizerSequence {
 public:
  explicit PreTokenizerSequence(std::vector<PreTokenizerStep> steps = {}) : steps_(std::move(steps)) {}

  /// Writes the words of a text into scratch.words.
  ///
  /// @param text           well-formed UTF-8, not in scratch.words, scratch.staged_words or scratch.staged
  /// @param at_text_start  true if the raw text begins here
  /// @note                 O(n) time; allocates only where `scratch` must grow
  void split(std::string_view text, bool at_text_start, TokenScratch& scratch) const {
    scratch.words.clear();
    if (steps_.empty()) {
      scratch.words.add(text);
      scratch.words.set_at_text_start(at_text_start);
    }
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      Pieces& out = i == 0 ? scratch.words : scratch.staged_words;
      out.clear();
      std::visit(
          [&](const auto& step) {
            if (i == 0) {
              step.split(text, at_text_start, scratch.staged, out);
              return;
            }
            const Pieces& words = scratch.words;
            for (std::size_t k = 0; k < words.size(); ++k) {
              step.split(words[k], k == 0 && words.at_text_start(), scratch.staged, out);
            }
          },
          steps_[i]);
      if (i > 0) {
        std::swap(scratch.words, scratch.staged_words);
      }
    }
  }

 private:
  std::vector<PreTokenizerStep> steps_;
};

}  // namespace reasonembed::text
