#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/json_id.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/utf8.hpp>

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// The N documents to search: distinct ids and their texts.
class Corpus {
 public:
  /// @return  the number of the document: 0, 1, 2, ...
  /// @throws  DataError if the id is there already; nothing is changed then
  Index add(std::string_view id, std::string text) {
    const auto [number, added] = ids_.add(id);
    if (!added) {
      throw DataError::invalid("data::Corpus", "id", io::in_quotes(id), "one that no other document has");
    }
    texts_.push_back(std::move(text));
    return number;
  }

  /// @return  (N) ids by number
  [[nodiscard]] const std::vector<std::string>& ids() const { return ids_.strings(); }
  /// @return  (N) texts by number
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }
  /// @return  the number of the document with this id, StringIndex::kAbsent if there is none
  [[nodiscard]] Index find(std::string_view id) const { return ids_.find(id); }
  /// @return  N
  [[nodiscard]] Index size() const { return ids_.size(); }
  [[nodiscard]] bool empty() const { return ids_.empty(); }

  friend bool operator==(const Corpus&, const Corpus&) = default;

 private:
  StringIndex ids_;
  std::vector<std::string> texts_;
};

namespace detail {

/// @return  the first of `names` that `row` has a value for, the last if it has none
inline std::string_view present_field(const io::JsonFields& row, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (row.has(name)) {
      return name;
    }
  }
  return *(names.end() - 1);
}

/// `text` without the white space of ASCII at its ends
inline std::string stripped(std::string_view text) {
  constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";
  const std::size_t start = text.find_first_not_of(kWhiteSpace);
  return start == std::string_view::npos
             ? std::string()
             : std::string(text.substr(start, text.find_last_not_of(kWhiteSpace) + 1 - start));
}

/// @throws  DataError (file:line) for an id that an earlier row has
inline void require_unique(const io::JsonFields& row, Index earlier, std::string_view id) {
  if (earlier != StringIndex::kAbsent) {
    // no blank lines stand between rows, so number and line go together
    throw DataError::invalid(
        row.where(), "id", io::in_quotes(id), "another one than line " + std::to_string(earlier + 1) + " has");
  }
}

}  // namespace detail

/// The text of a document: `text`, `contents` or `content`, after its `title` if it has one.
///
/// @throws  DataError that names file:line for a field that is missing or of another type
[[nodiscard]] inline std::string document_text(const io::JsonFields& row) {
  std::string text = row.get_string(detail::present_field(row, {"contents", "content", "text"}));
  const std::optional<std::string> title = row.find_string("title");
  return title ? detail::stripped(*title + " " + text) : text;
}

namespace detail {

/// Calls `add(id, text)` for each document of a file; `find(id)` says which number the document with an id has.
/// @throws  as read_corpus
inline void scan_corpus(const std::filesystem::path& path,
                        std::vector<std::string>& notes,
                        FunctionRef<Index(std::string_view)> find,
                        FunctionRef<void(std::string_view, std::string)> add) {
  std::size_t count = 0;
  std::size_t blank = 0;
  std::string example;
  io::for_each_json_line(path, [&](const io::JsonFields& row) {
    const std::string id = json_id(row, present_field(row, {"_id", "id"}));
    require_unique(row, find(id), id);
    std::string text = document_text(row);
    if (text.find_first_not_of(" \t\n\v\f\r") == std::string::npos && ++blank == 1) {
      example = id;
    }
    add(id, std::move(text));
    ++count;
  });
  if (count == 0) {
    throw DataError::invalid(path.string(), "number of documents", "0", "at least 1");
  }
  if (blank > 0) {
    notes.push_back(path.string() + ": " + std::to_string(blank) +
                    " document(s) without text, kept (first: " + io::in_quotes(example) + ")");
  }
}

}  // namespace detail

/// Reads documents, one JSON object a line: the id in `_id` or `id`, the text in `text`, `contents` or `content`.
///
/// A `title`, if there is one, comes before the text as BEIR has it: title, a blank, text, without white space at the
/// ends. Other fields are ignored.
///
/// @param notes  receives a sentence on documents without any text, which are kept
/// @throws       IoError if the file can't be read; DataError that names file:line for a broken row, a field that is
///               missing or of another type, a duplicate id or text that is not UTF-8; DataError if there is no
///               document
[[nodiscard]] inline Corpus read_corpus(const std::filesystem::path& path, std::vector<std::string>& notes) {
  Corpus corpus;
  detail::scan_corpus(
      path,
      notes,
      [&](std::string_view id) { return corpus.find(id); },
      [&](std::string_view id, std::string text) { corpus.add(id, std::move(text)); });
  return corpus;
}

/// Calls `f(id, text)` for each document of a file, in order, for corpora whose texts are larger than memory.
///
/// @throws  as read_corpus, and what `f` throws
/// @note    memory: the ids, and one document
inline void for_each_document(const std::filesystem::path& path,
                              std::vector<std::string>& notes,
                              FunctionRef<void(std::string_view, std::string)> f) {
  StringIndex ids;
  detail::scan_corpus(
      path,
      notes,
      [&](std::string_view id) { return ids.find(id); },
      [&](std::string_view id, std::string text) {
        ids.add(id);
        f(id, std::move(text));
      });
}

/// Reads the ids of documents alone: a corpus all of whose texts are empty.
///
/// @throws  as read_corpus
[[nodiscard]] inline Corpus read_corpus_ids(const std::filesystem::path& path, std::vector<std::string>& notes) {
  Corpus corpus;
  detail::scan_corpus(
      path,
      notes,
      [&](std::string_view id) { return corpus.find(id); },
      [&](std::string_view id, const std::string& /*text*/) { corpus.add(id, ""); });
  return corpus;
}

}  // namespace reasonembed::data
