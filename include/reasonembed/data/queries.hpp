#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/corpus.hpp>
#include <reasonembed/data/json_id.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/utf8.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// One query.
struct Query {
  std::string id = {};
  std::string text = {};
  std::string reasoning = {};  ///< the same question with the reasoning it takes spelled out; empty if unknown
  std::vector<std::string> excluded = {};  ///< ids of documents that must not be retrieved for it

  friend bool operator==(const Query&, const Query&) = default;
};

/// The B queries of a dataset, with distinct ids.
class Queries {
 public:
  /// @return  the number of the query: 0, 1, 2, ...
  /// @throws  DataError if the id is there already; nothing is changed then
  Index add(Query query) {
    const auto [number, added] = ids_.add(query.id);
    if (!added) {
      throw DataError::invalid("data::Queries", "id", io::in_quotes(query.id), "one that no other query has");
    }
    texts_.push_back(std::move(query.text));
    reasoning_.push_back(std::move(query.reasoning));
    excluded_.push_back(std::move(query.excluded));
    return number;
  }

  /// @return  (B) ids by number
  [[nodiscard]] const std::vector<std::string>& ids() const { return ids_.strings(); }
  /// @return  (B) texts by number
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }
  /// @return  (B) reasoning texts by number, empty where there is none
  [[nodiscard]] const std::vector<std::string>& reasoning() const { return reasoning_; }
  /// @return  (B) excluded document ids by number; they need not be in the corpus
  [[nodiscard]] const std::vector<std::vector<std::string>>& excluded() const { return excluded_; }
  /// @return  the number of the query with this id, StringIndex::kAbsent if there is none
  [[nodiscard]] Index find(std::string_view id) const { return ids_.find(id); }
  [[nodiscard]] Query operator[](Index number) const {
    REASONEMBED_ASSERT(number >= 0 && number < size());
    const auto i = static_cast<std::size_t>(number);
    return {ids()[i], texts_[i], reasoning_[i], excluded_[i]};
  }
  /// @return  B
  [[nodiscard]] Index size() const { return ids_.size(); }
  [[nodiscard]] bool empty() const { return ids_.empty(); }

  friend bool operator==(const Queries&, const Queries&) = default;

 private:
  StringIndex ids_;
  std::vector<std::string> texts_;
  std::vector<std::string> reasoning_;
  std::vector<std::vector<std::string>> excluded_;
};

/// What happens to a query whose id an earlier row has with another text. One that repeats an earlier row's id and text
/// is left out in any case, and reported.
enum class DuplicateQueries : bool {
  kKeepFirst,  ///< the earlier one stays and has the judgements of both; the other is reported
  kRefuse,     ///< DataError: the judgements don't tell the two apart
};

/// Options of read_queries.
struct QueryFileOptions {
  /// Field that holds the text; empty: the first of `text`, `query`, `question` that the first row has.
  std::string query_field = {};
  /// Field that holds the reasoning text; empty: `reasoning_query` if the first row has it, else none.
  std::string reasoning_field = {};
  DuplicateQueries duplicates = DuplicateQueries::kKeepFirst;  ///< EntailmentBank has some

  friend bool operator==(const QueryFileOptions&, const QueryFileOptions&) = default;
};

namespace detail {

/// @throws  DataError that names the fields which the row has
inline const std::string& text_field(const io::JsonFields& row, std::string_view role, std::string_view name) {
  if (!row.has(name)) {
    std::string known;
    for (const auto& [key, value] : row.json().items()) {
      if (value.is_string()) {
        known += (known.empty() ? "one of the row's fields " : ", ") + key;
      }
    }
    throw DataError::invalid(
        row.where(), role, io::in_quotes(name), known.empty() ? "a field with text, of which the row has none" : known);
  }
  return row.get_string(name);
}

/// The options for all rows of a file, with the field names found out from its first.
inline QueryFileOptions resolved(const QueryFileOptions& options, const io::JsonFields& first) {
  QueryFileOptions found = options;
  if (found.query_field.empty()) {
    found.query_field = present_field(first, {"text", "query", "question", "text"});
  }
  if (found.reasoning_field.empty() && first.has("reasoning_query")) {
    found.reasoning_field = "reasoning_query";
  }
  return found;
}

/// The ids in an optional array; BRIGHT writes "N/A" for none.
inline std::vector<std::string> id_list(const io::JsonFields& row, std::string_view name) {
  std::vector<std::string> ids = row.find_strings(name).value_or(std::vector<std::string>());
  std::erase(ids, "N/A");
  return ids;
}

inline Query read_query(const io::JsonFields& row, const QueryFileOptions& options) {
  Query query;
  query.id = json_id(row, present_field(row, {"_id", "id"}));
  query.text = text_field(row, "query field", options.query_field);
  if (query.text.find_first_not_of(" \t\n\v\f\r") == std::string::npos) {
    throw DataError::invalid(
        row.where(), "field " + io::in_quotes(options.query_field), "blank", "the text of a query");
  }
  if (!options.reasoning_field.empty()) {
    query.reasoning = text_field(row, "reasoning field", options.reasoning_field);
  }
  query.excluded = id_list(row, "excluded_ids");
  return query;
}

/// Collects the queries of one file.
class QueriesBuilder {
 public:
  QueriesBuilder(const std::filesystem::path& path, const QueryFileOptions& options) : path_(path), options_(options) {}

  /// @return  the id of the row's query
  std::string add(const io::JsonFields& row) {
    ++line_;  // no blank lines stand between rows
    options_ = line_ == 1 ? resolved(options_, row) : options_;
    Query query = read_query(row, options_);
    std::string id = query.id;
    const Index earlier = queries_.find(id);
    if (earlier == StringIndex::kAbsent) {
      queries_.add(std::move(query));
      lines_.push_back(line_);
      return id;
    }
    const Query known = queries_[earlier];
    const bool same = known.text == query.text && known.excluded == query.excluded;
    if (!same && options_.duplicates == DuplicateQueries::kRefuse) {
      throw DataError::invalid(row.where(),
                               "id",
                               io::in_quotes(id),
                               "another one than line " + std::to_string(lines_[static_cast<std::size_t>(earlier)]) +
                                   " has, or the same query");
    }
    ++repeated_;
    different_ += same ? 0 : 1;
    example_ = repeated_ == 1 ? row.where() : example_;
    return id;
  }
  [[nodiscard]] Queries take(std::vector<std::string>& notes) {
    if (queries_.empty()) {
      throw DataError::invalid(path_.string(), "number of queries", "0", "at least 1");
    }
    if (repeated_ > 0) {
      notes.push_back(path_.string() + ": " + std::to_string(repeated_) +
                      " row(s) left out whose ids earlier rows have, " + std::to_string(different_) +
                      " of them with another text (first: " + example_ + ")");
    }
    return std::move(queries_);
  }

 private:
  std::filesystem::path path_;
  QueryFileOptions options_;
  Queries queries_;
  std::vector<std::size_t> lines_;  // of each query
  std::size_t line_ = 0;
  std::size_t repeated_ = 0;
  std::size_t different_ = 0;  // of those repeated
  std::string example_;
};

}  // namespace detail

/// Reads queries, one JSON object a line: the id in `_id` or `id`, the texts in the fields named, and `excluded_ids`,
/// an array of document ids, if there is one.
///
/// @param notes  receives a sentence on rows left out because an earlier one has their id
/// @throws       IoError if the file can't be read; DataError that names file:line for a broken row, a field that is
///               missing (with the fields there are) or of another type, a blank query, a duplicate id (if
///               DuplicateQueries::kRefuse) or text that is not UTF-8; DataError if there is no query
[[nodiscard]] inline Queries read_queries(const std::filesystem::path& path,
                                          std::vector<std::string>& notes,
                                          const QueryFileOptions& options = {}) {
  detail::QueriesBuilder queries(path, options);
  io::for_each_json_line(path, [&](const io::JsonFields& row) { (void)queries.add(row); });
  return queries.take(notes);
}

}  // namespace reasonembed::data
