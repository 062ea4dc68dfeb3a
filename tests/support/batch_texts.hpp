#pragma once
/// @file Training batches that a file spells out.
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_batch.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

namespace test {

namespace re = reasonembed;

/// The texts of one batch.
struct BatchTexts {
  std::vector<std::string> queries;
  std::vector<std::string> reasoning;  ///< empty where there is none
  std::vector<std::string> documents;

  /// @return  views of these texts
  [[nodiscard]] re::data::TrainingBatch batch() const {
    re::data::TrainingBatch batch;
    batch.group_size = static_cast<re::Index>(documents.size() / queries.size());
    batch.rows.resize(queries.size());
    std::iota(batch.rows.begin(), batch.rows.end(), re::Index{0});
    batch.queries.assign(queries.begin(), queries.end());
    batch.reasoning.assign(reasoning.begin(), reasoning.end());
    batch.reasoning_count = std::count_if(reasoning.begin(), reasoning.end(), [](const auto& x) { return !x.empty(); });
    batch.documents.assign(documents.begin(), documents.end());
    return batch;
  }
};

/// @param path  JSON lines of "queries", "reasoning" (null where there is none) and "documents"
inline std::vector<BatchTexts> read_batches(const std::filesystem::path& path) {
  std::vector<BatchTexts> batches;
  re::io::for_each_json_line(path, [&](const re::io::JsonFields& row) {
    const auto texts = [&](const char* key) {
      std::vector<std::string> all;
      for (const re::io::Json& text : row.get_array(key)) {
        all.push_back(text.is_null() ? std::string() : text.get<std::string>());
      }
      return all;
    };
    batches.push_back({texts("queries"), texts("reasoning"), texts("documents")});
  });
  return batches;
}

}  // namespace test
