#pragma once
/// @file One sample of contrastive training: its form in memory and in JSON, and what is refused.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/expected.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// The largest group and batch size that a row may ask for: beyond it stands a mistake, not a recipe.
inline constexpr Index kLargestRowSize = Index{1} << 20;

/// A query with documents that answer it and documents that don't.
///
/// The names are those of the JSON fields, see docs/file_formats.md.
struct TrainingRow {
  std::string query = {};                      ///< without its prompt
  std::vector<std::string> pos = {};           ///< relevant documents, at least one
  std::vector<std::string> neg = {};           ///< documents that are not relevant, may be none
  std::vector<double> pos_scores = {};         ///< one for each of `pos`, or none
  std::vector<double> neg_scores = {};         ///< one for each of `neg`, or none
  std::string prompt = {};                     ///< what the query asks for, see instructed_query; empty: none
  std::string type = {};                       ///< kind of the task; empty: none
  std::string reasoning_query = {};            ///< the query with the reasoning it takes spelled out; empty: unknown
  std::optional<Index> train_group_size = {};  ///< documents a visit of this row takes, its positive included
  std::optional<Index> batch_size = {};        ///< queries in a batch of this row's file, per device

  friend bool operator==(const TrainingRow&, const TrainingRow&) = default;
};

namespace detail {

inline constexpr std::string_view kInstruction = "Instruct: ";
inline constexpr std::string_view kInstructedQuery = "\nQuery: ";

/// @return  bytes before the query in its instructed form
constexpr std::size_t instruction_size(std::string_view prompt) {
  return prompt.empty() ? 0 : kInstruction.size() + prompt.size() + kInstructedQuery.size();
}

}  // namespace detail

/// The text of a query as it is encoded: `Instruct: PROMPT\nQuery: QUERY`, the query alone if there is no prompt.
///
/// @note  the form that the published models were trained with, letter by letter; documents are encoded as they are
[[nodiscard]] inline std::string instructed_query(std::string_view prompt, std::string_view query) {
  if (prompt.empty()) {
    return std::string(query);
  }
  std::string text;
  text.reserve(detail::instruction_size(prompt) + query.size());
  return text.append(detail::kInstruction).append(prompt).append(detail::kInstructedQuery).append(query);
}

/// Why a row can't be trained on.
enum class RowFault : unsigned char {
  kNotUtf8,     ///< some byte is not UTF-8
  kNotJson,     ///< not one JSON object
  kBlankLine,   ///< a line without a row, before the last row
  kWrongField,  ///< a field is missing or of another type
  kNoPositive,  ///< no relevant document
  kEmptyText,   ///< the query or a document is white space
  kSize,        ///< group or batch size outside of [1, kLargestRowSize]
  kScores,      ///< scores that are not one for each document, or not finite
};

/// How many kinds of RowFault there are.
inline constexpr std::size_t kRowFaults = 8;

/// The kind of a fault in words.
[[nodiscard]] inline std::string_view describe(RowFault fault) {
  constexpr std::array<std::string_view, kRowFaults> kWords = {"not UTF-8",
                                                               "not a JSON object",
                                                               "a blank line",
                                                               "a field missing or of another type",
                                                               "no positive document",
                                                               "an empty text",
                                                               "a group or batch size out of range",
                                                               "scores that don't fit the documents"};
  return kWords[static_cast<std::size_t>(fault)];
}

/// What is wrong with one row.
struct RowProblem {
  RowFault fault = RowFault::kNotJson;
  std::string message = {};  ///< `where: what is got, expected want`

  friend bool operator==(const RowProblem&, const RowProblem&) = default;
};

namespace detail {

/// @return  whether `text` has nothing but the white space of ASCII
inline bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\v\f\r") == std::string_view::npos;
}

inline RowProblem row_problem(
    RowFault fault, std::string_view where, std::string_view what, std::string_view got, std::string_view want) {
  return {fault, reasonembed::detail::error_text(where, what, got, want)};
}

/// @param required  whether the text must not be blank
inline std::optional<RowProblem> text_problem(std::string_view where,
                                              std::string_view what,
                                              std::string_view text,
                                              bool required) {
  if (const std::size_t bad = io::find_invalid_utf8(text); bad != std::string_view::npos) {
    const std::string byte = "0x" + io::detail::hex_byte(static_cast<unsigned char>(text[bad]));
    return row_problem(
        RowFault::kNotUtf8, where, "byte " + std::to_string(bad + 1) + " of " + std::string(what), byte, "UTF-8 text");
  }
  if (required && is_blank(text)) {
    return row_problem(RowFault::kEmptyText, where, what, "blank", "text");
  }
  return std::nullopt;
}

inline std::optional<RowProblem> documents_problem(std::string_view where,
                                                   const std::string& name,
                                                   const std::vector<std::string>& documents,
                                                   const std::vector<double>& scores) {
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (auto problem = text_problem(where, name + "[" + std::to_string(i) + "]", documents[i], true)) {
      return problem;
    }
  }
  if (!scores.empty() && scores.size() != documents.size()) {
    return row_problem(RowFault::kScores,
                       where,
                       "number of " + name + "_scores",
                       std::to_string(scores.size()),
                       std::to_string(documents.size()) + ", one for each of " + name);
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      return row_problem(
          RowFault::kScores, where, name + "_scores[" + std::to_string(i) + "]", "not finite", "a finite number");
    }
  }
  return std::nullopt;
}

inline std::optional<RowProblem> size_problem(std::string_view where,
                                              std::string_view name,
                                              std::optional<Index> size) {
  if (size && (*size < 1 || *size > kLargestRowSize)) {
    return row_problem(
        RowFault::kSize, where, name, std::to_string(*size), "in [1, " + std::to_string(kLargestRowSize) + "]");
  }
  return std::nullopt;
}

/// An optional array of numbers; empty if absent or null.
inline std::vector<double> find_numbers(const io::JsonFields& fields, const std::string& name) {
  std::vector<double> numbers;
  if (fields.has(name)) {
    for (const io::Json& element : fields.get_array(name)) {
      if (!element.is_number()) {
        throw DataError::invalid(fields.where(),
                                 name + "[" + std::to_string(numbers.size()) + "]",
                                 std::string("a JSON ") + element.type_name(),
                                 "a number");
      }
      numbers.push_back(element.get<double>());
    }
  }
  return numbers;
}

inline TrainingRow read_fields(const io::JsonFields& fields) {
  TrainingRow row;
  row.query = fields.get_string("query");
  row.pos = fields.find_strings("pos").value_or(row.pos);
  row.neg = fields.find_strings("neg").value_or(row.neg);
  row.pos_scores = find_numbers(fields, "pos_scores");
  row.neg_scores = find_numbers(fields, "neg_scores");
  row.prompt = fields.find_string("prompt").value_or("");
  row.type = fields.find_string("type").value_or("");
  row.reasoning_query = fields.find_string("reasoning_query").value_or("");
  row.train_group_size = fields.find_int("train_group_size");
  row.batch_size = fields.find_int("batch_size");
  return row;
}

}  // namespace detail

/// What keeps a row from being trained on.
///
/// @param where  what the message calls the row: file:line
/// @return       the first problem, nothing if the row is sound
/// @note         O(bytes of the row)
[[nodiscard]] inline std::optional<RowProblem> find_problem(const TrainingRow& row, std::string_view where) {
  using detail::text_problem;
  if (auto problem = text_problem(where, "query", row.query, true)) {
    return problem;
  }
  for (const auto& [name, text] : {std::pair<std::string_view, std::string_view>{"prompt", row.prompt},
                                   {"type", row.type},
                                   {"reasoning_query", row.reasoning_query}}) {
    if (auto problem = text_problem(where, name, text, false)) {
      return problem;
    }
  }
  if (row.pos.empty()) {
    return detail::row_problem(RowFault::kNoPositive, where, "number of pos", "0", "at least 1");
  }
  if (auto problem = detail::documents_problem(where, "pos", row.pos, row.pos_scores)) {
    return problem;
  }
  if (auto problem = detail::documents_problem(where, "neg", row.neg, row.neg_scores)) {
    return problem;
  }
  if (auto problem = detail::size_problem(where, "train_group_size", row.train_group_size)) {
    return problem;
  }
  return detail::size_problem(where, "batch_size", row.batch_size);
}

/// Reads a row from a line of JSON. Absent and null fields are alike; unknown ones are ignored.
///
/// @param where  what the message calls the row: file:line
/// @return       a row of which the fields have their types; find_problem says whether it is sound
[[nodiscard]] inline Expected<TrainingRow, RowProblem> parse_training_row(std::string_view text,
                                                                          const std::string& where) {
  RowFault fault = RowFault::kNotJson;
  try {
    const io::Json json = io::parse_json(text, where);
    const io::JsonFields fields(json, where);
    fault = RowFault::kWrongField;
    return detail::read_fields(fields);
  } catch (const DataError& error) {
    return Unexpected(RowProblem{fault, error.what()});
  }
}

/// The row as JSON, without the fields that it does not set; `neg` always stands there.
[[nodiscard]] inline io::Json training_row_json(const TrainingRow& row) {
  io::Json json = {{"query", row.query}, {"pos", row.pos}, {"neg", row.neg}};
  const auto put = [&](const char* name, const auto& value) {
    if (!value.empty()) {
      json[name] = value;
    }
  };
  put("pos_scores", row.pos_scores);
  put("neg_scores", row.neg_scores);
  put("prompt", row.prompt);
  put("type", row.type);
  put("reasoning_query", row.reasoning_query);
  if (row.train_group_size) {
    json["train_group_size"] = *row.train_group_size;
  }
  if (row.batch_size) {
    json["batch_size"] = *row.batch_size;
  }
  return json;
}

}  // namespace reasonembed::data
