#pragma once
/// @file What an annotator has said, taken from a journal: for a fine-tuning set, and to compare annotators.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/distillation.hpp>
#include <reasonembed/remixer/journal_schema.hpp>
#include <reasonembed/remixer/labelled_rows.hpp>
#include <reasonembed/remixer/sqlite.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Whether a file is an SQLite database, as a journal is.
[[nodiscard]] inline bool is_sqlite_file(const std::filesystem::path& path) {
  try {
    detail::require_database(path);
  } catch (const DataError&) {
    return false;
  }
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && std::filesystem::file_size(path, error) > 0;
}

namespace detail {

/// @throws  DataError if a journal has no annotations: it may be of a run that stopped before, or be an old one
inline void require_annotations(bool any, const std::filesystem::path& path, std::string_view task) {
  if (!any) {
    throw DataError::invalid(
        path.string(),
        task.empty() ? "number of annotations" : "number of annotations of task " + io::in_quotes(task),
        "0",
        "at least 1: those that the last run of the synthesis has used");
  }
}

inline std::vector<ChatMessage> parse_messages(std::string_view text, const std::string& where) {
  std::vector<ChatMessage> messages;
  const io::Json json = io::parse_json(text, where);
  for (const io::Json& message : json) {
    const io::JsonFields fields(message, where);
    messages.push_back({.role = fields.get_string("role"), .content = fields.get_string("content")});
  }
  return messages;
}

}  // namespace detail

/// The annotations of a journal's last run, in the order of task, query and rank.
///
/// `document` is the document's id, since its text is in the messages.
///
/// @param task  of which they are; "" takes those of all tasks
/// @throws      IoError; DataError if the file is no journal of today's version, has no annotation, or keeps no prompts
[[nodiscard]] inline std::vector<AnnotationRecord> read_journal_annotations(const std::filesystem::path& path,
                                                                            std::string_view task = "") {
  SqliteDatabase database = detail::open_journal_to_read(path);
  SqliteStatement rows(database,
                       "SELECT query, document_id, score, reasoning, messages, annotations.call FROM annotations LEFT "
                       "JOIN prompts ON prompts.call = annotations.call WHERE ?1 = '' OR task = ?1 "
                       "ORDER BY task, query, rank, document_id");
  rows.bind(1, task);
  std::vector<AnnotationRecord> records;
  while (rows.step()) {
    const std::string where = path.string() + ": call " + std::to_string(rows.integer(5));
    if (rows.is_null(4)) {
      throw DataError::invalid(where, "prompt", "not kept", "its messages: a journal with keep_prompts");
    }
    records.push_back({.query = std::string(rows.text(0)),
                       .document = std::string(rows.text(1)),
                       .messages = detail::parse_messages(rows.text(4), where),
                       .answer = std::string(rows.text(3)),
                       .score = static_cast<int>(rows.integer(2))});
  }
  detail::require_annotations(!records.empty(), path, task);
  return records;
}

/// The scores of a journal's last run as labelled rows, one a query, whose documents are named by their ids.
/// @throws  as read_journal_annotations, prompts excepted
[[nodiscard]] inline std::vector<LabelledRow> read_journal_labels(const std::filesystem::path& path) {
  SqliteDatabase database = detail::open_journal_to_read(path);
  SqliteStatement rows(database,
                       "SELECT query, document_id, score FROM annotations ORDER BY task, query, rank, document_id");
  std::vector<LabelledRow> labelled;
  while (rows.step()) {
    if (labelled.empty() || labelled.back().query != rows.text(0)) {
      labelled.push_back({.query = std::string(rows.text(0))});
    }
    labelled.back().docs.emplace_back(rows.text(1));
    labelled.back().labels.push_back(static_cast<int>(rows.integer(2)));
  }
  detail::require_annotations(!labelled.empty(), path, "");
  return labelled;
}

}  // namespace reasonembed::remixer
