#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/hard_negatives.hpp>
#include <reasonembed/data/training_dataset.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/retrieval/flat_index.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// Gives training rows hard negatives that an encoder itself finds: the documents it ranks highest for their queries,
/// those that are relevant left out (see data::with_hard_negatives).
///
/// Queries are encoded with the prompts of their rows, as training encodes them.
///
/// @param encoder   models retrieval::TextEmbedder, e.g. the model before it is trained
/// @param rows      of one or several datasets
/// @param pool      (N) documents to search, N >= 1
/// @param options   `excluded`, if any, are those of all rows, dataset after dataset
/// @param progress  advanced by each text encoded: N documents, then the rows' queries
/// @return          the same datasets with negatives; a note for each says what was found and passed over
/// @throws          as with_hard_negatives and the encoder; ShapeError if `excluded` is not one list for each row
/// @note            2 R N D operations for R rows, and N D numbers of memory; deterministic
template <retrieval::TextEmbedder Model>
[[nodiscard]] data::TrainingRows mine_hard_negatives(const Model& encoder,
                                                     const data::TrainingRows& rows,
                                                     std::span<const std::string> pool,
                                                     const data::HardNegativeOptions& options = {},
                                                     Progress* progress = nullptr) {
  data::detail::check_hard_negatives(options);
  if (!options.excluded.empty()) {
    require_extent(
        "train::mine_hard_negatives", "excluded.size()", static_cast<Index>(options.excluded.size()), rows.size());
  }
  const auto size = static_cast<Index>(pool.size());
  const retrieval::FlatIndex index(encoder.encode_document(pool, progress));
  data::TrainingRows mined{.datasets = {}, .notes = rows.notes, .left_out = rows.left_out};
  std::size_t first = 0;  // row of the dataset among all
  for (const data::TrainingDataset& dataset : rows.datasets) {
    data::HardNegativeOptions own = options;
    if (!options.excluded.empty()) {
      own.excluded = options.excluded.subspan(first, static_cast<std::size_t>(dataset.size()));
    }
    first += static_cast<std::size_t>(dataset.size());
    std::vector<std::string_view> queries;
    std::size_t most_passed = 0;
    for (Index row = 0; row < dataset.size(); ++row) {
      queries.push_back(dataset[row].instructed_query);
      const std::size_t excluded = own.excluded.empty() ? 0 : own.excluded[static_cast<std::size_t>(row)].size();
      most_passed = std::max(most_passed, dataset[row].pos.size() + dataset[row].neg.size() + excluded);
    }
    constexpr Index kCopies = 16;  // room for copies of documents under other ids, and the query itself
    const Index wanted =
        std::min(options.count, size) + std::min(options.skip, size) + static_cast<Index>(most_passed) + kCopies;
    const retrieval::Rankings hits =
        index.search(encoder.encode_query(std::span<const std::string_view>(queries), progress),
                     {.top_k = wanted, .pool = &encoder.pool()});
    std::vector<std::vector<Index>> candidates(hits.size());
    for (std::size_t row = 0; row < hits.size(); ++row) {
      for (const retrieval::Hit& hit : hits[row]) {
        candidates[row].push_back(hit.document);
      }
    }
    data::HardNegatives found = data::with_hard_negatives(dataset, pool, candidates, own);
    mined.notes.push_back(dataset.name() + ": " + std::to_string(found.taken) + " hard negatives mined for " +
                          std::to_string(dataset.size()) + " row(s), " + std::to_string(found.relevant) +
                          " relevant candidates left out" +
                          (found.short_rows == 0 ? ""
                                                 : ", " + std::to_string(found.short_rows) +
                                                       " row(s) found fewer than " + std::to_string(options.count)));
    mined.datasets.push_back(std::move(found.rows));
  }
  return mined;
}

}  // namespace reasonembed::train
