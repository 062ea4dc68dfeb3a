#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/eval/score.hpp>
#include <reasonembed/retrieval/flat_index.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// Encodes the documents and queries of a dataset, searches exactly, and measures the result by nDCG@10.
///
/// @param name      of the system, for the report
/// @param encoder   models retrieval::TextEmbedder
/// @param progress  how the encoding is shown; ProgressOptions{.silent = true} shows nothing
/// @throws          as score and the encoder
template <retrieval::TextEmbedder Encoder>
[[nodiscard]] ScoredRun score_encoder(std::string name,
                                      const data::RetrievalDataset& dataset,
                                      const Encoder& encoder,
                                      const RetrieveOptions& options = {},
                                      ProgressOptions progress = {}) {
  progress.unit = "texts";
  Progress line("encode", dataset.corpus.size() + dataset.queries.size(), std::move(progress));
  const std::vector<std::string_view> queries(dataset.queries.texts().begin(), dataset.queries.texts().end());
  const auto search = [&](retrieval::SearchOptions searching) {
    searching.pool = &encoder.pool();
    const retrieval::FlatIndex index(encoder.encode_document(std::span(dataset.corpus.texts()), &line));
    return index.search(encoder.encode_query(std::span(queries), &line), searching);
  };
  return score(std::move(name), dataset, search, options);
}

}  // namespace reasonembed::eval
