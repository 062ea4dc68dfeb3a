#pragma once
/// @file Parameters: one structure per layer, instantiated with what its leaves are (weights, gradients).
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/kernels.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// What an optimiser or an initialiser needs to know of a parameter.
enum class ParameterKind : std::uint8_t { kWeight, kTable, kGain, kBias };

/// One named tensor, as checkpoints know it. A fused projection is visited as several slices of its rows.
template <class T>
struct ParameterSlice {
  std::string name;      ///< e.g. "blocks.3.attention.q.weight"
  MatrixView<T> values;  ///< (N, K); a gain or bias is (1, N)
  ParameterKind kind = ParameterKind::kWeight;

  /// @return  true for a gain or bias, which checkpoints store with one dimension
  [[nodiscard]] bool one_dimensional() const { return kind == ParameterKind::kGain || kind == ParameterKind::kBias; }
};

/// Leaves that own the weights of one backend.
template <NeuralKernels B>
struct WeightLeaf {
  using Matrix = typename Kernels<B>::Weight;
  using Table = typename Kernels<B>::Table;
  using Vector = typename Kernels<B>::Vector;
};

/// Leaves that view one flat gradient buffer.
template <class S>
struct GradientLeaf {
  using Matrix = MatrixView<S>;
  using Table = MatrixView<S>;
  using Vector = std::span<S>;
};

/// Makes zeroed weights.
template <NeuralKernels B>
struct WeightAllocator {
  using Leaf = WeightLeaf<B>;
  [[nodiscard]] typename Leaf::Matrix matrix(Index rows, Index cols) const { return typename Leaf::Matrix(rows, cols); }
  [[nodiscard]] typename Leaf::Table table(Index rows, Index cols) const { return typename Leaf::Table(rows, cols); }
  [[nodiscard]] typename Leaf::Vector vector(Index size) const { return typename Leaf::Vector(size); }
};

/// Hands out consecutive pieces of one flat buffer, so that a gradient is also a single vector to clip, reduce or send.
template <class S>
class GradientAllocator {
 public:
  using Leaf = GradientLeaf<S>;
  explicit GradientAllocator(std::span<S> flat) : rest_(flat) {}
  [[nodiscard]] MatrixView<S> matrix(Index rows, Index cols) { return {take(rows * cols).data(), rows, cols}; }
  [[nodiscard]] MatrixView<S> table(Index rows, Index cols) { return matrix(rows, cols); }
  [[nodiscard]] std::span<S> vector(Index size) { return take(size); }

 private:
  std::span<S> take(Index size) {
    REASONEMBED_ASSERT(static_cast<std::size_t>(size) <= rest_.size());
    const std::span<S> piece = rest_.first(static_cast<std::size_t>(size));
    rest_ = rest_.subspan(static_cast<std::size_t>(size));
    return piece;
  }
  std::span<S> rest_;
};

/// Gives every parameter an empty view: what is frozen has no gradient.
template <class S>
struct FrozenAllocator {
  using Leaf = GradientLeaf<S>;
  [[nodiscard]] MatrixView<S> matrix(Index, Index) const { return {}; }
  [[nodiscard]] MatrixView<S> table(Index, Index) const { return {}; }
  [[nodiscard]] std::span<S> vector(Index) const { return {}; }
};

namespace detail {
template <class S>
[[nodiscard]] MatrixView<S> leaf_values(MatrixView<S> leaf) {
  return leaf;
}
template <class S>
[[nodiscard]] MatrixView<S> leaf_values(std::span<S> leaf) {
  return {leaf.data(), 1, static_cast<Index>(leaf.size())};
}
template <class S>
[[nodiscard]] MatrixView<S> leaf_values(AlignedBuffer<S>& leaf) {
  return {leaf.data(), 1, leaf.size()};
}
template <class S>
[[nodiscard]] MatrixView<const S> leaf_values(const AlignedBuffer<S>& leaf) {
  return {leaf.data(), 1, leaf.size()};
}
/// A weight, whatever its packed form, shows its unpacked (N, K) values; none are left once it only serves.
template <class Leaf>
[[nodiscard]] auto leaf_values(Leaf& leaf) -> decltype(leaf.view()) {
  return leaf.view();
}
}  // namespace detail

/// A visitor that wants projections whole and no other parameter: it has a member `projection`, see Linear::visit, and
/// says so by a constant kProjectionsOnly that is true. Its leaves may be of any kind.
template <class F>
inline constexpr bool kVisitsProjectionsOnly = requires { requires std::remove_cvref_t<F>::kProjectionsOnly; };

/// Calls `f(ParameterSlice)` for one leaf, unless it is empty (a bias the model does not have).
template <class Leaf, class F>
void visit_leaf(Leaf&& leaf, [[maybe_unused]] std::string name, [[maybe_unused]] ParameterKind kind, F&& f) {
  if constexpr (!kVisitsProjectionsOnly<F>) {
    const auto values = detail::leaf_values(leaf);
    if (values.size() > 0) {
      using T = typename decltype(values)::Element;
      f(ParameterSlice<T>{std::move(name), values, kind});
    }
  }
}

/// Rows of a projection that holds no unpacked values, as checkpoints know them: what `ParameterSlice` is for the
/// others.
///
/// @tparam Weight  Kernels<B>::Weight, constant or not
template <class Weight>
struct PackedSlice {
  std::string name;  ///< as ParameterSlice::name
  Weight& weight;
  Index first = 0;
  Index rows = 0;  ///< of weight, from `first`
};

/// Calls `f.packed(PackedSlice)`, where `f` has that member: whoever visits values alone sees no others.
template <class Weight, class F>
void visit_packed([[maybe_unused]] Weight& weight,
                  [[maybe_unused]] std::string name,
                  [[maybe_unused]] Index first,
                  [[maybe_unused]] Index rows,
                  [[maybe_unused]] F& f) {
  if constexpr (requires(const PackedSlice<Weight>& slice) { f.packed(slice); }) {
    f.packed(PackedSlice<Weight>{std::move(name), weight, first, rows});
  }
}

/// A visitor of every parameter, with unpacked values or without.
template <class OnValues, class OnPacked>
struct ParameterVisitor {
  OnValues values;  ///< takes any ParameterSlice
  OnPacked packed;  ///< takes any PackedSlice

  template <class T>
  void operator()(const ParameterSlice<T>& slice) {
    values(slice);
  }
};
template <class OnValues, class OnPacked>
ParameterVisitor(OnValues, OnPacked) -> ParameterVisitor<OnValues, OnPacked>;

/// Fills one slice as a fresh model has it: N(0, deviation^2) for weights and tables, ones for gains, zeros for biases.
///
/// @param ordinal  position of the slice in the visiting order; every slice has its own random stream
template <class S>
void initialize_slice(const ParameterSlice<S>& slice, double deviation, std::uint64_t seed, std::uint64_t ordinal) {
  RandomStream random(seed, ordinal);
  for (Index row = 0; row < slice.values.rows(); ++row) {
    for (S& value : slice.values.row(row)) {
      switch (slice.kind) {
        case ParameterKind::kWeight:
        case ParameterKind::kTable:
          value = static_cast<S>(deviation * random.normal());
          break;
        case ParameterKind::kGain:
          value = S{1};
          break;
        case ParameterKind::kBias:
          value = S{0};
          break;
      }
    }
  }
}

}  // namespace reasonembed::nn
