#pragma once
/// @file The lines of TREC files: runs (`qid Q0 docid rank score tag`) and judgements (`qid 0 docid relevance`).
#include <reasonembed/config.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/io/line_reader.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::io {

namespace detail {

inline constexpr std::string_view kBlanks = " \t";

/// Takes the first word off `text`, which begins with no blank.
inline std::string_view take_first(std::string_view& text) {
  const std::size_t end = text.find_first_of(kBlanks);
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(word.size());
  const std::size_t next = text.find_first_not_of(kBlanks);
  text.remove_prefix(next == std::string_view::npos ? text.size() : next);
  return word;
}
/// Takes the last word off `text`, which ends with no blank.
inline std::string_view take_last(std::string_view& text) {
  const std::size_t start = text.find_last_of(kBlanks) + 1;  // npos + 1 == 0
  const std::string_view word = text.substr(start);
  text.remove_suffix(word.size());
  text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  return word;
}
inline std::string_view trimmed(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kBlanks);
  return start == std::string_view::npos ? std::string_view()
                                         : text.substr(start, text.find_last_not_of(kBlanks) + 1 - start);
}

}  // namespace detail

/// Splits one line of a TREC file, whose third column, the document id, may hold blanks.
///
/// A line with exactly `columns.size()` tab-separated columns is cut at the tabs. Any other is cut at runs of blanks:
/// the columns before the id are counted from the front, those behind it from the back, and what stays between is the
/// id as it stands.
///
/// @param columns  what to fill; its size (at least 3) is the number of columns
/// @return         false if the line has too few columns; blanks around a column are no part of it
[[nodiscard]] inline bool split_trec_line(std::string_view line, std::span<std::string_view> columns) {
  std::size_t tabs = 0;
  for (const char c : line) {
    tabs += c == '\t' ? 1 : 0;
  }
  line = detail::trimmed(line);
  if (tabs + 1 == columns.size()) {
    for (std::string_view& column : columns) {
      const std::size_t tab = line.find('\t');
      column = detail::trimmed(line.substr(0, tab));
      line.remove_prefix(tab == std::string_view::npos ? line.size() : tab + 1);
    }
  } else {
    columns[0] = detail::take_first(line);
    columns[1] = detail::take_first(line);
    for (std::size_t i = columns.size() - 1; i > 2; --i) {
      columns[i] = detail::take_last(line);
    }
    columns[2] = line;
  }
  for (const std::string_view column : columns) {
    if (column.empty()) {
      return false;
    }
  }
  return true;
}

/// Calls `f(line number, text)` for every line of a TREC file but comments, whose first character is `#` as in
/// trec_eval 10, and blank lines at the end.
///
/// @param want  what a line should hold, for the error
/// @throws      IoError if the file can't be read, DataError (file:line) for text that is not UTF-8 or a blank line
///              before the end, and what `f` throws
inline void for_each_trec_line(const std::filesystem::path& path,
                               std::string_view want,
                               FunctionRef<void(std::size_t, std::string_view)> f) {
  LineReader reader(path);
  for_each_record(reader, want, [&] {
    if (!reader.text().starts_with('#')) {
      f(reader.line(), reader.text());
    }
  });
}

}  // namespace reasonembed::io
