#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/npy.hpp>
#include <reasonembed/remixer/dense_retriever.hpp>
#include <reasonembed/remixer/retriever.hpp>
#include <reasonembed/retrieval/file_index.hpp>
#include <reasonembed/retrieval/flat_index.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of VectorFileRetriever.
struct VectorFileOptions {
  /// Least cosine of a stored vector with that of its document, for those that are compared; weights in bfloat16 cost a
  /// thousandth. In [-1, 1], -1 takes everything
  double least_cosine = 0.99;

  friend bool operator==(const VectorFileOptions&, const VectorFileOptions&) = default;
};

namespace detail {

/// @return  the cosine of two vectors, 1 if both are zeros; NaN if one has elements that are not finite
inline double cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0;
  double squares_a = 0;
  double squares_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    squares_a += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    squares_b += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return squares_a == 0 && squares_b == 0 ? 1.0 : product / std::sqrt(squares_a * squares_b);
}

}  // namespace detail

/// Finds documents by inner products with vectors that stay in .npy files, one row for each document of the corpus, as
/// `reasonembed encode` writes them: the dense retriever for corpora larger than memory.
///
/// What it finds is what DenseRetriever finds with the same vectors, ties included. Texts that the corpus lacks
/// (sources that came from elsewhere) are encoded when they are indexed. Files of another corpus, order, model or role
/// would give candidates at random, so the first, the middle and the last document are encoded and compared with their
/// rows.
///
/// Models: Retriever.
///
/// @tparam E  models retrieval::TextEmbedder, the one that made the vectors; must outlive the retriever and its indices
/// @note      memory: 4 bytes for each document of the corpus, none if it has neither copies nor blank documents, and
///            what retrieval::FileIndex needs. A search reads the files once for up to 1,024 queries of MineCandidates.
template <retrieval::TextEmbedder E>
class VectorFileRetriever {
 public:
  using Options = VectorFileOptions;

  /// Documents as rows of files.
  class Searcher {
   public:
    Searcher(const E& encoder,
             std::span<const std::filesystem::path> files,
             const Options& options,
             const DocumentTexts& documents,
             Progress* progress)
        : encoder_(&encoder), vectors_(files), in_corpus_(documents.in_corpus()) {
      if (vectors_.size() != documents.corpus_size()) {
        throw DataError::invalid(name_of(files),
                                 "number of vectors",
                                 std::to_string(vectors_.size()),
                                 std::to_string(documents.corpus_size()) + ", one for each document of the corpus");
      }
      require_same_model(files, options, documents);
      number_rows(documents);
      if (progress != nullptr) {
        progress->advance(in_corpus_);
      }
      if (in_corpus_ < documents.size()) {
        const auto others = documents.texts().subspan(static_cast<std::size_t>(in_corpus_));
        others_.emplace(detail::encode_documents(encoder, others, progress));
      }
    }
    [[nodiscard]] retrieval::Rankings search(std::span<const std::string> queries,
                                             std::string_view instruction,
                                             Index top_k) const {
      const Matrix<float> vectors = detail::encode_instructed(*encoder_, queries, instruction);
      retrieval::Rankings found = search_files(vectors, top_k);
      if (others_) {
        const retrieval::Rankings others = others_->search(vectors, {.top_k = top_k, .pool = &encoder_->pool()});
        for (std::size_t query = 0; query < queries.size(); ++query) {
          for (const retrieval::Hit& hit : others[query]) {
            found[query].push_back({hit.document + in_corpus_, hit.score});
          }
          std::sort(found[query].begin(), found[query].end(), retrieval::ranks_before);
          found[query].resize(std::min(found[query].size(), static_cast<std::size_t>(top_k)));
        }
      }
      return found;
    }

   private:
    using Number = std::uint32_t;
    static constexpr Number kNone = std::numeric_limits<Number>::max();

    static std::string name_of(std::span<const std::filesystem::path> files) {
      return files.front().string() + (files.size() == 1 ? "" : " and " + std::to_string(files.size() - 1) + " more");
    }
    void require_same_model(std::span<const std::filesystem::path> files,
                            const Options& options,
                            const DocumentTexts& documents) const {
      if (in_corpus_ == 0) {
        return;
      }
      std::vector<Index> probes = {0, in_corpus_ / 2, in_corpus_ - 1};
      probes.erase(std::unique(probes.begin(), probes.end()), probes.end());
      std::vector<std::string> texts;
      for (const Index probe : probes) {
        texts.emplace_back(documents[probe]);
      }
      const Matrix<float> expected = encoder_->encode_document(std::span<const std::string>(texts), nullptr);
      if (expected.cols() != vectors_.width()) {
        throw ShapeError::invalid(name_of(files),
                                  "width of the vectors",
                                  std::to_string(vectors_.width()),
                                  std::to_string(expected.cols()) + ", the model's");
      }
      Matrix<float> stored(1, vectors_.width());
      for (std::size_t i = 0; i < probes.size(); ++i) {
        const Index row = documents.row(probes[i]);
        const std::string where = read_row(files, row, stored.view());
        const double cosine = detail::cosine(stored.row(0), expected.row(static_cast<Index>(i)));
        if (!(cosine >= options.least_cosine)) {  // not for NaN either
          throw DataError::invalid(
              where,
              "cosine with the vector that the model gives document " + std::to_string(row),
              std::to_string(cosine),
              "at least " + std::to_string(options.least_cosine) + ": vectors of this model, role, corpus and order");
        }
      }
    }
    /// @return  file and row in it, as errors print them
    static std::string read_row(std::span<const std::filesystem::path> files, Index row, MatrixView<float> out) {
      for (const std::filesystem::path& path : files) {
        const io::NpyFile file(path);
        if (row < file.rows()) {
          file.read(row, out);
          return file.path() + ": row " + std::to_string(row);
        }
        row -= file.rows();
      }
      throw IoError::failed(files.back().string(), "file", "another one", "the one that was opened first");
    }
    /// Notes which row is which document: copies and blank ones are none.
    void number_rows(const DocumentTexts& documents) {
      if (in_corpus_ == vectors_.size()) {
        return;
      }
      numbers_.assign(static_cast<std::size_t>(vectors_.size()), kNone);
      for (Index i = 0; i < in_corpus_; ++i) {
        numbers_[static_cast<std::size_t>(documents.row(i))] = static_cast<Number>(i);
      }
    }
    /// Rows that are no documents take places among the hits. As many more are asked for as there may be, up to twice
    /// as many, and the queries for which that was not enough are searched for again.
    [[nodiscard]] retrieval::Rankings search_files(const Matrix<float>& queries, Index top_k) const {
      retrieval::Rankings found(static_cast<std::size_t>(queries.rows()));
      std::vector<Index> open(found.size());
      for (std::size_t i = 0; i < open.size(); ++i) {
        open[i] = static_cast<Index>(i);
      }
      const Index wanted = std::min(top_k, in_corpus_);
      Index asked = wanted + std::min(wanted, vectors_.size() - in_corpus_);
      while (wanted > 0 && !open.empty()) {
        const retrieval::Rankings rows =
            vectors_.search(rows_of(queries, open), {.top_k = asked, .pool = &encoder_->pool()});
        std::vector<Index> still_open;
        for (std::size_t i = 0; i < open.size(); ++i) {
          std::vector<retrieval::Hit>& hits = found[static_cast<std::size_t>(open[i])];
          hits = documents_of(rows[i], wanted);
          if (static_cast<Index>(hits.size()) < wanted) {
            still_open.push_back(open[i]);
          }
        }
        open = std::move(still_open);
        asked = std::min(2 * asked, vectors_.size());
      }
      return found;
    }
    static Matrix<float> rows_of(const Matrix<float>& queries, std::span<const Index> numbers) {
      Matrix<float> some(static_cast<Index>(numbers.size()), queries.cols());
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const std::span<const float> row = queries.row(numbers[i]);
        std::copy(row.begin(), row.end(), some.row(static_cast<Index>(i)).begin());
      }
      return some;
    }
    [[nodiscard]] std::vector<retrieval::Hit> documents_of(const std::vector<retrieval::Hit>& rows,
                                                           Index wanted) const {
      std::vector<retrieval::Hit> hits;
      hits.reserve(static_cast<std::size_t>(wanted));
      for (const retrieval::Hit& row : rows) {
        const Index number =
            numbers_.empty() ? row.document : static_cast<Index>(numbers_[static_cast<std::size_t>(row.document)]);
        if (number != static_cast<Index>(kNone) && static_cast<Index>(hits.size()) < wanted) {
          hits.push_back({number, row.score});
        }
      }
      return hits;
    }

    const E* encoder_;
    retrieval::FileIndex vectors_;
    Index in_corpus_ = 0;
    std::vector<Number> numbers_;                 // (rows) of documents, or none if every row is one
    std::optional<retrieval::FlatIndex> others_;  // documents that the corpus lacks
  };

  /// @param files  .npy files of (N_i, D) float32, one behind the other: a row for each document, in the corpus' order
  /// @throws       ConfigError if there is no file, or least_cosine is not in [-1, 1]
  VectorFileRetriever(const E& encoder, std::vector<std::filesystem::path> files, Options options = {})
      : encoder_(&encoder), files_(std::move(files)), options_(options) {
    constexpr std::string_view kWhere = "remixer::VectorFileRetriever";
    if (files_.empty()) {
      throw ConfigError::invalid(kWhere, "number of files", "0", "at least 1");
    }
    if (!(options_.least_cosine >= -1 && options_.least_cosine <= 1)) {
      throw ConfigError::invalid(kWhere, "least_cosine", std::to_string(options_.least_cosine), "in [-1, 1]");
    }
  }

  /// @throws  IoError, DataError as io::NpyFile; DataError that names the file if it has not one vector for each
  ///          document of the corpus, or another vector than the encoder gives; ShapeError for another width; what the
  ///          encoder throws
  [[nodiscard]] Searcher index(const DocumentTexts& documents, Progress* progress = nullptr) const {
    return Searcher(*encoder_, files_, options_, documents, progress);
  }

 private:
  const E* encoder_;
  std::vector<std::filesystem::path> files_;
  Options options_;
};

}  // namespace reasonembed::remixer
