#pragma once
/// @file The texts of a benchmark that training data must not hold.
#include <reasonembed/config.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/remixer/contamination_report.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// One text of a benchmark that a model must not have been trained on.
struct BenchmarkItem {
  BenchmarkPart part = BenchmarkPart::kQuery;
  std::string id = {};
  std::string text = {};

  friend bool operator==(const BenchmarkItem&, const BenchmarkItem&) = default;
};

/// @return  the queries of a dataset, and the documents that are relevant for one of them, each once
[[nodiscard]] inline std::vector<BenchmarkItem> benchmark_items(const data::RetrievalDataset& dataset) {
  std::vector<BenchmarkItem> items;
  std::set<Index> gold;
  for (Index i = 0; i < dataset.queries.size(); ++i) {
    const data::Query query = dataset.queries[i];
    items.push_back({BenchmarkPart::kQuery, query.id, query.text});
    if (const data::Qrels::Judgements* judgements = dataset.qrels.find(query.id); judgements != nullptr) {
      for (const auto& [document, relevance] : *judgements) {
        if (const Index number = dataset.corpus.find(document); relevance > 0 && number != StringIndex::kAbsent) {
          gold.insert(number);
        }
      }
    }
  }
  for (const Index number : gold) {
    const auto i = static_cast<std::size_t>(number);
    items.push_back({BenchmarkPart::kDocument, dataset.corpus.ids()[i], dataset.corpus.texts()[i]});
  }
  return items;
}

}  // namespace reasonembed::remixer
