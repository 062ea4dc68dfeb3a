#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/top_k.hpp>
#include <reasonembed/simd/gemm.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// Exact search by inner product: every query is compared with every document.
///
///   score(q, n) = <q, v_n>,   the cosine for the unit vectors that encoders return
///
/// @note  memory: one copy of the vectors, packed for the product kernels. Reading from many threads is safe.
class FlatIndex {
 public:
  /// @param vectors  (N, D) one row per document
  /// @throws         NonFiniteError if an element is NaN or infinite
  explicit FlatIndex(MatrixView<const float> vectors) : size_(vectors.rows()), width_(vectors.cols()) {
    for (Index n = 0; n < size_; ++n) {
      longest_ = std::max(longest_, checked_norm("retrieval::FlatIndex", "vectors", n, vectors.row(n)));
    }
    for (Index n = 0; n < size_; n += kDocumentBlock) {
      blocks_.emplace_back(vectors.row_block(n, std::min(kDocumentBlock, size_ - n)));
    }
  }
  explicit FlatIndex(const Matrix<float>& vectors) : FlatIndex(vectors.view()) {}

  /// @return  N
  [[nodiscard]] Index size() const { return size_; }
  /// @return  D
  [[nodiscard]] Index width() const { return width_; }

  /// Finds the best documents for each query.
  ///
  /// @param queries  (B, D)
  /// @return         (B) hits in the order of `ranks_before`: min(top_k, N - excluded) of them
  /// @throws         ShapeError if queries.cols() != width() or `excluded` has not B rows; ConfigError if top_k < 1 or
  ///                 an exclusion list is unsorted; NonFiniteError if an element is NaN or infinite, or so large that
  ///                 a score might be
  /// @note           2 B N D operations; scores and order are bit-identical for every pool size and however queries are
  ///                 batched
  [[nodiscard]] Rankings search(MatrixView<const float> queries, const SearchOptions& options = {}) const {
    constexpr std::string_view kWhere = "retrieval::FlatIndex::search";
    require_extent(kWhere, "queries.cols()", queries.cols(), width_);
    detail::check_search(kWhere, options, queries.rows());
    for (Index b = 0; b < queries.rows(); ++b) {
      require_range(b, checked_norm(kWhere, "queries", b, queries.row(b)));
    }
    Rankings hits(static_cast<std::size_t>(queries.rows()));
    std::vector<Scratch> scratch(detail::worker_count(options.pool));
    const Index items = (queries.rows() + kQueryBlock - 1) / kQueryBlock;
    detail::for_each_item(options.pool, items, [&](Index item, int worker) {
      const Index first = item * kQueryBlock;
      const Index count = std::min(kQueryBlock, queries.rows() - first);
      search_block(queries.row_block(first, count), first, options, scratch[static_cast<std::size_t>(worker)], hits);
    });
    return hits;
  }
  [[nodiscard]] Rankings search(const Matrix<float>& queries, const SearchOptions& options = {}) const {
    return search(queries.view(), options);
  }

 private:
  // 32 x 2048 scores are 256 KB, which stay in the second-level cache between the product and the selection.
  static constexpr Index kQueryBlock = 32;
  static constexpr Index kDocumentBlock = 2048;

  struct Scratch {
    Arena arena;
    Matrix<float> scores;
  };

  static double checked_norm(std::string_view where, std::string_view what, Index row, std::span<const float> values) {
    double squares = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        throw NonFiniteError::found(where, std::string(what) + "[" + std::to_string(row) + "]", i, values[i]);
      }
      squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    }
    return std::sqrt(squares);
  }
  /// No sum of products of a query with a document, partial ones included, is larger than the product of their lengths
  /// [Cauchy-Schwarz]; half of the range is left for rounding.
  void require_range(Index query, double length) const {
    if (length * longest_ > static_cast<double>(std::numeric_limits<float>::max()) / 2) {
      throw NonFiniteError(reasonembed::detail::error_text("retrieval::FlatIndex::search",
                                                           "length of queries[" + std::to_string(query) + "]",
                                                           std::to_string(length),
                                                           "one whose scores a float can hold"));
    }
  }

  /// @param queries  (count, D) queries first, first + 1, ...
  void search_block(MatrixView<const float> queries,
                    Index first,
                    const SearchOptions& options,
                    Scratch& scratch,
                    Rankings& hits) const {
    if (scratch.scores.rows() == 0) {
      scratch.scores = Matrix<float>(kQueryBlock, std::min(kDocumentBlock, size_));
    }
    std::vector<TopK> best;
    best.reserve(static_cast<std::size_t>(queries.rows()));
    for (Index b = 0; b < queries.rows(); ++b) {
      best.emplace_back(options.top_k,
                        options.excluded.empty() ? std::span<const Index>()
                                                 : std::span(options.excluded[static_cast<std::size_t>(first + b)]));
    }
    for (std::size_t block = 0; block < blocks_.size(); ++block) {
      const MatrixView<float> scores =
          scratch.scores.view().row_block(0, queries.rows()).col_block(0, blocks_[block].n());  // (count, documents)
      simd::gemm(queries, blocks_[block].view(), scores, simd::Store::kOverwrite, scratch.arena);
      for (Index b = 0; b < queries.rows(); ++b) {
        best[static_cast<std::size_t>(b)].offer(static_cast<Index>(block) * kDocumentBlock, scores.row(b));
      }
    }
    for (Index b = 0; b < queries.rows(); ++b) {
      hits[static_cast<std::size_t>(first + b)] = best[static_cast<std::size_t>(b)].take();
    }
  }

  Index size_ = 0;
  Index width_ = 0;
  double longest_ = 0;                             // length of the longest vector
  std::vector<simd::PackedMatrix<float>> blocks_;  // kDocumentBlock documents each, the last one fewer
};

}  // namespace reasonembed::retrieval
