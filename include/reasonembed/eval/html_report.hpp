#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/eval/chart.hpp>
#include <reasonembed/eval/evaluation_report.hpp>
#include <reasonembed/eval/html_text.hpp>
#include <reasonembed/eval/svg_chart.hpp>
#include <reasonembed/eval/table.hpp>
#include <reasonembed/io/text_file.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval {

namespace detail {

inline constexpr std::string_view kReportStyle = R"(
:root { color-scheme: light dark; --page: #ffffff; --ink: #1b1f24; --faint: #59636e; --line: #d5dae0; --box: #f6f8fa;
  --c0: #0b62c4; --c1: #c2410c; --c2: #15803d; --c3: #7e22ce; --c4: #a16207; --c5: #0e7490;
  --c6: #be185d; --c7: #4b5563; }
@media (prefers-color-scheme: dark) {
:root { --page: #14171b; --ink: #e8ebef; --faint: #9ba5b1; --line: #373e47; --box: #1d2126;
  --c0: #6cb2ff; --c1: #ff9d5c; --c2: #5fd38a; --c3: #c79bff; --c4: #f2c14e; --c5: #4fd1e0;
  --c6: #ff8ac0; --c7: #b6bdc9; } }
body { margin: 0 auto; padding: 24px 16px 48px; max-width: 820px; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 12px; }
h2 { font-size: 18px; margin: 0 0 8px; }
p { margin: 8px 0; overflow-wrap: anywhere; white-space: pre-line; }
section { margin: 28px 0 0; padding: 16px; border: 1px solid var(--line); border-radius: 8px; background: var(--box); }
.note { color: var(--faint); font-size: 14px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: left; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: none; }
th { color: var(--faint); font-weight: 600; }
td:first-child { overflow-wrap: anywhere; }
.number { text-align: right; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 0 0 8px; padding: 0; list-style: none;
  font-size: 14px; }
.legend svg { width: 28px; height: 10px; margin-right: 8px; vertical-align: middle; }
.chart { display: block; width: 100%; height: auto; }
.chart text { fill: var(--faint); font-size: 13px; }
.chart .label { fill: var(--ink); }
.grid { stroke: var(--line); stroke-width: 1; }
.axis { stroke: var(--faint); stroke-width: 1; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.band { fill-opacity: 0.18; stroke: none; }
.bar { fill: var(--c0); }
)";

}  // namespace detail

/// Charts, tables and notes of an experiment in one HTML file that needs nothing else: no script, no font, no network.
/// Readable in light and dark.
///
/// Parts stand in the order in which they are added. Texts are UTF-8 and shown as they are, never read as HTML.
///
/// @note  the same parts give the same bytes
class HtmlReport {
 public:
  /// @param note  below the title; line ends are kept
  /// @throws      DataError if a text is not UTF-8
  explicit HtmlReport(std::string_view title, std::string_view note = "")
      : title_(detail::html_text(title)), note_(detail::html_paragraph("lead", note)) {}

  /// @throws  as require_drawable; DataError if a text is not UTF-8
  void add(const LineChart& chart) {
    require_drawable(chart);
    add_section(chart.title, detail::svg_legend(chart) + detail::svg_chart(chart), chart.note);
  }
  void add(const Histogram& histogram) {
    require_drawable(histogram);
    add_section(histogram.title, detail::svg_chart(histogram), histogram.note);
  }
  /// @throws  DataError if a text is not UTF-8
  void add(std::string_view title, const EvaluationReport& report, std::string_view note = "") {
    std::string table =
        "<div class=\"scroll\"><table>\n<tr><th>name</th><th>metric</th><th class=\"number\">mean</th>"
        "<th class=\"number\">spread</th><th class=\"number\">seeds</th><th class=\"number\">seconds</th></tr>\n";
    for (const EvaluationRow& row : report.rows()) {
      table += "<tr><td>" + detail::html_text(row.name) + "</td><td>" + detail::html_text(row.metric) + "</td>";
      for (const std::string& number : {detail::fixed_text(row.mean, 4),
                                        row.seeds == 1 ? std::string("-") : detail::fixed_text(row.spread, 4),
                                        std::to_string(row.seeds),
                                        detail::fixed_text(row.seconds, 1)}) {
        table += "<td class=\"number\">" + number + "</td>";
      }
      table += "</tr>\n";
    }
    add_section(title, table + "</table></div>\n", note);
  }
  /// @throws  as require_drawable; DataError if a text is not UTF-8
  void add(const Table& table) {
    require_drawable(table);
    const auto line = [&](const std::vector<std::string>& cells, const std::string& tag) {
      std::string text = "<tr>";
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string kind = i < table.text_columns ? "" : " class=\"number\"";
        text += "<" + tag + kind + ">" + detail::html_text(cells[i]) + "</" + tag + ">";
      }
      return text + "</tr>\n";
    };
    std::string text = "<div class=\"scroll\"><table>\n" + line(table.columns, "th");
    for (const auto& row : table.rows) {
      text += line(row, "td");
    }
    add_section(table.title, text + "</table></div>\n", table.note);
  }
  /// A part that is words alone.
  /// @throws  DataError if a text is not UTF-8
  void add_note(std::string_view title, std::string_view text) {
    add_section(title, detail::html_paragraph("text", text), "");
  }

  /// @return  the whole file
  [[nodiscard]] std::string html() const {
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
           title_ + "</title>\n<style>" + std::string(detail::kReportStyle) + "</style>\n</head>\n<body>\n<h1>" +
           title_ + "</h1>\n" + note_ + sections_ + "</body>\n</html>\n";
  }
  /// Writes html() in one step: a reader sees the old report or the new one.
  /// @throws  IoError if the file can't be written
  void write(const std::filesystem::path& path) const { io::write_file_atomically(path, html()); }

 private:
  void add_section(std::string_view title, const std::string& content, std::string_view note) {
    sections_ += "<section>\n<h2>" + detail::html_text(title) + "</h2>\n" + content +
                 detail::html_paragraph("note", note) + "</section>\n";
  }

  std::string title_;
  std::string note_;
  std::string sections_;
};

}  // namespace reasonembed::eval
