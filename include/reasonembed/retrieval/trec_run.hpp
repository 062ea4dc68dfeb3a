#pragma once
/// @file TREC run files: `qid Q0 docid rank score tag`, one retrieved document a line.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/trec_line.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/retrieval/run.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// Options of write_trec_run.
struct TrecRunOptions {
  std::string tag = "reasonembed";  ///< the last column: names the system

  friend bool operator==(const TrecRunOptions&, const TrecRunOptions&) = default;
};

namespace detail {

/// @return  the fewest digits that read back to the same double
inline std::string shortest_number(double value) {
  std::array<char, 32> digits{};
  const std::to_chars_result end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), end.ptr};
}

/// Refuses what the columns of a run file can't hold.
inline void require_column(std::string_view what, std::string_view text) {
  constexpr std::string_view kControl("\t\n\r\0", 4);
  const bool padded = text.starts_with(' ') || text.ends_with(' ');
  if (text.empty() || padded || text.find_first_of(kControl) != std::string_view::npos) {
    throw DataError::invalid(
        "retrieval::write_trec_run", what, io::in_quotes(text), "a text without tabs, line ends or blanks around it");
  }
}

inline bool holds_blank(const Run& run, std::string_view tag) {
  bool blank = tag.find(' ') != std::string_view::npos;
  for (Index query = 0; query < run.size() && !blank; ++query) {
    blank = run.queries()[static_cast<std::size_t>(query)].find(' ') != std::string::npos;
    for (const RunEntry& entry : run.ranking(query)) {
      blank = blank || entry.document.find(' ') != std::string::npos;
    }
  }
  return blank;
}

}  // namespace detail

/// Writes a run as a TREC file, in one step.
///
/// Columns are separated by one blank, as trec_eval's own tools do, or by one tab throughout if an id or the tag holds
/// a blank. Scores have the fewest digits that read back to the same double, so equal runs give equal files. A query
/// with an empty ranking leaves no line.
///
/// @throws  DataError if an id or the tag is empty, or holds a tab, a line end or blanks around it, or a query id
///          begins with # or a byte-order mark, which no reader gives back; IoError if the file can't be written
inline void write_trec_run(const std::filesystem::path& path, const Run& run, const TrecRunOptions& options = {}) {
  detail::require_column("tag", options.tag);
  const char separator = detail::holds_blank(run, options.tag) ? '\t' : ' ';
  io::write_file_atomically(path, [&](io::AtomicFile& file) {
    std::string line;
    for (Index query = 0; query < run.size(); ++query) {
      const std::string& id = run.queries()[static_cast<std::size_t>(query)];
      detail::require_column("query id", id);
      if (id.starts_with('#') || id.starts_with(io::kByteOrderMark)) {
        throw DataError::invalid(
            "retrieval::write_trec_run", "query id", io::in_quotes(id), "no # or byte-order mark at the start");
      }
      std::size_t rank = 0;
      for (const RunEntry& entry : run.ranking(query)) {
        detail::require_column("document id", entry.document);
        line.assign(id).append({separator, 'Q', '0', separator}).append(entry.document).push_back(separator);
        line.append(std::to_string(++rank)).push_back(separator);
        line.append(detail::shortest_number(entry.score)).push_back(separator);
        line.append(options.tag).push_back('\n');
        file.write(line);
      }
    }
  });
}

/// Reads a TREC run file.
///
/// Columns are separated by tabs or blanks (see io::split_trec_line: document ids may hold blanks). As in trec_eval,
/// the rank column is ignored: the score alone orders, lines of one query may stand anywhere, and lines that begin with
/// `#` are comments.
///
/// @throws  IoError if the file can't be read; DataError (file:line) for a line without six columns, a score that is no
///          finite number, a document twice for one query, or text that is not UTF-8
[[nodiscard]] inline Run read_trec_run(const std::filesystem::path& path) {
  constexpr std::string_view kWant = "qid Q0 docid rank score tag";
  struct Ranking {
    StringIndex documents;
    std::vector<double> scores;
  };
  StringIndex queries;
  std::vector<Ranking> rankings;
  io::for_each_trec_line(path, kWant, [&](std::size_t line, std::string_view text) {
    std::array<std::string_view, 6> column;
    if (!io::split_trec_line(text, column)) {
      throw DataError::at_line(path.string(), line, "line", io::in_quotes(text), kWant);
    }
    const std::string_view digits = column[4].starts_with('+') ? column[4].substr(1) : column[4];
    double score = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), score);
    if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(score)) {
      throw DataError::at_line(path.string(), line, "score", io::in_quotes(column[4]), "a finite number");
    }
    const auto [query, first] = queries.add(column[0]);
    if (first) {
      rankings.emplace_back();
    }
    Ranking& ranking = rankings[static_cast<std::size_t>(query)];
    if (!ranking.documents.add(column[2]).second) {
      throw DataError::at_line(path.string(),
                               line,
                               "document " + io::in_quotes(column[2]),
                               "ranked twice for query " + io::in_quotes(column[0]),
                               "once");
    }
    ranking.scores.push_back(score);
  });
  Run run;
  for (Index query = 0; query < queries.size(); ++query) {
    const Ranking& ranking = rankings[static_cast<std::size_t>(query)];
    std::vector<RunEntry> entries;
    entries.reserve(ranking.scores.size());
    for (std::size_t i = 0; i < ranking.scores.size(); ++i) {
      entries.push_back({ranking.documents[static_cast<Index>(i)], ranking.scores[i]});
    }
    run.add(queries[query], std::move(entries));
  }
  return run;
}

}  // namespace reasonembed::retrieval
