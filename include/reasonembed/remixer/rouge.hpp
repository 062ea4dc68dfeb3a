#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/text/porter_stemmer.hpp>
#include <reasonembed/text/unicode.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// How much of one text's words another one has.
struct RougeScore {
  double precision = 0;  ///< words in common over the words of the prediction, in [0, 1]
  double recall = 0;     ///< words in common over the words of the target
  double f1 = 0;         ///< their harmonic mean, 0 if there is nothing in common

  friend bool operator==(const RougeScore&, const RougeScore&) = default;
};

/// Options of rouge_words and rouge_1.
struct RougeOptions {
  bool stemming = false;  ///< words of more than three letters are reduced to their stems (text::PorterStemmer)

  friend bool operator==(const RougeOptions&, const RougeOptions&) = default;
};

namespace detail {

/// The character in lower case if that is a letter of ASCII or a digit, else 0. Two characters beyond ASCII become such
/// letters: the Kelvin sign, and I with a dot, of which Python keeps the dot as a character of its own.
inline char rouge_letter(char32_t c) {
  if (c == U'\u212A') {
    return 'k';
  }
  if (c == U'\u0130') {
    return 'i';
  }
  if (c >= U'A' && c <= U'Z') {
    return static_cast<char>(c - U'A' + U'a');
  }
  return (c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9') ? static_cast<char>(c) : '\0';
}

}  // namespace detail

/// The words that ROUGE counts: runs of a to z and 0 to 9 in the text in lower case, everything else separates.
///
/// @param text  UTF-8; malformed bytes separate
/// @return      the words of `rouge_score.tokenize.tokenize`
[[nodiscard]] inline std::vector<std::string> rouge_words(std::string_view text, const RougeOptions& options = {}) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) {
      words.push_back(options.stemming && word.size() > 3 ? text::PorterStemmer().stem(word) : word);
      word.clear();
    }
  };
  for (std::size_t i = 0; i < text.size();) {
    const text::DecodedCharacter next = text::decode_utf8(text, i);
    i += next.length;
    const char letter = detail::rouge_letter(next.value);
    if (letter == '\0') {
      finish();
      continue;
    }
    word += letter;
    if (next.value == U'\u0130') {
      finish();  // the dot separates
    }
  }
  finish();
  return words;
}

/// ROUGE-1: words in common, each as often as both texts have it.
///
///   common = sum_w min(count_w(target), count_w(prediction))                                   [Lin 2004, sec. 2]
///
/// @return  the numbers of `RougeScorer(["rouge1"], use_stemmer=options.stemming).score(target, prediction)`, to the
/// bit
/// @note    O(length of both)
[[nodiscard]] inline RougeScore rouge_1(std::string_view target,
                                        std::string_view prediction,
                                        const RougeOptions& options = {}) {
  const std::vector<std::string> wanted = rouge_words(target, options);
  const std::vector<std::string> got = rouge_words(prediction, options);
  std::unordered_map<std::string_view, Index> counts;
  for (const std::string& word : wanted) {
    ++counts[word];
  }
  Index common = 0;
  for (const std::string& word : got) {
    const auto left = counts.find(word);
    if (left != counts.end() && left->second > 0) {
      --left->second;
      ++common;
    }
  }
  const auto part = [common](std::size_t all) {
    return static_cast<double>(common) / static_cast<double>(all == 0 ? 1 : all);
  };
  RougeScore score{part(got.size()), part(wanted.size()), 0};
  if (score.precision + score.recall > 0) {
    score.f1 = 2 * score.precision * score.recall / (score.precision + score.recall);
  }
  return score;
}

}  // namespace reasonembed::remixer
