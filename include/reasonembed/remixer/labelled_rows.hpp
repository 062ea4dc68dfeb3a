#pragma once
/// @file Queries with scored documents, the form in which annotation leaves them: {"query", "docs", "labels"}.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/agreement.hpp>
#include <reasonembed/remixer/triviality_report.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// A query with documents and how relevant an annotator finds each.
struct LabelledRow {
  std::string query = {};
  std::vector<std::string> docs = {};
  std::vector<int> labels = {};  ///< one for each document: 1 to 5, or -1 where the answer could not be read

  friend bool operator==(const LabelledRow&, const LabelledRow&) = default;
};

/// @throws  IoError if the file can't be read; DataError that names file:line for a broken row, a field of another
/// type,
///          or labels that are not one for each document
[[nodiscard]] inline std::vector<LabelledRow> read_labelled_rows(const std::filesystem::path& path) {
  std::vector<LabelledRow> rows;
  io::for_each_json_line(path, [&](const io::JsonFields& fields) {
    LabelledRow row{fields.get_string("query"), fields.get_strings("docs"), {}};
    for (const std::int64_t label : fields.get_ints("labels", -1, 1000)) {
      row.labels.push_back(static_cast<int>(label));
    }
    if (row.labels.size() != row.docs.size()) {
      throw DataError::invalid(fields.where(),
                               "number of labels",
                               std::to_string(row.labels.size()),
                               std::to_string(row.docs.size()) + ", one for each of docs");
    }
    rows.push_back(std::move(row));
  });
  return rows;
}

/// @param threshold  least label of a positive
/// @return           every (query, positive), in their order
[[nodiscard]] inline std::vector<PositivePair> positive_pairs(std::span<const LabelledRow> rows, int threshold = 3) {
  std::vector<PositivePair> pairs;
  for (const LabelledRow& row : rows) {
    for (std::size_t i = 0; i < row.docs.size(); ++i) {
      if (row.labels[i] >= threshold) {
        pairs.push_back({row.query, row.docs[i]});
      }
    }
  }
  return pairs;
}

/// Counts the pairs of query and document that both annotators have scored; each pair's first label counts.
///
/// @param unmatched  receives the number of pairs of either that the other lacks
[[nodiscard]] inline ConfusionTable confusion_of_rows(std::span<const LabelledRow> first,
                                                      std::span<const LabelledRow> second,
                                                      Index& unmatched,
                                                      int least = 1,
                                                      int most = 5) {
  using Labels = std::map<std::pair<std::string, std::string>, int>;
  const auto labels_of = [](std::span<const LabelledRow> rows) {
    Labels labels;
    for (const LabelledRow& row : rows) {
      for (std::size_t i = 0; i < row.docs.size(); ++i) {
        labels.try_emplace({row.query, row.docs[i]}, row.labels[i]);
      }
    }
    return labels;
  };
  const Labels a = labels_of(first);
  const Labels b = labels_of(second);
  ConfusionTable table(least, most);
  Index matched = 0;
  for (const auto& [pair, label] : a) {
    if (const auto other = b.find(pair); other != b.end()) {
      table.add(label, other->second);
      ++matched;
    }
  }
  unmatched = static_cast<Index>(a.size() + b.size()) - 2 * matched;
  return table;
}

}  // namespace reasonembed::remixer
