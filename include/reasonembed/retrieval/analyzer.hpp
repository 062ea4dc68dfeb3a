#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/unicode.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// Turns a text into the words that a lexical index counts.
///
/// Valid expressions, with `a` a const object of the type, `text` a std::string_view and `emit` a
/// FunctionRef<void(std::string_view)>:
///   a.for_each_word(text, emit)   calls emit(word) for every word in the order of the text; the view need not outlive
///                                 the call; returns void
/// Models must give the same words for the same text, whatever came before, and be safe to call from many threads.
template <class T>
concept Analyzer = requires(const T& analyzer, std::string_view text, FunctionRef<void(std::string_view)> emit) {
  { analyzer.for_each_word(text, emit) } -> std::same_as<void>;
};

/// Which words UnicodeWords leaves out.
enum class StopWords : bool {
  kNone,
  kLuceneEnglish,  ///< the 33 words of Lucene's EnglishAnalyzer
};

/// Options of UnicodeWords.
struct UnicodeWordsOptions {
  bool lowercase = true;          ///< by the simple mapping of each character, before stop words are looked up
  bool strip_possessive = false;  ///< drop an "s" behind an apostrophe
  StopWords stop_words = StopWords::kNone;
  Index min_length = 1;  ///< characters of the shortest word kept, >= 1

  friend bool operator==(const UnicodeWordsOptions&, const UnicodeWordsOptions&) = default;
};

/// Words are the longest runs of letters, marks and numbers (general categories L, M, N); each Han ideograph is a word
/// of its own. There is no stemming. Malformed UTF-8 separates.
///
/// Models: Analyzer.
class UnicodeWords {
 public:
  using Options = UnicodeWordsOptions;
  /// @throws  ConfigError if min_length < 1
  explicit UnicodeWords(Options options = {}) : options_(options) {
    if (options.min_length < 1) {
      throw ConfigError::invalid(
          "retrieval::UnicodeWords", "min_length", std::to_string(options.min_length), "at least 1");
    }
  }

  /// @note  O(n); one buffer for the longest word
  void for_each_word(std::string_view text, FunctionRef<void(std::string_view)> emit) const {
    std::string word;
    Index length = 0;         // characters in word
    bool possessive = false;  // the word follows an apostrophe that follows a word
    bool after_apostrophe = false;
    const auto finish = [&] {
      if (length > 0 && keeps(word, length, possessive)) {
        emit(word);
      }
      word.clear();
      length = 0;
    };
    for (std::size_t i = 0; i < text.size();) {
      const text::DecodedCharacter next = text::decode_utf8(text, i);
      i += next.length;
      const bool ideograph = is_ideograph(next.value);
      if (ideograph || !is_word_character(next.value)) {
        after_apostrophe = length > 0 && (next.value == U'\'' || next.value == U'\u2019');
        finish();
        if (!ideograph) {
          continue;
        }
      }
      possessive = length == 0 ? after_apostrophe : possessive;
      text::append_utf8(options_.lowercase ? text::simple_lowercase(next.value) : next.value, word);
      ++length;
      if (ideograph) {
        finish();
      }
    }
    finish();
  }
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  static bool is_word_character(char32_t c) {
    if (c < 0x80) {
      return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || (c >= U'0' && c <= U'9');
    }
    const text::Category category = text::category(c);
    return category >= text::Category::kLu && category <= text::Category::kNo;
  }
  /// Han ideographs: unified, compatibility and their extensions [Unicode 15.0, section 18.1].
  static bool is_ideograph(char32_t c) {
    return (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x3FFFF);
  }
  [[nodiscard]] bool keeps(std::string_view word, Index length, bool possessive) const {
    static constexpr std::array<std::string_view, 33> kStopWords = {
        "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
        "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
        "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
    if (length < options_.min_length || (options_.strip_possessive && possessive && (word == "s" || word == "S"))) {
      return false;
    }
    return options_.stop_words == StopWords::kNone || !std::binary_search(kStopWords.begin(), kStopWords.end(), word);
  }

  Options options_;
};

static_assert(Analyzer<UnicodeWords>);

}  // namespace reasonembed::retrieval
