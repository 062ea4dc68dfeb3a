#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/text_table.hpp>
#include <reasonembed/data/training_dataset.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// A document in a batch that is relevant for a query which has another one as its positive.
struct FalseNegative {
  Index query = 0;     ///< in [0, B)
  Index document = 0;  ///< in [0, B G)

  friend bool operator==(const FalseNegative&, const FalseNegative&) = default;
};

/// B queries with G documents each, all of one dataset: what a step of contrastive training works on.
///
/// @note  the views look into the rows that a sampler was made from; filling a batch again reuses its memory
struct TrainingBatch {
  Index dataset = 0;                                ///< number of the dataset in the rows
  Index group_size = 0;                             ///< G
  std::vector<Index> rows = {};                     ///< (B) numbers of the rows in the dataset, distinct
  std::vector<std::string_view> queries = {};       ///< (B) as they are encoded
  std::vector<std::string_view> reasoning = {};     ///< (B) reasoning queries as they are encoded, empty if unknown
  Index reasoning_count = 0;                        ///< how many are known
  std::vector<std::string_view> documents = {};     ///< (B G) those of query i from i G, its positive first
  std::vector<TextTable::Number> numbers = {};      ///< (B G) of the documents in their dataset; equal if the texts are
  std::vector<FalseNegative> false_negatives = {};  ///< by query, then by document

  /// @return  B
  [[nodiscard]] Index size() const { return static_cast<Index>(rows.size()); }
  /// @pre  0 <= query < size()
  [[nodiscard]] bool has_reasoning(Index query) const {
    REASONEMBED_ASSERT(query >= 0 && query < size());
    return !reasoning[static_cast<std::size_t>(query)].empty();
  }
  /// @return  where the positive of a query stands in `documents`
  [[nodiscard]] Index positive(Index query) const { return query * group_size; }
  /// Empties the batch and keeps its memory.
  void clear() {
    rows.clear();
    queries.clear();
    reasoning.clear();
    reasoning_count = 0;
    documents.clear();
    numbers.clear();
    false_negatives.clear();
  }

  friend bool operator==(const TrainingBatch&, const TrainingBatch&) = default;
};

namespace detail {

/// Where each document stands in a batch, sorted by document; the memory is reused from batch to batch.
using DocumentPlaces = std::vector<std::pair<TextTable::Number, Index>>;

/// Fills `batch.false_negatives`: every document that some query names as relevant, apart from the one it is trained
/// to find.
///
/// @note  O(B (P + G) log(B G)) for P positives a row
inline void find_false_negatives(const TrainingDataset& dataset, DocumentPlaces& places, TrainingBatch& batch) {
  places.clear();
  for (std::size_t i = 0; i < batch.numbers.size(); ++i) {
    places.emplace_back(batch.numbers[i], static_cast<Index>(i));
  }
  std::sort(places.begin(), places.end());
  batch.false_negatives.clear();
  for (Index query = 0; query < batch.size(); ++query) {
    const auto first = static_cast<std::ptrdiff_t>(batch.false_negatives.size());
    for (const TextTable::Number number : dataset[batch.rows[static_cast<std::size_t>(query)]].pos) {
      auto place = std::lower_bound(places.begin(), places.end(), std::pair(number, Index{0}));
      for (; place != places.end() && place->first == number; ++place) {
        if (place->second != batch.positive(query)) {
          batch.false_negatives.push_back({query, place->second});
        }
      }
    }
    std::sort(batch.false_negatives.begin() + first,
              batch.false_negatives.end(),
              [](const FalseNegative& a, const FalseNegative& b) { return a.document < b.document; });
  }
}

}  // namespace detail

}  // namespace reasonembed::data
