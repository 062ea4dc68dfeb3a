#pragma once
#include <reasonembed/config.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

namespace detail {

/// The first `limit` bytes of `text` with letters of ASCII in lower case, typographic apostrophes as plain ones, and
/// white space as blanks.
inline std::string plain_opening(std::string_view text, std::size_t limit) {
  constexpr std::string_view kApostrophe = "\xE2\x80\x99";
  std::string plain;
  for (std::size_t i = 0; i < text.size() && plain.size() < limit; ++i) {
    if (text.substr(i).starts_with(kApostrophe)) {
      plain += '\'';
      i += kApostrophe.size() - 1;
    } else {
      const char c = text[i];
      plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '\n' || c == '\t' ? ' ' : c;
    }
  }
  return plain;
}

/// Removes the first of `openings` that `text` begins with. @return whether there was one
template <std::size_t N>
bool take_opening(std::string_view& text, const std::array<std::string_view, N>& openings) {
  for (const std::string_view opening : openings) {
    if (text.starts_with(opening)) {
      text.remove_prefix(opening.size());
      return true;
    }
  }
  return false;
}

inline constexpr std::array<std::string_view, 9> kApologies = {"i'm sorry",
                                                               "i am sorry",
                                                               "i'm really sorry",
                                                               "sorry",
                                                               "i apologize",
                                                               "i apologise",
                                                               "my apologies",
                                                               "unfortunately",
                                                               "i must decline"};
inline constexpr std::array<std::string_view, 9> kInabilities = {"i can't ",
                                                                 "i cannot ",
                                                                 "i can not ",
                                                                 "i'm unable to ",
                                                                 "i am unable to ",
                                                                 "i'm not able to ",
                                                                 "i am not able to ",
                                                                 "i won't ",
                                                                 "i will not "};
// What only a refusal says, and what a person who asks may say, too ("I can't create a branch").
inline constexpr std::array<std::string_view, 7> kRefused = {
    "assist", "comply", "fulfil", "help with th", "help you", "engage in", "help with your request"};
inline constexpr std::array<std::string_view, 9> kRefusedWithApology = {
    "help", "provide", "generate", "create", "write", "continue", "answer", "do that", "produce"};
inline constexpr std::array<std::string_view, 4> kMachines = {
    "as an ai ", "as a language model", "as an artificial", "as a large language model"};

}  // namespace detail

/// Whether a text is a model's refusal to answer, and not a person's question that begins alike ("I can't get my bread
/// to rise", "Sorry if this is a stupid question").
///
/// @note  knows the English openings of refusals; an answer longer than 600 bytes is none, for refusals are short
[[nodiscard]] inline bool is_refusal(std::string_view text) {
  constexpr std::size_t kLongest = 600;
  constexpr std::size_t kOpening = 160;
  if (text.size() > kLongest) {
    return false;
  }
  const std::string plain = detail::plain_opening(text, kOpening);
  std::string_view rest = plain;
  if (detail::take_opening(rest, detail::kMachines)) {
    return true;
  }
  const bool apology = detail::take_opening(rest, detail::kApologies);
  while (apology && !rest.empty() && (rest.front() == ',' || rest.front() == '.' || rest.front() == ' ')) {
    rest.remove_prefix(1);
  }
  if (apology) {
    if (rest.starts_with("but ")) {
      rest.remove_prefix(4);
    }
    if (detail::take_opening(rest, detail::kMachines)) {
      return true;
    }
  }
  return detail::take_opening(rest, detail::kInabilities) &&
         (detail::take_opening(rest, detail::kRefused) ||
          (apology && detail::take_opening(rest, detail::kRefusedWithApology)));
}

}  // namespace reasonembed::remixer
