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
#include <reasonembed/simd/attention_vjp.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/dropout.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/packed_matrix.hpp>
#include <reasonembed/simd/rounded_product.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

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

/// The same of an adapter, whose products are those of what the backend computes in.
template <class S>
class PlannedFactor : public PlannedParameter<S> {
 public:
  using PlannedParameter<S>::PlannedParameter;
};

namespace detail {

/// Scratch of op_a(a) op_b(b), the product of two matrices that are packed on the fly, with M rows, N columns and sums
/// of K numbers: taken and given back.
template <class T>
void plan_product(simd::Op op_a, Index m, Index n, Index k, Arena& scratch) {
  if (m == 0 || n == 0 || k == 0) {
    return;
  }
  const auto& kernel = simd::detail::gemm_kernel<T>(simd::best_level());
  const Index depth = simd::detail::depth_block<T>(k);
  const Index rows = simd::detail::packed_rows(kernel, op_a, m, simd::detail::row_block(kernel, m, depth));
  const ArenaScope scope(scratch);
  (void)scratch.allocate<T>(rows * depth);
  (void)scratch.allocate<T>(simd::detail::column_block(kernel, n, depth) * depth);
}

/// The same of a product whose operands are rounded, see simd::rounded_product.
inline void plan_rounded_product(simd::Op op_a, Index m, Index n, Index k, Arena& scratch) {
  if (m == 0 || n == 0 || k == 0) {
    return;
  }
  const ArenaScope scope(scratch);
#if defined(__x86_64__)
  if (simd::detail::multiplies_pairs<simd::Bf16Pair>(simd::best_level())) {
    const simd::detail::PairBlocks block(m, n, k);
    (void)scratch.allocate<simd::Bf16Pair>(block.rows * block.depth);
    (void)scratch.allocate<simd::Bf16Pair>(block.cols * block.depth);
    return;
  }
#endif
  (void)scratch.matrix<float>(m, k);
  (void)scratch.matrix<float>(k, n);
  plan_product<float>(op_a, m, n, k, scratch);
}

/// Which attention a measured scratch belongs to.
struct AttentionScratchKey {
  const void* kernel = nullptr;
  Index length = 0;
  Index head_dim = 0;
  bool causal = false;

  friend bool operator==(const AttentionScratchKey&, const AttentionScratchKey&) = default;
};

/// Takes from `scratch`, and gives back, what `measure(arena)` takes. Layers of a stack ask for the same again and
/// again, so a thread remembers the last few.
template <class F>
void take_measured(const AttentionScratchKey& key, Arena& scratch, F&& measure) {
  constexpr std::size_t kRemembered = 8;
  thread_local std::array<std::pair<AttentionScratchKey, Index>, kRemembered> known;
  thread_local std::size_t next = 0;
  auto found = std::find_if(known.begin(), known.end(), [&](const auto& entry) { return entry.first == key; });
  if (found == known.end()) {
    Arena arena;
    measure(arena);
    found = known.begin() + static_cast<std::ptrdiff_t>(next++ % kRemembered);
    *found = {key, static_cast<Index>(arena.peak())};
  }
  const ArenaScope scope(scratch);
  (void)scratch.allocate<std::byte>(found->second);
}

/// @return  the different lengths of the sequences, without 0
[[nodiscard]] inline std::vector<Index> distinct_lengths(std::span<const std::int32_t> offsets) {
  std::vector<Index> lengths;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    const Index length = offsets[b + 1] - offsets[b];
    if (length > 0 && std::find(lengths.begin(), lengths.end(), length) == lengths.end()) {
      lengths.push_back(length);
    }
  }
  return lengths;
}

}  // namespace detail

/// Kernels that leave their results unwritten, and take the scratch of the real ones, on the way forth and back.
template <class StoreType, class FactorType>
struct Kernels<backend::Planned<backend::Cpu<StoreType, FactorType>>> {
  using S = typename backend::Cpu<StoreType, FactorType>::Scalar;
  using Format = typename Kernels<backend::Cpu<StoreType, FactorType>>::Format;
  using AttentionFormat = typename Kernels<backend::Cpu<StoreType, FactorType>>::AttentionFormat;
  using Weight = PlannedParameter<S>;
  using Factor = PlannedFactor<S>;
  using Table = PlannedParameter<S>;
  using Vector = PlannedParameter<S>;
  using View = MatrixView<S>;
  using ConstView = MatrixView<const S>;
  using Vectors = std::span<const S>;
  using Values = std::span<S>;
  using Ids = std::span<const std::int32_t>;

  static void linear(ConstView x, const Weight& weight, Vectors, View, Arena& scratch) {
    const ArenaScope scope(scratch);
    (void)scratch.allocate<S>(simd::gemm_scratch<Format>(x.rows(), weight.cols(), simd::best_level()));
  }
  static void linear(ConstView x, const Factor& weight, Vectors, View, Arena& scratch) {
    const ArenaScope scope(scratch);
    (void)scratch.allocate<S>(simd::gemm_scratch<S>(x.rows(), weight.cols(), simd::best_level()));
  }
  static void linear_accumulate(ConstView x, const Factor& weight, View y, Arena& scratch) {
    linear(x, weight, {}, y, scratch);
  }
  static void linear_vjp_input(ConstView dy, const Weight& weight, View dx, Arena& scratch) {
    if constexpr (std::same_as<Format, S>) {
      detail::plan_product<S>(simd::Op::kNone, dx.rows(), weight.cols(), dy.cols(), scratch);
    } else {
      const ArenaScope scope(scratch);
      (void)scratch.allocate<S>(simd::gemm_scratch<Format>(dy.rows(), dy.cols(), simd::best_level()));
    }
  }
  static void linear_vjp_input(ConstView dy, const Factor& weight, View dx, Arena& scratch) {
    detail::plan_product<S>(simd::Op::kNone, dx.rows(), weight.cols(), dy.cols(), scratch);
  }
  static void linear_vjp_weight(ConstView dy, ConstView x, View, Values, Arena& scratch) {
    if constexpr (std::same_as<Format, simd::Bf16Pair>) {
      detail::plan_rounded_product(simd::Op::kTranspose, dy.cols(), x.cols(), dy.rows(), scratch);
    } else {
      detail::plan_product<S>(simd::Op::kTranspose, dy.cols(), x.cols(), dy.rows(), scratch);
    }
  }

  /// One head of each length of sequence computes, on operands of its own: its scratch is every head's.
  static void attention(const simd::AttentionShape& shape,
                        ConstView,
                        ConstView,
                        ConstView,
                        Ids offsets,
                        S scale,
                        View,
                        Values,
                        Arena& scratch) {
    static constexpr char kKernel = 'a';
    for_each_length(shape, offsets, &kKernel, scratch, [&](const OneHead& head, Arena& arena) {
      const View x = head.x.view();
      simd::attention<S, AttentionFormat>(head.shape, x, x, x, head.offsets, scale, head.y.view(), {}, arena);
    });
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
  static void attention_vjp(const simd::AttentionShape& shape,
                            ConstView,
                            ConstView,
                            ConstView,
                            Ids offsets,
                            S scale,
                            ConstView,
                            Vectors,
                            ConstView,
                            View,
                            View,
                            View,
                            Arena& scratch) {
    static constexpr char kKernel = 'v';
    for_each_length(shape, offsets, &kKernel, scratch, [&](const OneHead& head, Arena& arena) {
      const View x = head.x.view();
      const Matrix<S> log_sum_exp(1, x.rows());
      Matrix<S> dk(x.rows(), x.cols());
      Matrix<S> dv(x.rows(), x.cols());
      simd::attention_vjp<S, AttentionFormat>(head.shape,
                                              x,
                                              x,
                                              x,
                                              head.offsets,
                                              scale,
                                              x,
                                              log_sum_exp.flat(),
                                              x,
                                              head.y.view(),
                                              dk.view(),
                                              dv.view(),
                                              arena);
    });
  }

  static void layer_norm(ConstView, Vectors, Vectors, S, View, Values, Values) {}
  static void layer_norm_vjp(ConstView, Vectors, Vectors, Vectors, ConstView, View, Values, Values) {}
  static void rms_norm(ConstView, Vectors, S, View, Values) {}
  static void rms_norm_vjp(ConstView, Vectors, Vectors, ConstView, View, Values) {}
  static void gelu(ConstView, View) {}
  static void gelu_vjp(ConstView, ConstView, View) {}
  static void silu_multiply(ConstView, ConstView, View) {}
  static void silu_multiply_vjp(ConstView, ConstView, ConstView, View, View) {}
  static void add(ConstView, ConstView, View) {}
  static void accumulate(ConstView, View) {}
  static void scale(ConstView, S, View) {}
  static void dropout(ConstView, View, const simd::DropoutMask&, Ids) {}
  static void rotary_table(Ids, std::span<const float>, View, View) {}
  static void rotate(ConstView, ConstView, ConstView, View) {}
  static void rotate_vjp(ConstView, ConstView, ConstView, View) {}
  static void embedding(Ids, const Table&, View) {}
  static void embedding_accumulate(Ids, const Table&, View) {}
  static void embedding_vjp(Ids, ConstView, View) {}
  static void mean_pool(ConstView, Ids, View) {}
  static void mean_pool_vjp(ConstView, Ids, View) {}
  static void select_rows(ConstView, Ids, View) {}
  static void select_rows_vjp(ConstView, Ids, View) {}
  static void l2_normalize(ConstView, View, Values) {}
  static void l2_normalize_vjp(ConstView, Vectors, ConstView, View) {}

 private:
  /// Operands of one head of one sequence.
  struct OneHead {
    simd::AttentionShape shape;
    std::array<std::int32_t, 2> offsets{};
    mutable Matrix<S> x;  // (L, E)
    mutable Matrix<S> y;  // (L, E)
  };

  template <class F>
  static void for_each_length(
      const simd::AttentionShape& shape, Ids offsets, const void* kernel, Arena& scratch, F&& run) {
    for (const Index length : detail::distinct_lengths(offsets)) {
      const detail::AttentionScratchKey key{kernel, length, shape.head_dim, shape.causal};
      detail::take_measured(key, scratch, [&](Arena& arena) {
        const OneHead head{.shape = {.heads = 1, .kv_heads = 1, .head_dim = shape.head_dim, .causal = shape.causal},
                           .offsets = {0, static_cast<std::int32_t>(length)},
                           .x = Matrix<S>(length, shape.head_dim),
                           .y = Matrix<S>(length, shape.head_dim)};
        run(head, arena);
      });
    }
  }
};

static_assert(NeuralKernels<backend::Planned<backend::Cpu<float>>>);

/// Makes gradients that are nowhere but have their shapes: their one element is never read or written.
template <class S>
class PlanningGradients {
 public:
  using Leaf = GradientLeaf<S>;

  [[nodiscard]] MatrixView<S> matrix(Index rows, Index cols) { return {&element_, rows, cols}; }
  [[nodiscard]] MatrixView<S> table(Index rows, Index cols) { return matrix(rows, cols); }
  [[nodiscard]] std::span<S> vector(Index size) { return {&element_, static_cast<std::size_t>(size)}; }

 private:
  S element_{};
};

/// Makes parameters that are nowhere, and counts what they would take.
///
/// @tparam B  a Cpu
template <class B>
class PlanningAllocator {
  using TableStore = typename Kernels<B>::TableStore;
  using PackedWeight = simd::PackedMatrix<typename Kernels<B>::Format>;
  using Weight = typename Kernels<B>::Weight;

 public:
  using Leaf = WeightLeaf<backend::Planned<B>>;
  using Parameter = PlannedParameter<typename B::Scalar>;

  [[nodiscard]] Parameter matrix(Index rows, Index cols) {
    const std::size_t values =
        AlignedBuffer<typename Weight::Store>::footprint(checked_size("nn::PlanningAllocator", rows, cols));
    projection_bytes_ += PackedWeight::footprint(rows, cols);
    other_bytes_ += Weight::kKeepsValues ? values : 0;
    training_bytes_ += Weight::kComputesInValues ? values : PackedWeight::footprint(cols, rows);
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
  /// @return  bytes of all that was asked for, as buffers take them, when it only serves
  [[nodiscard]] std::size_t bytes() const { return projection_bytes_ + other_bytes_; }
  /// @return  the part of the packed projections
  [[nodiscard]] std::size_t projection_bytes() const { return projection_bytes_; }
  /// @return  bytes that `make_differentiable` adds: of unpacked values or of packed transposes
  [[nodiscard]] std::size_t training_bytes() const { return training_bytes_; }

 private:
  template <class T>
  void add(Index size) {
    other_bytes_ += AlignedBuffer<T>::footprint(size);
  }
  std::size_t projection_bytes_ = 0;
  std::size_t other_bytes_ = 0;
  std::size_t training_bytes_ = 0;
};

}  // namespace reasonembed::nn
