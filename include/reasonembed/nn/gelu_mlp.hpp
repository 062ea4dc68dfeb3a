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

/// The feed-forward layer of the BERT family.
///
///   y = gelu(x W_u^T + b_u) W_d^T + b_d,  gelu(z) = z Phi(z) exactly                [Hendrycks & Gimpel 2016]
///
/// Models: SubLayer, DifferentiableLayer.
class GeluMlp {
 public:
  template <class Leaf>
  struct Parameters {
    Linear::Parameters<Leaf> up;    ///< (F, D)
    Linear::Parameters<Leaf> down;  ///< (D, F)
  };
  template <class B>
  struct Saved {
    Linear::Saved<B> up;
    MatrixView<const typename B::Scalar> inner;  ///< (T, F), before gelu
    Linear::Saved<B> down;
  };

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "gelu_mlp"; }

  GeluMlp(const EncoderConfig& config, const EncoderOptions&)
      : up_(config.mlp_dim, config.dim, config.linear_bias), down_(config.dim, config.mlp_dim, config.linear_bias) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto up = up_.allocate(allocator);
    return {std::move(up), down_.allocate(allocator)};
  }
  template <class P, class F>
  void visit(P& parameters, const std::string& prefix, F&& f) const {
    const NamedRows up[] = {{".up", up_.outputs()}};
    const NamedRows down[] = {{".down", down_.outputs()}};
    Linear::visit(parameters.up, prefix, up, f);
    Linear::visit(parameters.down, prefix, down, f);
  }
  template <class B>
  [[nodiscard]] bool needs_input(const Context<B>& context, const Parameters<WeightLeaf<B>>& parameters) const {
    return up_.needs_input(context, parameters.up);
  }
  template <class P, class F>
  static void visit_weights(P& parameters, F&& f) {
    Linear::visit_weights(parameters.up, f);
    Linear::visit_weights(parameters.down, f);
  }

  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    const ForwardScope<Save> scope(context.arena);
    const auto inner = context.activations(up_.outputs());  // (T, F)
    if constexpr (kSaves<Save>) {
      const auto activated =
          detail::input_activations(context, PassingSlot::kSubLayer, down_, parameters.down, up_.outputs());  // (T, F)
      up_.forward(context, parameters.up, x, inner, saved.up);
      Kernels<B>::gelu(inner, activated);
      down_.forward(context, parameters.down, activated, y, saved.down);
      saved.inner = inner;
    } else {
      up_.forward(context, parameters.up, x, inner, saved);
      Kernels<B>::gelu(inner, inner);
      down_.forward(context, parameters.down, inner, y, saved);
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
    const auto d_activated = context.activations(up_.outputs());  // (T, F)
    const auto d_inner = context.activations(up_.outputs());      // (T, F)
    down_.vjp(context, parameters.down, saved.down, dy, d_activated, gradients.down);
    Kernels<B>::gelu_vjp(saved.inner, d_activated, d_inner);
    up_.vjp(context, parameters.up, saved.up, d_inner, dx, gradients.up);
  }

 private:
  Linear up_;
  Linear down_;
};

}  // namespace reasonembed::nn
