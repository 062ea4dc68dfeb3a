#pragma once
/// @file From the hits of an index to the run of a dataset.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/retrieval/run.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// When the documents that a query must not find are removed.
enum class Exclusion : bool {
  kBeforeCutoff,  ///< before the best top_k are taken, so that top_k remain [BRIGHT, with top_k = 1000]
  kAfterCutoff,   ///< from the best top_k, so that fewer remain [ReasonEmbed, with top_k = 2000]
};

/// Options of retrieve.
struct RetrieveOptions {
  Index top_k = 1000;  ///< documents per query, >= 1
  Exclusion exclusion = Exclusion::kBeforeCutoff;

  friend bool operator==(const RetrieveOptions&, const RetrieveOptions&) = default;
};

/// Searches for all queries of a dataset.
///
/// Valid expressions, with `s` an object of the type:
///   s(options)   with retrieval::SearchOptions that hold `top_k` and `excluded`; returns
///                retrieval::Rankings, the hits of each query in the order of the dataset's queries
template <class T>
concept DatasetSearch = requires(T& search, const retrieval::SearchOptions& options) {
  { search(options) } -> std::same_as<retrieval::Rankings>;
};

/// Names the hits of an index over the dataset's corpus.
///
/// @param hits  (B) for each query of the dataset
/// @return      a ranking for every query, an empty one where nothing was found
/// @throws      ShapeError if there are not B rankings or a document number is not one of the corpus; as
///              retrieval::Run::add
[[nodiscard]] inline retrieval::Run make_run(const data::RetrievalDataset& dataset, const retrieval::Rankings& hits) {
  require_extent("eval::make_run", "hits.size()", static_cast<Index>(hits.size()), dataset.queries.size());
  retrieval::Run run;
  for (std::size_t query = 0; query < hits.size(); ++query) {
    std::vector<retrieval::RunEntry> entries;
    entries.reserve(hits[query].size());
    for (const retrieval::Hit& hit : hits[query]) {
      if (hit.document < 0 || hit.document >= dataset.corpus.size()) {
        throw ShapeError::invalid("eval::make_run",
                                  "document of query " + io::in_quotes(dataset.queries.ids()[query]),
                                  std::to_string(hit.document),
                                  "a number below " + std::to_string(dataset.corpus.size()));
      }
      entries.push_back({dataset.corpus.ids()[static_cast<std::size_t>(hit.document)], hit.score});
    }
    run.add(dataset.queries.ids()[query], std::move(entries));
  }
  return run;
}

/// Searches for every query of a dataset, without the documents excluded for it.
///
/// @param search  calls an index, for example `[&](const auto& options) { return bm25.search(texts, options); }`; may
///                complete the options it is given, with a pool
/// @throws        as make_run, and what `search` throws
template <DatasetSearch Search>
[[nodiscard]] retrieval::Run retrieve(const data::RetrievalDataset& dataset,
                                      Search&& search,
                                      const RetrieveOptions& options = {}) {
  const std::vector<std::vector<Index>> excluded = dataset.excluded_documents();
  if (options.exclusion == Exclusion::kBeforeCutoff) {
    return make_run(dataset, search(retrieval::SearchOptions{.top_k = options.top_k, .excluded = excluded}));
  }
  retrieval::Rankings hits = search(retrieval::SearchOptions{.top_k = options.top_k});
  require_extent("eval::retrieve", "hits.size()", static_cast<Index>(hits.size()), dataset.queries.size());
  for (std::size_t query = 0; query < hits.size(); ++query) {
    const std::vector<Index>& banned = excluded[query];
    std::erase_if(hits[query], [&](const retrieval::Hit& hit) {
      return std::binary_search(banned.begin(), banned.end(), hit.document);
    });
  }
  return make_run(dataset, hits);
}

}  // namespace reasonembed::eval
