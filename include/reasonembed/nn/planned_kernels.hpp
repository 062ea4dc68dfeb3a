#pragma once
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/backend/planned.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/cpu_kernels.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/simd/attention.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// A projection, table or vector of which nothing is there but its shape.
template <class S>
class PlannedParameter {
 public:
  PlannedParameter() = default;
  PlannedParameter(Index rows, Index cols) : rows_(rows), cols_(cols) {}

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index cols() const { return cols_; }
  /// @return  no element
  [[nodiscard]] std::span<const S> span() const { return {}; }
  [[nodiscard]] MatrixView<const S> view() const { return {}; }

 private:
  Index rows_ = 0;
  Index cols_ = 0;
};

/// Kernels that leave their results unwritten, and take the scratch of the real ones. What serves an encoder is here;
/// there is no plan of training.
template <class StoreType, class FactorType>
struct Kernels<backend::Planned<backend::Cpu<StoreType, FactorType>>> {
  using S = typename backend::Cpu<StoreType, FactorType>::Scalar;
  using Format = typename Kernels<backend::Cpu<StoreType, FactorType>>::Format;
  using AttentionFormat = typename Kernels<backend::Cpu<StoreType, FactorType>>::AttentionFormat;
  using Weight = PlannedParameter<S>;
  using Factor = PlannedParameter<S>;
  using Table = PlannedParameter<S>;
  using Vector = PlannedParameter<S>;
  using View = MatrixView<S>;
  using ConstView = MatrixView<const S>;
  using Vectors = std::span<const S>;
  using Ids = std::span<const std::int32_t>;

  static void linear(ConstView x, const Weight& weight, Vectors, View, Arena& scratch) {
    const ArenaScope scope(scratch);
    (void)scratch.allocate<S>(simd::gemm_scratch<Format>(x.rows(), weight.cols(), simd::best_level()));
  }
  static void linear_accumulate(ConstView x, const Factor& weight, View y, Arena& scratch) {
    linear(x, weight, {}, y, scratch);
  }
  /// One head of all computes, on whatever the arena holds: its scratch is every head's.
  static void attention(const simd::AttentionShape& shape,
                        ConstView q,
                        ConstView k,
                        ConstView v,
                        Ids offsets,
                        S scale,
                        View out,
                        std::span<S>,
                        Arena& scratch) {
    simd::AttentionShape one = shape;
    one.heads = 1;
    one.kv_heads = 1;
    const auto head = [&](auto view) { return view.col_block(0, shape.head_dim); };
    simd::attention<S, AttentionFormat>(one, head(q), head(k), head(v), offsets, scale, head(out), {}, scratch);
  }

  static void attention_rows(const simd::AttentionShape& shape,
                             ConstView q,
                             ConstView k,
                             ConstView v,
                             Ids offsets,
                             Ids rows,
                             S scale,
                             View out,
                             Arena& scratch) {
    simd::AttentionShape one = shape;
    one.heads = 1;
    one.kv_heads = 1;
    const auto head = [&](auto view) { return view.col_block(0, shape.head_dim); };
    simd::attention_rows<S, AttentionFormat>(one, head(q), head(k), head(v), offsets, rows, scale, head(out), scratch);
  }

  static void layer_norm(ConstView, Vectors, Vectors, S, View, std::span<S>, std::span<S>) {}
  static void rms_norm(ConstView, Vectors, S, View, std::span<S>) {}
  static void gelu(ConstView, View) {}
  static void silu_multiply(ConstView, ConstView, View) {}
  static void add(ConstView, ConstView, View) {}
  static void accumulate(ConstView, View) {}
  static void scale(ConstView, S, View) {}
  static void dropout(ConstView, View, const simd::DropoutMask&, Ids) {}
  static void rotary_table(Ids, std::span<const float>, View, View) {}
  static void rotate(ConstView, ConstView, ConstView, View) {}
  static void embedding(Ids, const Table&, View) {}
  static void embedding_accumulate(Ids, const Table&, View) {}
  static void mean_pool(ConstView, Ids, View) {}
  static void select_rows(ConstView, Ids, View) {}
  static void l2_normalize(ConstView, View, std::span<S>) {}
};

static_assert(NeuralKernels<backend::Planned<backend::Cpu<float>>>);

/// Makes parameters that are nowhere, and counts what they would take when they only serve.
///
/// @tparam B  a Cpu
template <class B>
class PlanningAllocator {
  using TableStore = typename Kernels<B>::TableStore;
  using PackedWeight = simd::PackedMatrix<typename Kernels<B>::Format>;

 public:
  using Leaf = WeightLeaf<backend::Planned<B>>;
  using Parameter = PlannedParameter<typename B::Scalar>;

  [[nodiscard]] Parameter matrix(Index rows, Index cols) {
    bytes_ += PackedWeight::footprint(rows, cols);
    return Parameter(rows, cols);
  }
  [[nodiscard]] Parameter table(Index rows, Index cols) {
    add<TableStore>(checked_size("nn::PlanningAllocator", rows, cols));
    return Parameter(rows, cols);
  }
  [[nodiscard]] Parameter vector(Index size) {
    add<typename B::Scalar>(size);
    return Parameter(1, size);
  }
  /// @return  bytes of all that was asked for, as buffers take them
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  template <class T>
  void add(Index size) {
    bytes_ += AlignedBuffer<T>::footprint(size);
  }
  std::size_t bytes_ = 0;
};

}  // namespace reasonembed::nn
