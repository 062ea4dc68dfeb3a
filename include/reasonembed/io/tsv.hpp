#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/io/line_reader.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// Calls `f(line number, columns)` for every line of a tab-separated file.
///
/// Every tab separates and nothing else does: no quotes, no escapes, blanks belong to their column. Lines may differ in
/// their number of columns; whoever knows the layout checks it. Blank lines: see for_each_record.
///
/// @param f  its columns are views, valid during the call
/// @throws   IoError if the file can't be read, DataError (file:line) for text that is not UTF-8 or a blank line before
///           the end, and what `f` throws
inline void for_each_tsv_line(const std::filesystem::path& path,
                              FunctionRef<void(std::size_t, std::span<const std::string_view>)> f) {
  LineReader reader(path);
  std::vector<std::string_view> columns;
  for_each_record(reader, "tab-separated columns", [&] {
    columns.clear();
    std::string_view rest = reader.text();
    for (std::size_t tab = rest.find('\t'); tab != std::string_view::npos; tab = rest.find('\t')) {
      columns.push_back(rest.substr(0, tab));
      rest.remove_prefix(tab + 1);
    }
    columns.push_back(rest);
    f(reader.line(), columns);
  });
}

}  // namespace reasonembed::io
