#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/dropout.hpp>
#include <reasonembed/nn/identity.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/nn/row_selection.hpp>

#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// The original transformer block, normalised after each residual sum: the BERT family.
///
///   h = Norm(x + dropout(Mixer(x)));  y = Norm(h + dropout(Mlp(h)))                 [Vaswani et al. 2017, sec. 3.1]
///
/// Models: TransformerBlock, DifferentiableLayer.
template <Normalization Norm, TokenMixer Mixer, SubLayer Mlp>
class PostNormBlock {
 public:
  using FinalNorm = Identity;

  template <class Leaf>
  struct Parameters {
    typename Mixer::template Parameters<Leaf> mixer;
    typename Norm::template Parameters<Leaf> mixer_norm;
    typename Mlp::template Parameters<Leaf> mlp;
    typename Norm::template Parameters<Leaf> mlp_norm;
  };
  template <class B>
  struct Saved {
    typename Mixer::template Saved<B> mixer;
    Dropout::Saved mixer_dropout;
    typename Norm::template Saved<B> mixer_norm;
    typename Mlp::template Saved<B> mlp;
    Dropout::Saved mlp_dropout;
    typename Norm::template Saved<B> mlp_norm;
  };

  /// @return  e.g. "post_norm(rms_norm,causal_attention(rope),swiglu)"
  [[nodiscard]] static std::string architecture() {
    return "post_norm(" + Norm::architecture() + "," + Mixer::architecture() + "," + Mlp::architecture() + ")";
  }

  PostNormBlock(const EncoderConfig& config, const EncoderOptions& options)
      : mixer_(config, options), mlp_(config, options), norm_(config.dim, options), dropout_(options.dropout) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto mixer = mixer_.allocate(allocator);
    auto mixer_norm = norm_.allocate(allocator);
    auto mlp = mlp_.allocate(allocator);
    return {std::move(mixer), std::move(mixer_norm), std::move(mlp), norm_.allocate(allocator)};
  }
  template <class P, class F>
  void visit(P& parameters, const std::string& prefix, F&& f) const {
    mixer_.visit(parameters.mixer, prefix + ".attention", f);
    Norm::visit(parameters.mixer_norm, prefix + ".attention_norm", f);
    mlp_.visit(parameters.mlp, prefix + ".mlp", f);
    Norm::visit(parameters.mlp_norm, prefix + ".mlp_norm", f);
  }
  template <class P, class F>
  static void visit_weights(P& parameters, F&& f) {
    Mixer::visit_weights(parameters.mixer, f);
    Mlp::visit_weights(parameters.mlp, f);
  }
  template <class B>
  void prepare(Context<B>& context) const {
    mixer_.prepare(context);
  }

  /// @param x  (T, D)
  /// @param y  (T, D), overwritten; not the memory of x
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    const ForwardScope<Save> scope(context.arena);
    const auto mixed = context.activations(x.cols());  // (T, D)
    if constexpr (kSaves<Save>) {
      const auto h = context.activations(x.cols());    // (T, D)
      const auto fed = context.activations(x.cols());  // (T, D)
      mixer_.forward(context, parameters.mixer, x, mixed, saved.mixer);
      saved.mixer_dropout = dropout_.forward(context, mixed);
      Kernels<B>::accumulate(x, mixed);
      norm_.forward(context, parameters.mixer_norm, mixed, h, saved.mixer_norm);
      mlp_.forward(context, parameters.mlp, h, fed, saved.mlp);
      saved.mlp_dropout = dropout_.forward(context, fed);
      Kernels<B>::accumulate(h, fed);
      norm_.forward(context, parameters.mlp_norm, fed, y, saved.mlp_norm);
    } else {
      mixer_.forward(context, parameters.mixer, x, mixed, saved);
      (void)dropout_.forward(context, mixed);
      Kernels<B>::accumulate(x, mixed);
      norm_.forward(context, parameters.mixer_norm, mixed, mixed, saved);
      mlp_.forward(context, parameters.mlp, mixed, y, saved);
      (void)dropout_.forward(context, y);
      Kernels<B>::accumulate(mixed, y);
      norm_.forward(context, parameters.mlp_norm, y, y, saved);
    }
  }

  /// The selected rows of what forward gives where nothing is saved, to the bit.
  ///
  /// @param x  (T, D)
  /// @param y  (B, D), overwritten; not the memory of x
  template <class B>
  void forward_rows(Context<B>& context,
                    RowSelection<B>& selection,
                    const Parameters<WeightLeaf<B>>& parameters,
                    MatrixView<const typename B::Scalar> x,
                    MatrixView<typename B::Scalar> y) const {
    const ArenaScope scope(context.arena);
    Nothing nothing;
    const auto mixed = selection.context.activations(x.cols());     // (B, D)
    const auto selected = selection.context.activations(x.cols());  // (B, D)
    mix_rows(context, selection, mixer_, parameters.mixer, x, mixed);
    Kernels<B>::select_rows(x, selection.rows, selected);
    Kernels<B>::accumulate(selected, mixed);
    norm_.forward(selection.context, parameters.mixer_norm, mixed, mixed, nothing);
    mlp_.forward(selection.context, parameters.mlp, mixed, y, nothing);
    Kernels<B>::accumulate(mixed, y);
    norm_.forward(selection.context, parameters.mlp_norm, y, y, nothing);
  }

  /// @param dy  (T, D)
  /// @param dx  (T, D), overwritten; not the memory of dy
  template <class B>
    requires DifferentiableLayer<Norm> && DifferentiableLayer<Mixer> && DifferentiableLayer<Mlp>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> dy,
           MatrixView<typename B::Scalar> dx,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    const ArenaScope scope(context.arena);
    const auto d_sum = context.activations(dy.cols());  // (T, D) gradient of a residual sum, used by both its terms
    const auto d_h = context.activations(dy.cols());    // (T, D)
    norm_.vjp(context, parameters.mlp_norm, saved.mlp_norm, dy, d_sum, gradients.mlp_norm);
    mlp_.vjp(context, parameters.mlp, saved.mlp, dropout_.vjp(context, saved.mlp_dropout, d_sum), d_h, gradients.mlp);
    Kernels<B>::accumulate(d_sum, d_h);
    norm_.vjp(context, parameters.mixer_norm, saved.mixer_norm, d_h, d_sum, gradients.mixer_norm);
    mixer_.vjp(
        context, parameters.mixer, saved.mixer, dropout_.vjp(context, saved.mixer_dropout, d_sum), dx, gradients.mixer);
    Kernels<B>::accumulate(d_sum, dx);
  }

 private:
  Mixer mixer_;
  Mlp mlp_;
  Norm norm_;
  Dropout dropout_;
};

}  // namespace reasonembed::nn
