#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/loss/reasoning_intensity.hpp>
#include <reasonembed/loss/weighting.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/elementwise.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/math.hpp>
#include <reasonembed/simd/reduce.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::loss {

template <class W>
struct ContrastiveOptions {
  double temperature = 0.02;           ///< tau, > 0
  typename W::Options weighting = {};  ///< of the weighting
  bool operator==(const ContrastiveOptions&) const = default;

  /// Calls `f(name, value)` for every option, so that logs and checkpoints can name them.
  template <class F>
  void visit(F&& f) const {
    f("temperature", temperature);
    f("weighting", weighting);
  }
};

/// The queries of a batch rewritten with their reasoning, where there is such a text.
template <class T>
struct ReasoningQueries {
  MatrixView<const T> embeddings = {};               ///< (B, D) unit rows; rows without a text are not looked at
  std::span<const std::uint8_t> has_reasoning = {};  ///< (B) 0 where there is no text; empty: every query has one
};

/// What one evaluation of a contrastive loss found. Spans lie in the arena of the call.
struct ContrastiveResult {
  double loss = 0.0;                         ///< sum_i w_i l_i, nats
  std::span<const double> losses = {};       ///< (B) l_i, nats
  std::span<const double> intensities = {};  ///< (B) r_i; 1 where it was not measured
  std::span<const double> weights = {};      ///< (B) w_i
  Index missing_reasoning = 0;               ///< queries given intensity 1 because they have no reasoning query
};

namespace detail {

/// One row of similarities, turned into the exponentials of its softmax.
struct SoftmaxRow {
  double loss = 0.0;    ///< -log p_positive
  double total = 1.0;   ///< sum_j e_j
  double others = 0.0;  ///< the same without the positive: 1 - p_positive = others / total, without cancellation
};

/// e_j = exp((s_j - max_k s_k) / tau), in place.
///
/// The loss is log1p(others) where the positive is the largest: it stays exact to a few roundings when it is far
/// smaller than one rounding of s / tau, as that of a reasoning query often is.
///
/// @param s         (N) similarities; overwritten with e
/// @param positive  index of the positive document
template <class T>
SoftmaxRow exponentiate_row(std::span<T> s, std::size_t positive, double temperature) {
  using Arch = simd::CompiledArch;
  using B = simd::Batch<T, Arch>;
  const T top = *std::max_element(s.begin(), s.end());
  const double gap = (static_cast<double>(top) - static_cast<double>(s[positive])) / temperature;
  const B shift(top);
  const B factor(static_cast<T>(1.0 / temperature));
  simd::for_each_lanes<T, Arch>(static_cast<Index>(s.size()), [&](auto lanes) {
    lanes.store(s.data(), simd::BatchMath<T, Arch>::exp((lanes.load(s.data()) - shift) * factor));
  });
  SoftmaxRow row;
  for (std::size_t j = 0; j < s.size(); ++j) {
    row.others += j == positive ? 0.0 : static_cast<double>(s[j]);
  }
  row.total = row.others + static_cast<double>(s[positive]);
  row.loss = gap == 0.0 ? std::log1p(row.others) : gap + std::log(row.total);
  return row;
}

}  // namespace detail

/// The contrastive loss over in-batch and hard negatives: each query is to find its positive among all documents of the
/// global batch.
///
///   s_ij = q_i . d_j,   l_i = -log softmax_j(s_ij / tau)[i G],   loss = sum_i w_i l_i        [arXiv 2510.08252]
///
/// `Contrastive<Uniform>` is InfoNCE, `Contrastive<ReasoningIntensity>` is Redapter; both are this one code path. The
/// weights are constants: see docs/derivations.md for the gradient.
///
/// @tparam W  models Weighting
/// @note   similarities, exponentials and gradients are computed in T, sums over a row and everything per query in
/// double
template <Weighting W = Uniform>
class Contrastive {
 public:
  using Options = ContrastiveOptions<W>;

  /// @throws ConfigError naming the option that is out of its range
  explicit Contrastive(Options options = {}) : options_(std::move(options)), weighting_(options_.weighting) {
    if (!(options_.temperature > 0.0 && std::isfinite(options_.temperature))) {
      throw ConfigError::invalid(
          "loss::Contrastive", "temperature", std::to_string(options_.temperature), "a number > 0");
    }
  }

  /// @return  what logs and checkpoints call it
  [[nodiscard]] static std::string name() { return std::string("contrastive<") + W::name + ">"; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const W& weighting() const { return weighting_; }
  /// @return  whether evaluate looks at reasoning queries at this step; if not they need not be encoded
  [[nodiscard]] bool needs_reasoning(std::int64_t step) const { return weighting_.needs_reasoning(step); }

  /// The loss of one global batch and its gradient by every embedding.
  ///
  /// @param queries    (B, D) unit rows, B >= 1
  /// @param documents  (B G, D) unit rows; G a query, of which the first, row i G, is the positive
  /// @param reasoning  looked at only if needs_reasoning(step)
  /// @param step       optimiser steps taken so far, >= 0
  /// @param dq         (B, D) overwritten with dloss/dq; empty together with dd: no gradient is computed
  /// @param dd         (B G, D) overwritten with dloss/dd
  /// @param arena      holds the result's spans, and scratch that is rewound; unchanged if it throws
  /// @throws ShapeError if the shapes do not fit; ConfigError if step < 0; NonFiniteError that names the query if an
  ///         embedding, a loss or a weight is NaN or infinite. dq and dd are then as they were
  /// @pre    dq and dd overlap nothing else
  /// @note   2 B N D operations for the loss, once more with reasoning queries, and 4 B N D for the gradient (N = B G),
  ///         in the calling thread; B N elements of scratch; no allocation once the arena has its size. Bits depend on
  ///         the operands alone
  template <class T>
  ContrastiveResult evaluate(std::type_identity_t<MatrixView<const T>> queries,
                             std::type_identity_t<MatrixView<const T>> documents,
                             const std::type_identity_t<ReasoningQueries<T>>& reasoning,
                             std::int64_t step,
                             MatrixView<T> dq,
                             MatrixView<T> dd,
                             Arena& arena) const {
    require_batch(queries, documents, step);
    const bool with_gradient = !(dq.empty() && dd.empty());
    if (with_gradient) {
      simd::require_same_shape(kWhere, "dq.rows()", "dq.cols()", dq, queries);
      simd::require_same_shape(kWhere, "dd.rows()", "dd.cols()", dd, documents);
    }
    const Index batch = queries.rows();
    ArenaScope kept(arena);
    const std::span<double> losses = arena.allocate<double>(batch);
    const std::span<double> intensities = arena.allocate<double>(batch);
    const std::span<double> weights = arena.allocate<double>(batch);
    ContrastiveResult result{0.0, losses, intensities, weights, 0};
    {
      const ArenaScope scratch(arena);
      const MatrixView<T> similarities = arena.matrix<T>(batch, documents.rows());
      WeightingBatch seen{losses, {}, {}, step};
      if (needs_reasoning(step)) {
        result.missing_reasoning = measure_reasoning(reasoning, documents, similarities, seen, arena);
      }
      const std::span<detail::SoftmaxRow> rows = arena.allocate<detail::SoftmaxRow>(batch);
      multiply(queries, documents, similarities, arena);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i] = exponentiate(similarities, i);
        losses[i] = require_finite("loss of query", i, rows[i].loss);
      }
      weighting_.weigh(seen, intensities, weights);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        result.loss += require_finite("weight of query", i, weights[i]) * losses[i];
      }
      if (with_gradient) {
        differentiate(rows, weights, similarities);
        simd::gemm(simd::Op::kNone, similarities, simd::Op::kNone, documents, dq, simd::Store::kOverwrite, arena);
        simd::gemm(simd::Op::kTranspose, similarities, simd::Op::kNone, queries, dd, simd::Store::kOverwrite, arena);
      }
    }
    kept.keep();
    return result;
  }

 private:
  static constexpr std::string_view kWhere = "loss::Contrastive::evaluate";

  static double require_finite(std::string_view what, std::size_t index, double value) {
    if (!std::isfinite(value)) {
      throw NonFiniteError::found(kWhere, what, index, value);
    }
    return value;
  }
  template <class T>
  static void require_finite_row(std::string_view what, std::size_t index, std::span<const T> row) {
    const Index first = simd::first_non_finite(row);
    if (first >= 0) {
      throw NonFiniteError::found(kWhere, what, index, static_cast<double>(row[static_cast<std::size_t>(first)]));
    }
  }

  template <class T>
  static void require_batch(MatrixView<const T> queries, MatrixView<const T> documents, std::int64_t step) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>,
                  "reasonembed::loss::Contrastive: embeddings must be float or double");
    if (queries.rows() == 0) {
      throw ShapeError::invalid(kWhere, "queries.rows()", "0", "at least 1");
    }
    if (documents.rows() == 0 || documents.rows() % queries.rows() != 0) {
      throw ShapeError::invalid(kWhere,
                                "documents.rows()",
                                std::to_string(documents.rows()),
                                "a positive multiple of queries.rows() " + std::to_string(queries.rows()));
    }
    require_extent(kWhere, "documents.cols()", documents.cols(), queries.cols());
    if (step < 0) {
      throw ConfigError::invalid(kWhere, "step", std::to_string(step), "at least 0");
    }
    for (Index i = 0; i < queries.rows(); ++i) {
      require_finite_row("embedding of query", static_cast<std::size_t>(i), queries.row(i));
    }
    const Index group = documents.rows() / queries.rows();
    for (Index j = 0; j < documents.rows(); ++j) {
      const auto row = documents.row(j);
      if (!simd::all_finite(row)) {
        const std::string what = "embedding of query " + std::to_string(j / group) + "'s document";
        require_finite_row(what, static_cast<std::size_t>(j % group), row);
      }
    }
  }

  template <class T>
  static void multiply(MatrixView<const T> queries, MatrixView<const T> documents, MatrixView<T> s, Arena& arena) {
    simd::gemm(simd::Op::kNone, queries, simd::Op::kTranspose, documents, s, simd::Store::kOverwrite, arena);
  }
  template <class T>
  [[nodiscard]] detail::SoftmaxRow exponentiate(MatrixView<T> similarities, std::size_t query) const {
    const std::span<T> row = similarities.row(static_cast<Index>(query));
    const std::size_t group = row.size() / static_cast<std::size_t>(similarities.rows());
    return detail::exponentiate_row(row, query * group, options_.temperature);
  }

  /// Fills in l' and the mask of `seen`.
  ///
  /// @param similarities  (B, N) scratch
  /// @return              queries without a reasoning query
  template <class T>
  Index measure_reasoning(const ReasoningQueries<T>& reasoning,
                          MatrixView<const T> documents,
                          MatrixView<T> similarities,
                          WeightingBatch& seen,
                          Arena& arena) const {
    const Index batch = similarities.rows();
    const std::span<std::uint8_t> has = arena.allocate<std::uint8_t>(batch);
    std::fill(has.begin(), has.end(), std::uint8_t{1});
    if (!reasoning.has_reasoning.empty()) {
      require_extent(
          kWhere, "reasoning.has_reasoning.size()", static_cast<Index>(reasoning.has_reasoning.size()), batch);
      std::copy(reasoning.has_reasoning.begin(), reasoning.has_reasoning.end(), has.begin());
    }
    const std::span<double> losses = arena.allocate<double>(batch);
    std::fill(losses.begin(), losses.end(), 0.0);
    const Index missing = std::count(has.begin(), has.end(), std::uint8_t{0});
    if (missing < batch) {
      require_extent(kWhere, "reasoning.embeddings.rows()", reasoning.embeddings.rows(), batch);
      require_extent(kWhere, "reasoning.embeddings.cols()", reasoning.embeddings.cols(), documents.cols());
      multiply(reasoning.embeddings, documents, similarities, arena);
    }
    for (std::size_t i = 0; i < has.size(); ++i) {
      if (has[i] != 0) {
        require_finite_row("embedding of reasoning query", i, reasoning.embeddings.row(static_cast<Index>(i)));
        losses[i] = require_finite("loss of reasoning query", i, exponentiate(similarities, i).loss);
      }
    }
    seen.reasoning_losses = losses;
    seen.has_reasoning = has;
    return missing;
  }

  /// From exponentials to dloss/ds:  w_i (p_ij - [j is positive]) / tau.
  template <class T>
  void differentiate(std::span<const detail::SoftmaxRow> rows,
                     std::span<const double> weights,
                     MatrixView<T> exponentials) const {
    const Index group = exponentials.cols() / exponentials.rows();
    for (Index i = 0; i < exponentials.rows(); ++i) {
      const auto query = static_cast<std::size_t>(i);
      const double factor = weights[query] / options_.temperature / rows[query].total;
      const MatrixView<T> row = exponentials.row_block(i, 1);
      simd::scale(row, static_cast<T>(factor), row);
      row(0, i * group) = static_cast<T>(-factor * rows[query].others);
    }
  }

  Options options_;
  W weighting_;
};

}  // namespace reasonembed::loss
