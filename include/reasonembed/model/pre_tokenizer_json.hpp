#pragma once
/// @file The "pre_tokenizer" of a tokenizer.json.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/normalizer_json.hpp>
#include <reasonembed/text/pre_tokenizers.hpp>
#include <reasonembed/text/regular_expression.hpp>
#include <reasonembed/text/split_patterns.hpp>
#include <reasonembed/text/splitter.hpp>
#include <reasonembed/text/unicode.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The regular expressions that have a scanner of their own, as files write them.
inline constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Regex = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
                                                R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Regex = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                                                 R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace detail {

inline decltype(text::PatternSplit::pattern) split_pattern_of(const io::JsonFields& part) {
  const std::string regex = part.get_object("pattern").find_string("Regex").value_or("");
  if (regex == kGpt2Regex) {
    return text::Gpt2Pattern();
  }
  if (regex == kQwen2Regex) {
    return text::TiktokenPattern{1};
  }
  if (regex == kLlama3Regex) {
    return text::TiktokenPattern{3};
  }
  if (!regex.empty() && !text::TextPattern::from_regex(regex)) {
    return text::RegularExpression(regex, part.where());
  }
  return text_pattern_of(part);
}

inline text::SplitBehavior split_behavior_of(const io::JsonFields& part, std::string_view otherwise) {
  const std::string name = part.find_string("behavior").value_or(std::string(otherwise));
  if (name == "Removed") {
    return text::SplitBehavior::kRemoved;
  }
  if (name == "Isolated") {
    return text::SplitBehavior::kIsolated;
  }
  if (name == "MergedWithPrevious") {
    return text::SplitBehavior::kMergedWithPrevious;
  }
  if (name == "MergedWithNext") {
    return text::SplitBehavior::kMergedWithNext;
  }
  if (name == "Contiguous") {
    return text::SplitBehavior::kContiguous;
  }
  throw ConfigError::invalid(part.where(),
                             "behavior",
                             name.empty() ? "missing" : io::in_quotes(name),
                             "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

inline text::Metaspace metaspace_of(const io::JsonFields& part) {
  const std::string& replacement = part.get_string("replacement");
  const std::string scheme = part.find_string("prepend_scheme").value_or("always");
  if (text::count_characters(replacement) != 1) {
    throw ConfigError::invalid(part.where(), "replacement", io::in_quotes(replacement), "one character");
  }
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    throw ConfigError::invalid(part.where(), "prepend_scheme", io::in_quotes(scheme), "always, first or never");
  }
  if (!part.find_bool("add_prefix_space").value_or(true) && scheme != "never") {
    throw ConfigError::invalid(
        part.where(), "prepend_scheme", io::in_quotes(scheme), "never, as add_prefix_space says");
  }
  return {.replacement = replacement,
          .scheme = scheme == "always"  ? text::Metaspace::Scheme::kAlways
                    : scheme == "first" ? text::Metaspace::Scheme::kFirst
                                        : text::Metaspace::Scheme::kNever,
          .cut = part.find_bool("split").value_or(true)};
}

inline text::PreTokenizerStep pre_tokenizer_step_of(const io::JsonFields& part) {
  const std::string& type = part.get_string("type");
  if (type == "ByteLevel") {
    return text::ByteLevelWords{.add_prefix_space = part.get_bool("add_prefix_space"),
                                .use_pattern = part.find_bool("use_regex").value_or(true)};
  }
  if (type == "Split") {
    return text::PatternSplit{
        .pattern = split_pattern_of(part), .behavior = split_behavior_of(part, ""), .invert = part.get_bool("invert")};
  }
  if (type == "Metaspace") {
    return metaspace_of(part);
  }
  if (type == "Whitespace") {
    return text::WhitespaceWords();
  }
  if (type == "WhitespaceSplit") {
    return text::WhitespaceSplit();
  }
  if (type == "BertPreTokenizer") {
    return text::BertWords();
  }
  if (type == "Digits") {
    return text::Digits{part.get_bool("individual_digits")};
  }
  if (type == "Punctuation") {
    return text::Punctuation{split_behavior_of(part, "Isolated")};
  }
  throw ConfigError::invalid(part.where(),
                             "type of a pre_tokenizer",
                             io::in_quotes(type),
                             "ByteLevel, Split, Metaspace, Whitespace, WhitespaceSplit, BertPreTokenizer, Digits, "
                             "Punctuation or Sequence");
}

/// @param file  a whole tokenizer.json
inline text::PreTokenizerSequence pre_tokenizer_of(const io::JsonFields& file) {
  std::vector<text::PreTokenizerStep> steps;
  if (file.has("pre_tokenizer")) {
    const io::JsonFields part(file.get_object("pre_tokenizer").json(), file.where() + ": pre_tokenizer");
    for_each_json_part(
        part, "pretokenizers", [&](const io::JsonFields& step) { steps.push_back(pre_tokenizer_step_of(step)); });
  }
  return text::PreTokenizerSequence(std::move(steps));
}

}  // namespace detail

}  // namespace reasonembed::model
