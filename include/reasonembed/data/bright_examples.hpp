#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/data/json_id.hpp>
#include <reasonembed/data/qrels.hpp>
#include <reasonembed/data/qrels_file.hpp>
#include <reasonembed/data/queries.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// Which documents of BRIGHT are searched, and so which gold ids count.
enum class BrightDocuments : bool {
  kPassages,  ///< `gold_ids`: passages of web pages, the main setting
  kLong,      ///< `gold_ids_long`: whole pages
};

/// Queries and judgements of one BRIGHT task.
struct BrightExamples {
  Queries queries;
  Qrels qrels;

  friend bool operator==(const BrightExamples&, const BrightExamples&) = default;
};

/// Reads rows as BRIGHT publishes them, one JSON object a line: `query`, `reasoning`, `id`, `excluded_ids`, `gold_ids`,
/// `gold_ids_long`, `gold_answer` [Su et al. 2024].
///
/// Every gold id has relevance 1. "N/A" in a list of ids means that there is none. The query's text is in `query` and
/// no reasoning is read unless `options` say otherwise; BRIGHT's `reasoning` is a note on the gold documents, no query.
///
/// @param notes  receives a sentence on gold ids listed twice, which count once
/// @throws       as read_queries
[[nodiscard]] inline BrightExamples read_bright_examples(const std::filesystem::path& path,
                                                         std::vector<std::string>& notes,
                                                         BrightDocuments documents = BrightDocuments::kPassages,
                                                         QueryFileOptions options = {}) {
  const std::string_view gold = documents == BrightDocuments::kLong ? "gold_ids_long" : "gold_ids";
  options.query_field = options.query_field.empty() ? "query" : options.query_field;
  detail::QueriesBuilder queries(path, options);
  detail::QrelsBuilder qrels;
  io::for_each_json_line(path, [&](const io::JsonFields& row) {
    const std::string query = queries.add(row);
    (void)row.get_strings(gold);  // demanded, whereas id_list takes a missing list for an empty one
    for (const std::string& document : detail::id_list(row, gold)) {
      qrels.add(row.where(), query, document, 1);
    }
  });
  return {queries.take(notes), qrels.take(path, notes)};
}

}  // namespace reasonembed::data
