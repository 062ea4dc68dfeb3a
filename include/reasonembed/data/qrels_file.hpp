#pragma once
/// @file Files of relevance judgements.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/data/json_id.hpp>
#include <reasonembed/data/qrels.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/trec_line.hpp>
#include <reasonembed/io/utf8.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

namespace detail {

/// Collects the judgements of one file, and counts those given twice.
class QrelsBuilder {
 public:
  /// @param where  file:line of the judgement
  void add(std::string_view where, std::string_view query, std::string_view document, int relevance) {
    try {
      if (!qrels_.add(query, document, relevance)) {
        ++repeated_;
        example_ = repeated_ == 1 ? std::string(where) : example_;
      }
    } catch (const DataError& error) {
      throw DataError(std::string(where) + ": " + error.what());
    }
  }
  [[nodiscard]] Qrels take(const std::filesystem::path& path, std::vector<std::string>& notes) {
    if (repeated_ > 0) {
      notes.push_back(path.string() + ": " + std::to_string(repeated_) +
                      " judgement(s) given twice and counted once (first: " + example_ + ")");
    }
    return std::move(qrels_);
  }

 private:
  Qrels qrels_;
  std::size_t repeated_ = 0;
  std::string example_;
};

inline std::optional<int> parse_relevance(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// Three columns, as BEIR writes them: `query-id <tab> corpus-id <tab> score`.
inline bool split_beir_line(std::string_view line, std::array<std::string_view, 3>& column) {
  const std::size_t first = line.find('\t');
  const std::size_t second = first == std::string_view::npos ? first : line.find('\t', first + 1);
  if (second == std::string_view::npos || line.find('\t', second + 1) != std::string_view::npos) {
    return false;
  }
  column = {line.substr(0, first), line.substr(first + 1, second - first - 1), line.substr(second + 1)};
  return true;
}

/// Reads qrels in columns; the number of tabs in a line says which of the two forms it has.
inline void read_qrels_columns(const std::filesystem::path& path, QrelsBuilder& builder) {
  constexpr std::string_view kWant = "qid 0 docid relevance, or three tab-separated columns qid docid relevance";
  bool first = true;
  io::for_each_trec_line(path, kWant, [&](std::size_t line, std::string_view text) {
    std::array<std::string_view, 3> three;
    std::array<std::string_view, 4> four;
    if (split_beir_line(text, three)) {
      four = {three[0], "0", three[1], three[2]};
    } else if (!io::split_trec_line(text, four)) {
      throw DataError::at_line(path.string(), line, "line", io::in_quotes(text), kWant);
    }
    const bool header = std::exchange(first, false) && !parse_relevance(four[3]);
    if (header && (four[3] == "score" || four[3] == "relevance" || four[3] == "rel")) {
      return;
    }
    const std::optional<int> relevance = parse_relevance(four[3]);
    if (!relevance) {
      throw DataError::at_line(path.string(), line, "relevance", io::in_quotes(four[3]), "an integer");
    }
    if (four[0].empty() || four[2].empty()) {
      throw DataError::at_line(path.string(), line, "line", io::in_quotes(text), kWant);
    }
    builder.add(path.string() + ":" + std::to_string(line), four[0], four[2], *relevance);
  });
}

inline void read_qrels_rows(const std::filesystem::path& path, QrelsBuilder& builder) {
  io::for_each_json_line(path, [&](const io::JsonFields& row) {
    constexpr std::int64_t kLeast = std::numeric_limits<int>::min();
    constexpr std::int64_t kMost = std::numeric_limits<int>::max();
    const std::string query = json_id(row, "qid");
    const std::string document = json_id(row, "docid");
    builder.add(row.where(), query, document, static_cast<int>(row.get_int("relevance", kLeast, kMost)));
  });
}

}  // namespace detail

/// Reads relevance judgements. `*.jsonl` holds rows {"qid", "docid", "relevance"}; any other file holds columns:
///
///   qid 0 docid relevance              TREC: separated by tabs or blanks, document ids may hold blanks
///   query-id <tab> corpus-id <tab> score   BEIR: three tab-separated columns
///
/// with or without a header line (its last column is `score`, `relevance` or `rel`), `#` begins a comment line.
///
/// @param notes  receives a sentence on judgements given twice, which count once
/// @throws       IoError if the file can't be read; DataError (file:line) for a malformed line, a document with two
///               different relevances for one query, or text that is not UTF-8
[[nodiscard]] inline Qrels read_qrels(const std::filesystem::path& path, std::vector<std::string>& notes) {
  detail::QrelsBuilder builder;
  if (path.extension() == ".jsonl") {
    detail::read_qrels_rows(path, builder);
  } else {
    detail::read_qrels_columns(path, builder);
  }
  return builder.take(path, notes);
}

}  // namespace reasonembed::data
