#pragma once
/// @file What a contamination check found, with the evidence for each finding.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/eval/chart_axis.hpp>
#include <reasonembed/eval/html_report.hpp>
#include <reasonembed/eval/table.hpp>
#include <reasonembed/io/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// How a training text and a text of a benchmark are alike.
enum class LeakKind : std::uint8_t {
  kExact,      ///< the same words in the same order
  kNgram,      ///< a long run of words in common
  kEmbedding,  ///< nearly the same vector
};
/// Which text of a training row leaks.
enum class RowPart : std::uint8_t { kQuery, kReasoningQuery, kPositive };
/// What it leaks.
enum class BenchmarkPart : bool { kQuery, kDocument };

[[nodiscard]] constexpr std::string_view name_of(LeakKind kind) {
  return kind == LeakKind::kExact ? "exact" : kind == LeakKind::kNgram ? "n-gram" : "embedding";
}
[[nodiscard]] constexpr std::string_view name_of(RowPart part) {
  return part == RowPart::kQuery ? "query" : part == RowPart::kReasoningQuery ? "reasoning_query" : "pos";
}
[[nodiscard]] constexpr std::string_view name_of(BenchmarkPart part) {
  return part == BenchmarkPart::kQuery ? "query" : "document";
}

/// Options of a contamination check.
struct ContaminationOptions {
  Index ngram = 13;       ///< words in a row that two texts must not share; 0: not looked for
  double cosine = 0;      ///< least cosine of a leak by vectors, in (0, 1]; 0: not looked for
  bool positives = true;  ///< whether positives are checked, and not queries alone

  friend bool operator==(const ContaminationOptions&, const ContaminationOptions&) = default;
};

/// One training text that is like one text of a benchmark.
struct Leak {
  Index row = 0;  ///< number of the training row
  RowPart part = RowPart::kQuery;
  Index positive = 0;  ///< number in the row's `pos`, 0 for its other texts
  LeakKind kind = LeakKind::kExact;
  std::string benchmark = {};
  BenchmarkPart item_part = BenchmarkPart::kQuery;
  std::string item = {};      ///< id in the benchmark
  double score = 0;           ///< exact: 1; n-gram: words of the span; embedding: the cosine
  std::string evidence = {};  ///< the words in common, or the beginning of the benchmark's text

  friend bool operator==(const Leak&, const Leak&) = default;
};

/// A benchmark that was looked at.
struct CheckedBenchmark {
  std::string name = {};
  Index queries = 0;
  Index documents = 0;

  friend bool operator==(const CheckedBenchmark&, const CheckedBenchmark&) = default;
};

/// Which rows are like which texts of which benchmarks.
struct ContaminationReport {
  Index rows = 0;  ///< checked
  ContaminationOptions options = {};
  std::vector<CheckedBenchmark> benchmarks = {};
  std::vector<Leak> leaks = {};  ///< by row, part and benchmark

  /// @return  ascending numbers of the rows with a leak
  [[nodiscard]] std::vector<Index> leaking_rows() const {
    std::vector<Index> numbers;
    for (const Leak& leak : leaks) {
      numbers.push_back(leak.row);
    }
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
  }
  /// @return  leaks of this kind, of one benchmark or, for an empty name, of all
  [[nodiscard]] Index count(LeakKind kind, std::string_view benchmark = "") const {
    return std::count_if(leaks.begin(), leaks.end(), [&](const Leak& leak) {
      return leak.kind == kind && (benchmark.empty() || leak.benchmark == benchmark);
    });
  }

  /// @return  one sentence
  [[nodiscard]] std::string summary() const {
    std::string text = std::to_string(leaking_rows().size()) + " of " + std::to_string(rows) +
                       " training rows have a text of a benchmark in them. Looked for: the same words";
    if (options.ngram > 0) {
      text += ", " + std::to_string(options.ngram) + " words in a row in common";
    }
    if (options.cosine > 0) {
      text += ", a cosine of at least " + eval::detail::fixed_text(options.cosine, 3);
    }
    return text + (options.positives ? "; in queries and positives." : "; in queries.");
  }
  /// @return  one row a benchmark: its size, and the leaks of each kind
  [[nodiscard]] eval::Table overview() const {
    eval::Table table;
    table.title = "Leaks by benchmark";
    table.columns = {"benchmark", "queries", "gold documents", "exact", "n-gram", "embedding"};
    for (const CheckedBenchmark& benchmark : benchmarks) {
      table.rows.push_back({benchmark.name, std::to_string(benchmark.queries), std::to_string(benchmark.documents)});
      for (const LeakKind kind : {LeakKind::kExact, LeakKind::kNgram, LeakKind::kEmbedding}) {
        table.rows.back().push_back(std::to_string(count(kind, benchmark.name)));
      }
    }
    table.note = summary();
    return table;
  }
  /// @param most  leaks at most; what is left out is said in the note
  [[nodiscard]] eval::Table evidence(std::size_t most = 1000) const {
    eval::Table table;
    table.title = "Evidence";
    table.columns = {"row", "part", "benchmark", "item", "kind", "evidence", "score"};
    table.text_columns = 6;
    for (std::size_t i = 0; i < std::min(most, leaks.size()); ++i) {
      const Leak& leak = leaks[i];
      table.rows.push_back({std::to_string(leak.row),
                            part_name(leak),
                            leak.benchmark,
                            std::string(name_of(leak.item_part)) + " " + leak.item,
                            std::string(name_of(leak.kind)),
                            leak.evidence,
                            leak.kind == LeakKind::kNgram ? std::to_string(static_cast<Index>(leak.score))
                                                          : eval::detail::fixed_text(leak.score, 3)});
    }
    if (leaks.size() > most) {
      table.note = std::to_string(leaks.size() - most) + " more in the JSON file.";
    }
    return table;
  }
  /// The short form for a model card: what was checked, what was found, the first pieces of evidence.
  [[nodiscard]] std::string to_markdown(std::size_t most = 10) const {
    std::string text = "## Contamination\n\n" + summary() + "\n\n" + eval::markdown(overview());
    if (!leaks.empty()) {
      const eval::Table table = evidence(most);
      text += "\n" + eval::markdown(table) + (table.note.empty() ? "" : "\n" + table.note + "\n");
    }
    return text;
  }
  [[nodiscard]] io::Json json() const {
    io::Json checked = io::Json::array();
    for (const CheckedBenchmark& benchmark : benchmarks) {
      checked.push_back({{"name", benchmark.name}, {"queries", benchmark.queries}, {"documents", benchmark.documents}});
    }
    io::Json found = io::Json::array();
    for (const Leak& leak : leaks) {
      found.push_back({{"row", leak.row},
                       {"part", part_name(leak)},
                       {"kind", std::string(name_of(leak.kind))},
                       {"benchmark", leak.benchmark},
                       {"item_part", std::string(name_of(leak.item_part))},
                       {"item", leak.item},
                       {"score", leak.score},
                       {"evidence", leak.evidence}});
    }
    return {{"rows", rows},
            {"leaking_rows", leaking_rows()},
            {"options", {{"ngram", options.ngram}, {"cosine", options.cosine}, {"positives", options.positives}}},
            {"benchmarks", std::move(checked)},
            {"leaks", std::move(found)}};
  }
  /// Adds the report on further rows, checked in the same way: their numbers go on where these end.
  /// @throws  ConfigError if it was another check
  void append(ContaminationReport more) {
    if (rows == 0 && benchmarks.empty()) {
      *this = std::move(more);
      return;
    }
    if (!(options == more.options) || benchmarks != more.benchmarks) {
      throw ConfigError::invalid(
          "remixer::ContaminationReport::append", "check", "another", "the same options and benchmarks");
    }
    for (Leak& leak : more.leaks) {
      leak.row += rows;
      leaks.push_back(std::move(leak));
    }
    rows += more.rows;
  }
  /// Writes `path` as JSON and the same with .html as tables, each in one step.
  /// @throws  IoError if a file can't be written
  void write(const std::filesystem::path& path) const {
    io::write_json(path, json());
    eval::HtmlReport html("Contamination report", summary());
    html.add(overview());
    html.add(evidence());
    html.write(std::filesystem::path(path).replace_extension(".html"));
  }

 private:
  static std::string part_name(const Leak& leak) {
    const std::string name(name_of(leak.part));
    return leak.part == RowPart::kPositive ? name + "[" + std::to_string(leak.positive) + "]" : name;
  }
};

/// Strict mode: leaves out the rows with a leak.
///
/// @param rows    those that the report is about
/// @return        how many were left out
/// @throws        ShapeError if the report is about another number of rows
[[nodiscard]] inline Index drop_leaking_rows(std::vector<data::TrainingRow>& rows, const ContaminationReport& report) {
  require_extent("remixer::drop_leaking_rows", "rows.size()", static_cast<Index>(rows.size()), report.rows);
  const std::vector<Index> leaking = report.leaking_rows();
  Index number = 0;
  return static_cast<Index>(std::erase_if(
      rows, [&](const data::TrainingRow&) { return std::binary_search(leaking.begin(), leaking.end(), number++); }));
}

}  // namespace reasonembed::remixer
