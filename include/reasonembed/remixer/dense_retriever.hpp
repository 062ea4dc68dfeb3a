#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/remixer/retriever.hpp>
#include <reasonembed/retrieval/flat_index.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

namespace detail {

/// @return  (B, D) the vectors of queries with their instruction, as training encodes them
template <retrieval::TextEmbedder E>
[[nodiscard]] Matrix<float> encode_instructed(const E& encoder,
                                              std::span<const std::string> queries,
                                              std::string_view instruction) {
  std::vector<std::string> instructed;
  instructed.reserve(queries.size());
  for (const std::string& query : queries) {
    instructed.push_back(data::instructed_query(instruction, query));
  }
  const std::vector<std::string_view> texts(instructed.begin(), instructed.end());
  return encoder.encode_query(std::span<const std::string_view>(texts), nullptr);
}

/// @return  (N, D) the vectors of documents, which may lie on the disk: some thousand are in memory at a time
template <retrieval::TextEmbedder E>
[[nodiscard]] Matrix<float> encode_documents(const E& encoder,
                                             std::span<const std::string_view> documents,
                                             Progress* progress) {
  constexpr std::size_t kBlock = 4096;
  Matrix<float> vectors;
  for (std::size_t first = 0; first == 0 || first < documents.size(); first += kBlock) {
    const auto some = documents.subspan(first, std::min(kBlock, documents.size() - first));
    const std::vector<std::string> texts(some.begin(), some.end());
    const Matrix<float> block = encoder.encode_document(std::span<const std::string>(texts), progress);
    if (first == 0) {
      vectors = Matrix<float>(static_cast<Index>(documents.size()), block.cols());
    }
    for (Index i = 0; i < block.rows(); ++i) {
      const std::span<const float> row = block.row(i);
      std::copy(row.begin(), row.end(), vectors.row(static_cast<Index>(first) + i).begin());
    }
  }
  return vectors;
}

}  // namespace detail

/// Finds documents by the inner products of an encoder's vectors, all of them compared.
///
/// Queries are encoded with the task's instruction, as training encodes them.
///
/// Models: Retriever.
///
/// @tparam E  models retrieval::TextEmbedder; must outlive the retriever and its indices
/// @note      memory: the vectors of all documents, twice while they are encoded; VectorFileRetriever needs none
template <retrieval::TextEmbedder E>
class DenseRetriever {
 public:
  /// Documents as vectors.
  class Searcher {
   public:
    Searcher(const E& encoder, const DocumentTexts& documents, Progress* progress)
        : encoder_(&encoder), vectors_(detail::encode_documents(encoder, documents.texts(), progress)) {}
    [[nodiscard]] retrieval::Rankings search(std::span<const std::string> queries,
                                             std::string_view instruction,
                                             Index top_k) const {
      return vectors_.search(detail::encode_instructed(*encoder_, queries, instruction),
                             {.top_k = top_k, .pool = &encoder_->pool()});
    }

   private:
    const E* encoder_;
    retrieval::FlatIndex vectors_;
  };

  explicit DenseRetriever(const E& encoder) : encoder_(&encoder) {}

  /// @throws  what the encoder throws
  [[nodiscard]] Searcher index(const DocumentTexts& documents, Progress* progress = nullptr) const {
    return Searcher(*encoder_, documents, progress);
  }

 private:
  const E* encoder_;
};

}  // namespace reasonembed::remixer
