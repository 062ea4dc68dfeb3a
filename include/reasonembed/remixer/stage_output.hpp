#pragma once
/// @file What stages leave in the journal: which texts a question is about, and what was taken from its answer.
#include <reasonembed/config.hpp>
#include <reasonembed/core/sha256.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/remixer/answer_parser.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/records.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// The id of a text that has no other: the first 16 hexadecimal digits of its SHA-256.
[[nodiscard]] inline std::string text_id(std::string_view text) {
  return sha256(text).substr(0, 16);
}
/// @return  a document's id, or that of its text
[[nodiscard]] inline std::string document_id(const SourceDocument& document) {
  return document.id.empty() ? text_id(document.text) : document.id;
}

/// Reads a generated query: {"query_id", "query"}.
[[nodiscard]] inline std::optional<std::string> query_output(const ChatAnswer& answer) {
  const Parsed<std::string> query = parse_query(answer);
  return query ? std::optional(io::dump_json({{"query_id", text_id(*query)}, {"query", *query}}, -1)) : std::nullopt;
}
/// Reads a query with its reasoning: {"reasoning_query"}.
[[nodiscard]] inline std::optional<std::string> reasoning_output(const ChatAnswer& answer) {
  const Parsed<std::string> query = parse_query(answer);
  return query ? std::optional(io::dump_json({{"reasoning_query", *query}}, -1)) : std::nullopt;
}
/// Reads a score: {"score"}.
[[nodiscard]] inline std::optional<std::string> score_output(const ChatAnswer& answer) {
  const Parsed<int> score = parse_score(answer);
  return score ? std::optional(io::dump_json({{"score", *score}}, -1)) : std::nullopt;
}
/// Reads whether a document belongs to a domain: {"belongs"}.
[[nodiscard]] inline std::optional<std::string> domain_output(const ChatAnswer& answer) {
  const Parsed<bool> belongs = parse_yes_no(answer);
  return belongs ? std::optional(io::dump_json({{"belongs", *belongs}}, -1)) : std::nullopt;
}

}  // namespace reasonembed::remixer
