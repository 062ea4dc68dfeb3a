#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/linear.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// The gated feed-forward layer of the Llama and Qwen families.
///
///   y = (silu(x W_g^T) * (x W_u^T)) W_d^T,  silu(z) = z / (1 + exp(-z))             [Shazeer 2020, eq. 6]
///
/// Models: SubLayer, DifferentiableLayer.
class SwiGlu {
 public:
  template <class Leaf>
  struct Parameters {
    Linear::Parameters<Leaf> gate_up;  ///< (2 F, D): gate above up, one product
    Linear::Parameters<Leaf> down;     ///< (D, F)
  };
  template <class B>
  struct Saved {
    Linear::Saved<B> gate_up;
    MatrixView<const typename B::Scalar> inner;  ///< (T, 2 F), gate beside up
    Linear::Saved<B> down;
  };

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "swiglu"; }

  SwiGlu(const EncoderConfig& config, const EncoderOptions&)
      : width_(config.mlp_dim),
        gate_up_(2 * Index{config.mlp_dim}, config.dim, config.linear_bias),
        down_(config.dim, config.mlp_dim, config.linear_bias) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto gate_up = gate_up_.allocate(allocator);
    return {std::move(gate_up), down_.allocate(allocator)};
  }
  template <class P, class F>
  void visit(P& parameters, const std::string& prefix, F&& f) const {
    const NamedRows gate_up[] = {{".gate", width_}, {".up", width_}};
    const NamedRows down[] = {{".down", down_.outputs()}};
    Linear::visit(parameters.gate_up, prefix, gate_up, f);
    Linear::visit(parameters.down, prefix, down, f);
  }
  template <class B>
  [[nodiscard]] bool needs_input(const Context<B>& context, const Parameters<WeightLeaf<B>>& parameters) const {
    return gate_up_.needs_input(context, parameters.gate_up);
  }
  template <class P, class F>
  static void visit_weights(P& parameters, F&& f) {
    Linear::visit_weights(parameters.gate_up, f);
    Linear::visit_weights(parameters.down, f);
  }

  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    const ForwardScope<Save> scope(context.arena);
    const auto inner = context.activations(2 * width_);  // (T, 2 F)
    if constexpr (kSaves<Save>) {
      const auto gated =
          detail::input_activations(context, PassingSlot::kSubLayer, down_, parameters.down, width_);  // (T, F)
      gate_up_.forward(context, parameters.gate_up, x, inner, saved.gate_up);
      Kernels<B>::silu_multiply(inner.col_block(0, width_), inner.col_block(width_, width_), gated);
      down_.forward(context, parameters.down, gated, y, saved.down);
      saved.inner = inner;
    } else {
      const auto gated = context.activations(width_);  // (T, F)
      gate_up_.forward(context, parameters.gate_up, x, inner, saved);
      Kernels<B>::silu_multiply(inner.col_block(0, width_), inner.col_block(width_, width_), gated);
      down_.forward(context, parameters.down, gated, y, saved);
    }
  }

  template <class B>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> dy,
           MatrixView<typename B::Scalar> dx,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    const ArenaScope scope(context.arena);
    const auto d_gated = context.activations(width_);      // (T, F)
    const auto d_inner = context.activations(2 * width_);  // (T, 2 F)
    down_.vjp(context, parameters.down, saved.down, dy, d_gated, gradients.down);
    Kernels<B>::silu_multiply_vjp(saved.inner.col_block(0, width_),
                                  saved.inner.col_block(width_, width_),
                                  d_gated,
                                  d_inner.col_block(0, width_),
                                  d_inner.col_block(width_, width_));
    gate_up_.vjp(context, parameters.gate_up, saved.gate_up, d_inner, dx, gradients.gate_up);
  }

 private:
  Index width_;
  Linear gate_up_;
  Linear down_;
};

}  // namespace reasonembed::nn
