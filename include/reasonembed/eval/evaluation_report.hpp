#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// One line of a report: what one system reached.
struct EvaluationRow {
  std::string name = {};               ///< the system, such as "bm25"
  std::string metric = "ndcg_cut_10";  ///< as trec_eval names it
  double mean = 0;                     ///< over queries, and then over seeds
  double spread = 0;                   ///< standard deviation over seeds, n - 1 in the denominator; 0 for one seed
  Index seeds = 1;                     ///< runs that mean and spread stand for, >= 1
  double seconds = 0;                  ///< wall time, >= 0

  friend bool operator==(const EvaluationRow&, const EvaluationRow&) = default;
};

/// Sums up the results of the same system under several seeds.
///
/// @param values   (S) one mean a seed, at least one
/// @param seconds  of all seeds together
/// @throws         ConfigError if there is no value
[[nodiscard]] inline EvaluationRow summarize(std::string name,
                                             std::string metric,
                                             std::span<const double> values,
                                             double seconds) {
  if (values.empty()) {
    throw ConfigError::invalid("eval::summarize", "number of values", "0", "at least 1");
  }
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  const double mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) {
    squares += (value - mean) * (value - mean);
  }
  const double spread = values.size() == 1 ? 0 : std::sqrt(squares / static_cast<double>(values.size() - 1));
  return {std::move(name), std::move(metric), mean, spread, static_cast<Index>(values.size()), seconds};
}

/// A table of results, for the eye and as JSON.
class EvaluationReport {
 public:
  /// @throws  NonFiniteError if a number is NaN or infinite; ConfigError if the name or metric is empty, seeds < 1, or
  ///          spread or seconds is negative
  void add(EvaluationRow row) {
    const std::string where = "eval::EvaluationReport: row " + io::in_quotes(row.name);
    for (const auto& [what, value] :
         {std::pair<std::string_view, double>("mean", row.mean), {"spread", row.spread}, {"seconds", row.seconds}}) {
      if (!std::isfinite(value)) {
        throw NonFiniteError(reasonembed::detail::error_text(
            where, what, std::isnan(value) ? "nan" : std::to_string(value), "a finite number"));
      }
      if (value < 0 && what != "mean") {
        throw ConfigError::invalid(where, what, std::to_string(value), "at least 0");
      }
    }
    if (row.name.empty() || row.metric.empty()) {
      throw ConfigError::invalid(where, row.name.empty() ? "name" : "metric", "empty", "a name");
    }
    if (row.seeds < 1) {
      throw ConfigError::invalid(where, "seeds", std::to_string(row.seeds), "at least 1");
    }
    rows_.push_back(std::move(row));
  }

  [[nodiscard]] const std::vector<EvaluationRow>& rows() const { return rows_; }

  /// @return  the table, its columns aligned and two blanks apart, one line a row, under a line of headings
  [[nodiscard]] std::string table() const {
    std::vector<Cells> lines = {{"name", "metric", "mean", "spread", "seeds", "seconds"}};
    for (const EvaluationRow& row : rows_) {
      lines.push_back({row.name,
                       row.metric,
                       decimals("%.4f", row.mean),
                       row.seeds == 1 ? "-" : decimals("%.4f", row.spread),
                       std::to_string(row.seeds),
                       decimals("%.1f", row.seconds)});
    }
    std::array<std::size_t, kColumns> widths{};
    for (const Cells& cells : lines) {
      for (std::size_t i = 0; i < kColumns; ++i) {
        widths[i] = std::max(widths[i], width_of(cells[i]));
      }
    }
    std::string text;
    for (const Cells& cells : lines) {
      for (std::size_t i = 0; i < kColumns; ++i) {
        const std::string padding(widths[i] - width_of(cells[i]), ' ');
        const bool is_text = i < 2;  // to the left, numbers to the right
        text.append(i == 0 ? "" : "  ").append(is_text ? cells[i] + padding : padding + cells[i]);
      }
      text.push_back('\n');
    }
    return text;
  }
  /// Prints the table.
  /// @throws  IoError if the stream refuses it
  void print(std::FILE* stream) const {
    const std::string text = table();
    if (std::fwrite(text.data(), 1, text.size(), stream) != text.size() || std::fflush(stream) != 0) {
      throw IoError::failed("eval::EvaluationReport", "output", "refused", "a stream that can be written");
    }
  }

  /// @return  {"rows": [{"name", "metric", "mean", "spread", "seeds", "seconds"}, ...]}
  [[nodiscard]] io::Json json() const {
    io::Json rows = io::Json::array();
    for (const EvaluationRow& row : rows_) {
      rows.push_back({{"name", row.name},
                      {"metric", row.metric},
                      {"mean", row.mean},
                      {"spread", row.spread},
                      {"seeds", row.seeds},
                      {"seconds", row.seconds}});
    }
    return {{"rows", std::move(rows)}};
  }
  /// Writes json() in one step: a reader sees the old report or the new one.
  /// @throws  IoError if the file can't be written, DataError if a name is not UTF-8
  void write(const std::filesystem::path& path) const { io::write_json(path, json()); }

 private:
  static constexpr std::size_t kColumns = 6;
  using Cells = std::array<std::string, kColumns>;

  static std::string decimals(const char* format, double value) {
    std::array<char, 400> text{};  // the largest double has 309 digits
    const int length = std::snprintf(text.data(), text.size(), format, value);
    return {text.data(), static_cast<std::size_t>(length)};
  }
  /// Characters, not bytes; all are taken to be one column wide.
  static std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }));
  }

  std::vector<EvaluationRow> rows_;
};

}  // namespace reasonembed::eval
