#pragma once
/// @file Low-rank adapters: small trained updates of an encoder's frozen projections.
#include <reasonembed/backend/backend.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/simd/dropout.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// A projection that an adapter may update: one of the named row blocks of a Linear.
struct AdapterTarget {
  std::string module;  ///< e.g. "blocks.3.attention.q"
  Index site = 0;      ///< of the Linear, see number_projections
  Index first = 0;     ///< first of its rows in the fused projection
  Index rows = 0;      ///< N, outputs
  Index inputs = 0;    ///< K

  friend bool operator==(const AdapterTarget&, const AdapterTarget&) = default;
};

/// How much an adapter changes one module.
struct AdapterShape {
  AdapterTarget target;
  Index rank = 0;      ///< r >= 1
  double alpha = 0.0;  ///< numerator of the scale
};

/// The run-time numbers of an adapter.
struct AdapterOptions {
  double dropout = 0.0;          ///< probability of a zero in a branch's input; only while training
  bool rank_stabilized = false;  ///< scale alpha / sqrt(r) [Kalajdzievski 2023] in the place of alpha / r

  friend bool operator==(const AdapterOptions&, const AdapterOptions&) = default;
};

/// The update of one module.
template <NeuralKernels B>
struct AdapterBranch {
  AdapterTarget target;
  double alpha = 0.0;
  typename B::Scalar scale{};     ///< alpha / r, or alpha / sqrt(r)
  typename Kernels<B>::Factor a;  ///< (r, K)
  typename Kernels<B>::Factor b;  ///< (N, r)

  [[nodiscard]] Index rank() const { return a.rows(); }
};

/// Gradients of an adapter, branch by branch.
template <class S>
struct AdapterGradients {
  struct Branch {
    MatrixView<S> a;  ///< (r, K)
    MatrixView<S> b;  ///< (N, r)
  };
  std::vector<Branch> branches;
};

/// Low-rank updates of some of an encoder's projections [Hu et al. 2022, eq. 3].
///
///   y = x W^T + s (dropout(x) A^T) B^T          s = alpha / r or alpha / sqrt(r); A: (r, K), B: (N, r)
///
/// An adapter owns its matrices and knows its encoder by the numbers of the projections alone, so several serve one set
/// of weights: whoever makes a Context chooses. `Linear` applies it; W stays as it is, in whatever form it is stored.
///
/// @note  const functions are safe from many threads
template <backend::Backend B>
class Adapter {
  static_assert(NeuralKernels<B>, "reasonembed::nn::Adapter: B must have nn::Kernels<B>");

 public:
  using Scalar = typename B::Scalar;
  using Branch = AdapterBranch<B>;

  /// Makes an adapter of zeros; see `initialize`.
  ///
  /// @param shapes  by ascending site and row, as adapter_targets gives them; each target once
  /// @throws        ConfigError naming a rank that is not in 1..2^20, an alpha that is no number, a target that comes
  ///                twice, or a dropout outside of [0, 1)
  explicit Adapter(const std::vector<AdapterShape>& shapes, AdapterOptions options = {}) : options_(options) {
    if (!(options.dropout >= 0.0 && options.dropout < 1.0)) {
      throw ConfigError::invalid("nn::Adapter", "dropout", std::to_string(options.dropout), "0 <= dropout < 1");
    }
    for (const AdapterShape& shape : shapes) {
      add(shape);
    }
    starts_.push_back(branches_.size());
  }

  [[nodiscard]] const AdapterOptions& options() const { return options_; }
  [[nodiscard]] std::span<const Branch> branches() const { return branches_; }
  /// @return  those of one projection, by ascending row
  [[nodiscard]] std::span<const Branch> branches(Index site) const {
    const auto number = static_cast<std::size_t>(site);
    if (number + 1 >= starts_.size()) {
      return {};
    }
    return std::span(branches_).subspan(starts_[number], starts_[number + 1] - starts_[number]);
  }
  /// @return  P, the elements of all A and B
  [[nodiscard]] Index parameter_count() const {
    Index count = 0;
    for (const Branch& branch : branches_) {
      count += branch.rank() * (branch.target.inputs + branch.target.rows);
    }
    return count;
  }

  /// Calls `f(ParameterSlice)` for every A and B, always in the same order. @pre the values were not dropped
  template <class F>
  void visit(F&& f) {
    for (Branch& branch : branches_) {
      visit_leaf(branch.a, branch.target.module + ".lora_a", ParameterKind::kWeight, f);
      visit_leaf(branch.b, branch.target.module + ".lora_b", ParameterKind::kWeight, f);
    }
  }
  template <class F>
  void visit(F&& f) const {
    for (const Branch& branch : branches_) {
      visit_leaf(branch.a, branch.target.module + ".lora_a", ParameterKind::kWeight, f);
      visit_leaf(branch.b, branch.target.module + ".lora_b", ParameterKind::kWeight, f);
    }
  }
  /// The same for gradients made by `gradients`.
  template <class F>
  void visit(const AdapterGradients<Scalar>& gradients, F&& f) const {
    for (std::size_t i = 0; i < branches_.size(); ++i) {
      const std::string& module = branches_[i].target.module;
      visit_leaf(gradients.branches[i].a, module + ".lora_a", ParameterKind::kWeight, f);
      visit_leaf(gradients.branches[i].b, module + ".lora_b", ParameterKind::kWeight, f);
    }
  }

  /// @param flat  (P) numbers, which the gradients view
  [[nodiscard]] AdapterGradients<Scalar> gradients(std::span<Scalar> flat) const {
    require_extent("nn::Adapter::gradients", "flat.size()", static_cast<Index>(flat.size()), parameter_count());
    GradientAllocator<Scalar> allocator(flat);
    AdapterGradients<Scalar> views;
    for (const Branch& branch : branches_) {
      const MatrixView<Scalar> a = allocator.matrix(branch.rank(), branch.target.inputs);
      views.branches.push_back({a, allocator.matrix(branch.target.rows, branch.rank())});
    }
    return views;
  }

  /// A as torch initialises a linear map, uniform in +-1 / sqrt(K); B zero, so that nothing is changed yet.
  ///
  /// @note  a function of the seed alone
  void initialize(std::uint64_t seed) {
    std::uint64_t ordinal = 0;
    for (Branch& branch : branches_) {
      RandomStream random(seed, ordinal++);
      const double bound = 1.0 / std::sqrt(static_cast<double>(branch.target.inputs));
      const auto a = branch.a.view();
      for (Index row = 0; row < a.rows(); ++row) {
        for (auto& value : a.row(row)) {
          value = static_cast<Scalar>(bound * (2.0 * random.uniform() - 1.0));
        }
      }
    }
    pack();
  }
  /// Must follow every change of the values. @note allocates the first time alone
  void pack() {
    for (Branch& branch : branches_) {
      branch.a.pack();
      branch.b.pack();
    }
  }

 private:
  void add(const AdapterShape& shape) {
    constexpr Index kMostRank = Index{1} << 20;
    const AdapterTarget& target = shape.target;
    const std::string where = "nn::Adapter: " + target.module;
    if (shape.rank < 1 || shape.rank > kMostRank) {
      throw ConfigError::invalid(where, "rank", std::to_string(shape.rank), "1.." + std::to_string(kMostRank));
    }
    if (!std::isfinite(shape.alpha)) {
      throw ConfigError::invalid(where, "alpha", std::to_string(shape.alpha), "a number");
    }
    if (!branches_.empty() && (target.site < branches_.back().target.site ||
                               (target.site == branches_.back().target.site &&
                                target.first < branches_.back().target.first + branches_.back().target.rows))) {
      throw ConfigError::invalid(
          where, "place", "before or within the target it follows", "targets in order, each once");
    }
    starts_.resize(static_cast<std::size_t>(target.site) + 1, branches_.size());
    const auto rank = static_cast<double>(shape.rank);
    branches_.push_back({target,
                         shape.alpha,
                         static_cast<Scalar>(shape.alpha / (options_.rank_stabilized ? std::sqrt(rank) : rank)),
                         typename Kernels<B>::Factor(shape.rank, target.inputs),
                         typename Kernels<B>::Factor(target.rows, shape.rank)});
  }

  AdapterOptions options_;
  std::vector<Branch> branches_;
  std::vector<std::size_t> starts_;  // starts_[site] .. starts_[site + 1] of branches_
};

namespace detail {

/// Numbers the projections it is shown: 0, 1, 2, ...
struct NumberProjections {
  static constexpr bool kProjectionsOnly = true;
  Index next = 0;
  template <class P, class Blocks>
  void projection(P& parameters, const std::string&, const Blocks&) {
    parameters.site = next++;
  }
};

/// Lists the named row blocks of the projections it is shown.
struct CollectTargets {
  static constexpr bool kProjectionsOnly = true;
  std::vector<AdapterTarget> targets;
  template <class P, class Blocks>
  void projection(P& parameters, const std::string& prefix, const Blocks& blocks) {
    Index first = 0;
    for (const auto& block : blocks) {
      targets.push_back(
          {prefix + std::string(block.name), parameters.site, first, block.rows, parameters.weight.cols()});
      first += block.rows;
    }
  }
};

/// @return  (T, cols) for the input of a projection or sub-layer: memory that stays, unless its vjp won't read it
template <class B, class Layer, class P>
[[nodiscard]] MatrixView<typename B::Scalar> input_activations(
    Context<B>& context, PassingSlot slot, const Layer& layer, const P& parameters, Index cols) {
  if constexpr (requires { layer.needs_input(context, parameters); }) {
    if (!layer.needs_input(context, parameters)) {
      return context.passing_activations(slot, cols);
    }
  }
  return context.activations(cols);
}

/// The mask of one branch; inactive where nothing is dropped.
template <class B>
[[nodiscard]] simd::DropoutMask branch_mask(const Context<B>& context, std::uint32_t site) {
  return {.rate = context.dropout.training ? context.adapter->options().dropout : 0.0,
          .seed = context.dropout.seed,
          .site = site,
          .first_sequence = context.batch.first_sequence};
}

/// dropout(x), or x where nothing is dropped.
template <class B, class S = typename B::Scalar>
[[nodiscard]] MatrixView<const S> dropped(Context<B>& context, const simd::DropoutMask& mask, MatrixView<const S> x) {
  if (mask.rate == 0.0) {
    return x;
  }
  const MatrixView<S> kept = context.activations(x.cols());  // (T, K)
  Kernels<B>::dropout(x, kept, mask, context.batch.offsets);
  return kept;
}

/// y += s (dropout(x) A^T) B^T for every branch of one projection.
///
/// @param x  (T, K)
/// @param y  (T, N of the fused projection)
template <class B, class S = typename B::Scalar>
void add_branches(Context<B>& context, Index site, MatrixView<const S> x, MatrixView<S> y) {
  if (context.adapter == nullptr) {
    return;
  }
  for (const AdapterBranch<B>& branch : context.adapter->branches(site)) {
    const ArenaScope scope(context.arena);
    const simd::DropoutMask mask = branch_mask(context, context.dropout.next_site++);
    const MatrixView<S> t = context.activations(branch.rank());  // (T, r)
    Kernels<B>::linear(dropped(context, mask, x), branch.a, {}, t, context.arena);
    Kernels<B>::scale(t, branch.scale, t);
    Kernels<B>::linear_accumulate(t, branch.b, y.col_block(branch.target.first, branch.target.rows), context.arena);
  }
}

/// The gradients of add_branches: with u = dropout(x), t = s u A^T and dt = s dy B,
///
///   dB += dy^T t,  dA += dt^T u,  dx += mask(dt A)
///
/// u and t are computed again: that costs r / N of the projection's product, and no memory between the passes.
///
/// @param first_mask  the context's next dropout site before the forward
template <class B, class S = typename B::Scalar>
void branches_vjp(Context<B>& context,
                  Index site,
                  std::uint32_t first_mask,
                  MatrixView<const S> x,
                  MatrixView<const S> dy,
                  MatrixView<S> dx) {
  if (context.adapter == nullptr) {
    return;
  }
  REASONEMBED_ASSERT(context.adapter_gradients != nullptr);
  const std::span<const AdapterBranch<B>> branches = context.adapter->branches(site);
  for (const AdapterBranch<B>& branch : branches) {
    const ArenaScope scope(context.arena);
    const auto number = static_cast<std::size_t>(&branch - context.adapter->branches().data());
    const typename AdapterGradients<S>::Branch& gradients = context.adapter_gradients->branches[number];
    const simd::DropoutMask mask = branch_mask(context, first_mask++);
    const MatrixView<const S> dy_rows = dy.col_block(branch.target.first, branch.target.rows);  // (T, N)
    const MatrixView<const S> u = dropped(context, mask, x);                                    // (T, K)
    const MatrixView<S> t = context.activations(branch.rank());                                 // (T, r)
    Kernels<B>::linear(u, branch.a, {}, t, context.arena);
    Kernels<B>::scale(t, branch.scale, t);
    Kernels<B>::linear_vjp_weight(dy_rows, t, gradients.b, {}, context.arena);
    const MatrixView<S> dt = t;  // (T, r), the same memory
    Kernels<B>::linear_vjp_input(dy_rows, branch.b, dt, context.arena);
    Kernels<B>::scale(dt, branch.scale, dt);
    Kernels<B>::linear_vjp_weight(dt, u, gradients.a, {}, context.arena);
    const MatrixView<S> du = context.activations(x.cols());  // (T, K)
    Kernels<B>::linear_vjp_input(dt, branch.a, du, context.arena);
    if (mask.rate > 0.0) {
      Kernels<B>::dropout(du, du, mask, context.batch.offsets);
    }
    Kernels<B>::accumulate(du, dx);
  }
}

}  // namespace detail

/// Gives every projection of an encoder its number, in the order of `visit`.
template <class Encoder, class P>
void number_projections(const Encoder& encoder, P& parameters) {
  encoder.visit(parameters, detail::NumberProjections{});
}

/// @return  the projections of an encoder that an adapter may update, in order: all of them
template <class Encoder, class P>
[[nodiscard]] std::vector<AdapterTarget> adapter_targets(const Encoder& encoder, const P& parameters) {
  detail::CollectTargets collect;
  encoder.visit(parameters, collect);
  return std::move(collect.targets);
}

}  // namespace reasonembed::nn
