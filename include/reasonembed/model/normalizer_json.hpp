#pragma once
/// @file The "normalizer" of a tokenizer.json.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/base64.hpp>
#include <reasonembed/text/bert_normalizer.hpp>
#include <reasonembed/text/character_map.hpp>
#include <reasonembed/text/normalizers.hpp>
#include <reasonembed/text/text_pattern.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

/// The parts of a "Sequence", or a part alone, in order: calls on_part(const JsonFields&) for each.
///
/// @param list  how the array of a sequence is called
template <class OnPart>
void for_each_json_part(const io::JsonFields& part, std::string_view list, OnPart&& on_part) {
  if (part.get_string("type") != "Sequence") {
    on_part(part);
    return;
  }
  std::size_t count = 0;
  for (const io::Json& element : part.get_array(list)) {
    const std::string name = std::string(list) + "[" + std::to_string(count++) + "]";
    for_each_json_part(io::JsonFields(element, part.where() + ": " + name), list, on_part);
  }
}

/// {"String": text} or {"Regex": regular expression}.
///
/// @throws ConfigError naming an expression that is not understood
inline text::TextPattern text_pattern_of(const io::JsonFields& part) {
  const io::JsonFields pattern = part.get_object("pattern");
  if (const std::optional<std::string> literal = pattern.find_string("String")) {
    if (literal->empty()) {
      throw ConfigError::invalid(part.where(), "pattern.String", "empty", "at least one character");
    }
    return text::TextPattern(*literal);
  }
  const std::string& regex = pattern.get_string("Regex");
  if (std::optional<text::TextPattern> known = text::TextPattern::from_regex(regex)) {
    return *std::move(known);
  }
  throw ConfigError::invalid(
      part.where(), "pattern.Regex", io::in_quotes(regex, 200), "one character or \\s, alone or with + or {n,}");
}

inline text::BertNormalizer bert_normalizer_of(const io::JsonFields& part) {
  return text::BertNormalizer({.clean_text = part.get_bool("clean_text"),
                               .handle_chinese_chars = part.get_bool("handle_chinese_chars"),
                               .strip_accents = part.find_bool("strip_accents"),
                               .lowercase = part.get_bool("lowercase")});
}

inline text::NormalizerStep normalizer_step_of(const io::JsonFields& part) {
  const std::string& type = part.get_string("type");
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    return text::NormalizationForm{.compose = type.back() == 'C', .compatibility = type[2] == 'K'};
  }
  if (type == "BertNormalizer") {
    return bert_normalizer_of(part);
  }
  if (type == "Lowercase") {
    return text::Lowercase();
  }
  if (type == "StripAccents") {
    return text::StripAccents();
  }
  if (type == "Strip") {
    return text::Strip{.left = part.get_bool("strip_left"), .right = part.get_bool("strip_right")};
  }
  if (type == "Replace") {
    return text::Replace{.pattern = text_pattern_of(part), .content = part.get_string("content")};
  }
  if (type == "Prepend") {
    return text::Prepend{part.get_string("prepend")};
  }
  if (type == "Nmt") {
    return text::Nmt();
  }
  if (type == "ByteLevel") {
    return text::ByteLevelNormalizer();
  }
  if (type == "Precompiled") {
    const std::string table = part.find_string("precompiled_charsmap").value_or("");
    return text::CharacterMap(decode_base64(table, part.where(), "precompiled_charsmap"), part.where());
  }
  throw ConfigError::invalid(part.where(),
                             "type of a normalizer",
                             io::in_quotes(type),
                             "NFC, NFD, NFKC, NFKD, BertNormalizer, Lowercase, StripAccents, Strip, Replace, Prepend, "
                             "Nmt, ByteLevel, Precompiled or Sequence");
}

/// @param file  a whole tokenizer.json
inline text::NormalizerSequence normalizer_of(const io::JsonFields& file) {
  std::vector<text::NormalizerStep> steps;
  if (file.has("normalizer")) {
    const io::JsonFields part(file.get_object("normalizer").json(), file.where() + ": normalizer");
    for_each_json_part(
        part, "normalizers", [&](const io::JsonFields& step) { steps.push_back(normalizer_step_of(step)); });
  }
  return text::NormalizerSequence(std::move(steps));
}

}  // namespace detail

}  // namespace reasonembed::model
