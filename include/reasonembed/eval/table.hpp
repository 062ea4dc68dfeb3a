#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// Rows of text under headings, to be shown as plain text, Markdown or HTML.
struct Table {
  std::string title = {};
  std::vector<std::string> columns = {};            ///< (C) headings
  std::vector<std::vector<std::string>> rows = {};  ///< (R, C)
  std::size_t text_columns = 1;  ///< the first ones stand to the left, numbers behind them to the right
  std::string note = {};         ///< a sentence below the table

  friend bool operator==(const Table&, const Table&) = default;
};

/// @throws  ShapeError naming the row if it has another number of cells than there are columns
inline void require_drawable(const Table& table) {
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    require_extent("eval::Table " + io::in_quotes(table.title),
                   "rows[" + std::to_string(row) + "].size()",
                   static_cast<Index>(table.rows[row].size()),
                   static_cast<Index>(table.columns.size()));
  }
}

namespace detail {

/// Characters, not bytes; all are taken to be one column wide.
inline std::size_t column_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }));
}

/// A cell on one line in which no character ends the cell.
inline std::string markdown_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '<' || c == '`') {
      cell += '\\';
    }
    cell += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  }
  return cell;
}

}  // namespace detail

/// @return  headings and rows with aligned columns two blanks apart, one line a row; no title, no note
/// @throws  ShapeError as require_drawable
[[nodiscard]] inline std::string plain_text(const Table& table) {
  require_drawable(table);
  std::vector<std::size_t> widths(table.columns.size());
  std::vector<const std::vector<std::string>*> lines = {&table.columns};
  for (const auto& row : table.rows) {
    lines.push_back(&row);
  }
  for (const auto* line : lines) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], detail::column_width((*line)[i]));
    }
  }
  std::string text;
  for (const auto* line : lines) {
    std::string row;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string padding(widths[i] - detail::column_width((*line)[i]), ' ');
      row += i == 0 ? "" : "  ";
      row += i < table.text_columns ? (*line)[i] + padding : padding + (*line)[i];
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

/// @return  a table of GitHub's Markdown, one line a row; no title, no note
/// @throws  ShapeError as require_drawable
[[nodiscard]] inline std::string markdown(const Table& table) {
  require_drawable(table);
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& cell : cells) {
      text += " " + detail::markdown_cell(cell) + " |";
    }
    return text + "\n";
  };
  std::string text = line(table.columns) + "|";
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    text += i < table.text_columns ? "---|" : "---:|";
  }
  text += "\n";
  for (const auto& row : table.rows) {
    text += line(row);
  }
  return text;
}

}  // namespace reasonembed::eval
