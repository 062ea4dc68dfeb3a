#pragma once
/// @file What a language model's answer is worth: a query, a score, a yes or no, or a fault to count.
#include <reasonembed/config.hpp>
#include <reasonembed/core/expected.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/refusal.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Why an answer can't be used.
enum class AnswerFault : std::uint8_t {
  kNotUtf8,    ///< some byte is not UTF-8
  kFiltered,   ///< the server's filter stepped in
  kTruncated,  ///< it was cut off at max_tokens, or within its thoughts
  kEmpty,      ///< nothing is left once thoughts, fences and quotes are gone
  kRefusal,    ///< the model declines to answer
  kNonsense,   ///< not what was asked for: too few words, a placeholder, neither yes nor no
  kNoScore,    ///< no <score>...</score>
  kBadScore,   ///< something else than one of 1, 2, 3, 4, 5 between the tags
};

/// How many kinds of AnswerFault there are.
inline constexpr std::size_t kAnswerFaults = 8;

/// The kind of a fault in words.
[[nodiscard]] inline std::string_view describe(AnswerFault fault) {
  constexpr std::array<std::string_view, kAnswerFaults> kWords = {"not UTF-8",
                                                                  "filtered",
                                                                  "cut off",
                                                                  "empty",
                                                                  "refused",
                                                                  "not what was asked for",
                                                                  "without a score",
                                                                  "with a score that is none of 1 to 5"};
  return kWords[static_cast<std::size_t>(fault)];
}

template <class T>
using Parsed = Expected<T, AnswerFault>;

namespace detail {

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";
  const std::size_t start = text.find_first_not_of(kWhiteSpace);
  return start == std::string_view::npos ? std::string_view()
                                         : text.substr(start, text.find_last_not_of(kWhiteSpace) + 1 - start);
}

/// The text inside one code fence that encloses all of `text`; `text` itself if there is none.
inline std::string_view without_fence(std::string_view text) {
  for (const std::string_view fence : {std::string_view("```"), std::string_view("~~~")}) {
    const std::size_t first_line = text.find('\n');
    if (text.size() < 2 * fence.size() || !text.starts_with(fence) || !text.ends_with(fence) ||
        first_line == std::string_view::npos || first_line + fence.size() >= text.size()) {
      continue;
    }
    const std::string_view inside = text.substr(first_line + 1, text.size() - first_line - 1 - fence.size());
    if (inside.ends_with('\n') && inside.find(fence) == std::string_view::npos) {
      return trimmed(inside);  // the last fence has a line of its own, and no other stands between
    }
  }
  return text;
}

/// The text inside a pair of quotes that encloses all of `text`; `text` itself if there is none. Quotes that close
/// earlier enclose words of the text, not the text.
inline std::string_view without_quotes(std::string_view text) {
  using Pair = std::pair<std::string_view, std::string_view>;
  for (const auto& [open, close] : {Pair{"\"", "\""},
                                    {"'", "'"},
                                    {"`", "`"},
                                    {"\xE2\x80\x9C", "\xE2\x80\x9D"},
                                    {"\xE2\x80\x98", "\xE2\x80\x99"},
                                    {"\xE2\x80\x9E", "\xE2\x80\x9C"},
                                    {"\xC2\xAB", "\xC2\xBB"}}) {
    if (text.size() < open.size() + close.size() || !text.starts_with(open) || !text.ends_with(close)) {
      continue;
    }
    const std::string_view inside = text.substr(open.size(), text.size() - open.size() - close.size());
    const bool apostrophes = close == "'" || close == "\xE2\x80\x99";
    if (apostrophes ? !inside.starts_with(' ') : inside.find(close) == std::string_view::npos) {
      return trimmed(inside);
    }
  }
  return text;
}

/// Words as white space of ASCII separates them, counted up to `most`.
inline std::size_t count_words(std::string_view text, std::size_t most) {
  std::size_t count = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size() && count < most; ++i) {
    const bool blank = std::string_view(" \t\n\v\f\r").find(text[i]) != std::string_view::npos;
    count += !blank && !inside ? 1 : 0;
    inside = !blank;
  }
  return count;
}

}  // namespace detail

/// The text of an answer: without the thoughts of models that think aloud (`<think>...</think>`), without white space
/// at its ends, and without a code fence or quotes that enclose all of it.
///
/// @return  not empty, UTF-8
[[nodiscard]] inline Parsed<std::string> parse_text(const ChatAnswer& answer) {
  if (io::find_invalid_utf8(answer.text) != std::string_view::npos) {
    return Unexpected(AnswerFault::kNotUtf8);
  }
  if (answer.finish == Finish::kFiltered) {
    return Unexpected(AnswerFault::kFiltered);
  }
  constexpr std::string_view kThoughtsEnd = "</think>";
  std::string_view text = detail::trimmed(answer.text);
  const std::size_t thoughts = text.rfind(kThoughtsEnd);
  if (answer.finish == Finish::kLength || (thoughts == std::string_view::npos && text.starts_with("<think>"))) {
    return Unexpected(AnswerFault::kTruncated);
  }
  text = thoughts == std::string_view::npos ? text : detail::trimmed(text.substr(thoughts + kThoughtsEnd.size()));
  text = detail::without_quotes(detail::without_fence(text));
  if (text.empty()) {
    return Unexpected(AnswerFault::kEmpty);
  }
  return std::string(text);
}

/// A query, or the text that stands for one.
///
/// @param least_words  fewer are no query
[[nodiscard]] inline Parsed<std::string> parse_query(const ChatAnswer& answer, std::size_t least_words = 3) {
  return parse_text(answer).and_then([&](const std::string& text) -> Parsed<std::string> {
    if (is_refusal(text)) {
      return Unexpected(AnswerFault::kRefusal);
    }
    const bool placeholder =
        text.find("{{") != std::string::npos && text.find("}}") != std::string::npos &&
        (text.find("{{document}}") != std::string::npos || text.find("{{query}}") != std::string::npos);
    if (placeholder || text.find('\0') != std::string::npos || detail::count_words(text, least_words) < least_words) {
      return Unexpected(AnswerFault::kNonsense);
    }
    return text;
  });
}

/// The score of an annotation: the last `<score>N</score>`, N one of 1, 2, 3, 4, 5; white space and the asterisks of
/// bold type around N don't count.
[[nodiscard]] inline Parsed<int> parse_score(const ChatAnswer& answer) {
  return parse_text(answer).and_then([](const std::string& text) -> Parsed<int> {
    constexpr std::string_view kOpen = "<score>";
    constexpr std::string_view kClose = "</score>";
    const std::size_t close = text.rfind(kClose);
    const std::size_t open = close == std::string::npos ? close : text.rfind(kOpen, close);
    if (open == std::string::npos) {
      return Unexpected(is_refusal(text) ? AnswerFault::kRefusal : AnswerFault::kNoScore);
    }
    std::string_view score = std::string_view(text).substr(open + kOpen.size(), close - open - kOpen.size());
    score = detail::trimmed(score);
    while (score.size() >= 2 && score.front() == '*' && score.back() == '*') {
      score = detail::trimmed(score.substr(1, score.size() - 2));
    }
    if (score.size() != 1 || score.front() < '1' || score.front() > '5') {
      return Unexpected(AnswerFault::kBadScore);
    }
    return score.front() - '0';
  });
}

/// "Yes" or "No", exactly.
[[nodiscard]] inline Parsed<bool> parse_yes_no(const ChatAnswer& answer) {
  return parse_text(answer).and_then([](const std::string& text) -> Parsed<bool> {
    if (text != "Yes" && text != "No") {
      return Unexpected(is_refusal(text) ? AnswerFault::kRefusal : AnswerFault::kNonsense);
    }
    return text == "Yes";
  });
}

}  // namespace reasonembed::remixer
