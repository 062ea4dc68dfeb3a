#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Rows of a fused projection that checkpoints store under a name of their own.
struct NamedRows {
  std::string_view name;
  Index rows = 0;
};

/// Affine map of every token, and what the context's adapter adds to it (see Adapter).
///
///   y = x W^T + b          x: (T, K), W: (N, K), b: (N), y: (T, N)
///
/// Where an adapter is trained, or the gradients of weight and bias are empty views, the two are frozen: they get no
/// gradient.
///
/// Models: DifferentiableLayer, except that its output is N wide.
class Linear {
 public:
  template <class Leaf>
  struct Parameters {
    typename Leaf::Matrix weight;  ///< (N, K)
    typename Leaf::Vector bias;    ///< (N) or empty
    Index site = 0;                ///< which of the encoder's projections this is, see number_projections
  };
  template <class B>
  struct Saved {
    MatrixView<const typename B::Scalar> x;  ///< (T, K); not to be read unless `needs_input`
    std::uint32_t first_mask = 0;            ///< dropout site of the adapter's first branch
  };

  Linear(Index outputs, Index inputs, bool bias) : outputs_(outputs), inputs_(inputs), bias_(bias) {}

  [[nodiscard]] Index outputs() const { return outputs_; }
  [[nodiscard]] Index inputs() const { return inputs_; }

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto weight = allocator.matrix(outputs_, inputs_);
    return {std::move(weight), allocator.vector(bias_ ? outputs_ : 0)};
  }

  /// Visits `prefix + name + ".weight"` and `".bias"` for each named row block, in order. A visitor that has a member
  /// `projection` is given the whole instead: `f.projection(parameters, prefix, blocks)`.
  template <class P, class F>
  static void visit(P& parameters, const std::string& prefix, std::span<const NamedRows> blocks, F&& f) {
    if constexpr (requires { f.projection(parameters, prefix, blocks); }) {
      f.projection(parameters, prefix, blocks);
    } else {
      visit_blocks(parameters, prefix, blocks, f);
    }
  }
  template <class P, class F>
  static void visit_weights(P& parameters, F&& f) {
    f(parameters.weight);
  }

  /// @return  whether vjp will read the x of forward: for the gradient of the weight, or of an adapter
  template <class B>
  [[nodiscard]] bool needs_input(const Context<B>& context, const Parameters<WeightLeaf<B>>& parameters) const {
    return context.adapter == nullptr || !context.adapter->branches(parameters.site).empty();
  }

  /// @param x  (T, K)
  /// @param y  (T, N), overwritten
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    Kernels<B>::linear(x, parameters.weight, parameters.bias.span(), y, context.arena);
    if constexpr (kSaves<Save>) {
      saved = {x, context.dropout.next_site};
    }
    detail::add_branches(context, parameters.site, x, y);
  }

  /// @param dy  (T, N)
  /// @param dx  (T, K), overwritten
  template <class B>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> dy,
           MatrixView<typename B::Scalar> dx,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    if (!gradients.weight.empty()) {
      Kernels<B>::linear_vjp_weight(dy, saved.x, gradients.weight, gradients.bias, context.arena);
    }
    Kernels<B>::linear_vjp_input(dy, parameters.weight, dx, context.arena);
    detail::branches_vjp(context, parameters.site, saved.first_mask, saved.x, dy, dx);
  }

 private:
  template <class P, class F>
  static void visit_blocks(P& parameters, const std::string& prefix, std::span<const NamedRows> blocks, F& f) {
    const auto weight = detail::leaf_values(parameters.weight);
    const auto bias = detail::leaf_values(parameters.bias);
    Index first = 0;
    for (const NamedRows& block : blocks) {
      const std::string name = prefix + std::string(block.name);
      if (!weight.empty()) {
        visit_leaf(weight.row_block(first, block.rows), name + ".weight", ParameterKind::kWeight, f);
      } else {
        visit_packed(parameters.weight, name + ".weight", first, block.rows, f);
      }
      if (!bias.empty()) {
        visit_leaf(bias.col_block(first, block.rows), name + ".bias", ParameterKind::kBias, f);
      }
      first += block.rows;
    }
  }

  Index outputs_;
  Index inputs_;
  bool bias_;
};

}  // namespace reasonembed::nn
