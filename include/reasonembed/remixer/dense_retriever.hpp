#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/remixer/retriever.hpp>
#include <reasonembed/retrieval/flat_index.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Finds documents by the inner products of an encoder's vectors, all of them compared.
///
/// Queries are encoded with the task's instruction, as training encodes them.
///
/// Models: Retriever.
///
/// @tparam E  models retrieval::TextEmbedder; must outlive the retriever and its indices
/// @note      memory: the vectors of all documents
template <retrieval::TextEmbedder E>
class DenseRetriever {
 public:
  /// Documents as vectors.
  class Searcher {
   public:
    Searcher(const E& encoder, std::span<const std::string> documents, Progress* progress)
        : encoder_(&encoder), vectors_(encoder.encode_document(documents, progress)) {}
    [[nodiscard]] retrieval::Rankings search(std::span<const std::string> queries,
                                             std::string_view instruction,
                                             Index top_k) const {
      std::vector<std::string> instructed;
      instructed.reserve(queries.size());
      for (const std::string& query : queries) {
        instructed.push_back(data::instructed_query(instruction, query));
      }
      const std::vector<std::string_view> texts(instructed.begin(), instructed.end());
      return vectors_.search(encoder_->encode_query(std::span<const std::string_view>(texts), nullptr),
                             {.top_k = top_k, .pool = &encoder_->pool()});
    }

   private:
    const E* encoder_;
    retrieval::FlatIndex vectors_;
  };

  explicit DenseRetriever(const E& encoder) : encoder_(&encoder) {}

  /// @throws  what the encoder throws
  [[nodiscard]] Searcher index(std::span<const std::string> documents, Progress* progress = nullptr) const {
    return Searcher(*encoder_, documents, progress);
  }

 private:
  const E* encoder_;
};

}  // namespace reasonembed::remixer
