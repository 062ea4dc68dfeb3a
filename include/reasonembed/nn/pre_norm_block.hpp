#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/dropout.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/nn/row_selection.hpp>

#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// A transformer block whose residual stream is never normalised: the Llama and Qwen families.
///
///   h = x + dropout(Mixer(Norm(x)));  y = h + dropout(Mlp(Norm(h)))                 [Xiong et al. 2020, fig. 1b]
///
/// Models: TransformerBlock, DifferentiableLayer.
template <Normalization Norm, TokenMixer Mixer, SubLayer Mlp>
class PreNormBlock {
 public:
  using FinalNorm = Norm;

  template <class Leaf>
  struct Parameters {
    typename Norm::template Parameters<Leaf> mixer_norm;
    typename Mixer::template Parameters<Leaf> mixer;
    typename Norm::template Parameters<Leaf> mlp_norm;
    typename Mlp::template Parameters<Leaf> mlp;
  };
  template <class B>
  struct Saved {
    typename Norm::template Saved<B> mixer_norm;
    typename Mixer::template Saved<B> mixer;
    Dropout::Saved mixer_dropout;
    typename Norm::template Saved<B> mlp_norm;
    typename Mlp::template Saved<B> mlp;
    Dropout::Saved mlp_dropout;
  };

  /// @return  e.g. "pre_norm(rms_norm,causal_attention(rope),swiglu)"
  [[nodiscard]] static std::string architecture() {
    return "pre_norm(" + Norm::architecture() + "," + Mixer::architecture() + "," + Mlp::architecture() + ")";
  }

  PreNormBlock(const EncoderConfig& config, const EncoderOptions& options)
      : mixer_(config, options), mlp_(config, options), norm_(config.dim, options), dropout_(options.dropout) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto mixer_norm = norm_.allocate(allocator);
    auto mixer = mixer_.allocate(allocator);
    auto mlp_norm = norm_.allocate(allocator);
    return {std::move(mixer_norm), std::move(mixer), std::move(mlp_norm), mlp_.allocate(allocator)};
  }
  template <class P, class F>
  void visit(P& parameters, const std::string& prefix, F&& f) const {
    Norm::visit(parameters.mixer_norm, prefix + ".attention_norm", f);
    mixer_.visit(parameters.mixer, prefix + ".attention", f);
    Norm::visit(parameters.mlp_norm, prefix + ".mlp_norm", f);
    mlp_.visit(parameters.mlp, prefix + ".mlp", f);
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
    const auto h = context.activations(x.cols());  // (T, D)
    if constexpr (kSaves<Save>) {
      const auto normed = normed_activations(context, mixer_, parameters.mixer, x.cols());  // (T, D)
      norm_.forward(context, parameters.mixer_norm, x, normed, saved.mixer_norm);
      mixer_.forward(context, parameters.mixer, normed, h, saved.mixer);
      saved.mixer_dropout = dropout_.forward(context, h);
      Kernels<B>::accumulate(x, h);
      const auto normed_h = normed_activations(context, mlp_, parameters.mlp, x.cols());  // (T, D)
      norm_.forward(context, parameters.mlp_norm, h, normed_h, saved.mlp_norm);
      mlp_.forward(context, parameters.mlp, normed_h, y, saved.mlp);
      saved.mlp_dropout = dropout_.forward(context, y);
    } else {
      const auto normed = context.activations(x.cols());  // (T, D)
      norm_.forward(context, parameters.mixer_norm, x, normed, saved);
      mixer_.forward(context, parameters.mixer, normed, h, saved);
      (void)dropout_.forward(context, h);
      Kernels<B>::accumulate(x, h);
      norm_.forward(context, parameters.mlp_norm, h, normed, saved);
      mlp_.forward(context, parameters.mlp, normed, y, saved);
      (void)dropout_.forward(context, y);
    }
    Kernels<B>::accumulate(h, y);
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
    const auto h = selection.context.activations(x.cols());         // (B, D)
    const auto selected = selection.context.activations(x.cols());  // (B, D)
    const auto normed = context.activations(x.cols());              // (T, D)
    norm_.forward(context, parameters.mixer_norm, x, normed, nothing);
    mix_rows(context, selection, mixer_, parameters.mixer, MatrixView<const typename B::Scalar>(normed), h);
    Kernels<B>::select_rows(x, selection.rows, selected);
    Kernels<B>::accumulate(selected, h);
    norm_.forward(selection.context, parameters.mlp_norm, h, selected, nothing);
    mlp_.forward(selection.context, parameters.mlp, selected, y, nothing);
    Kernels<B>::accumulate(h, y);
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
    const auto d_normed = context.activations(dy.cols());  // (T, D)
    const auto d_h = context.activations(dy.cols());       // (T, D)
    mlp_.vjp(context, parameters.mlp, saved.mlp, dropout_.vjp(context, saved.mlp_dropout, dy), d_normed, gradients.mlp);
    norm_.vjp(context, parameters.mlp_norm, saved.mlp_norm, d_normed, d_h, gradients.mlp_norm);
    Kernels<B>::accumulate(dy, d_h);
    mixer_.vjp(context,
               parameters.mixer,
               saved.mixer,
               dropout_.vjp(context, saved.mixer_dropout, MatrixView<const typename B::Scalar>(d_h)),
               d_normed,
               gradients.mixer);
    norm_.vjp(context, parameters.mixer_norm, saved.mixer_norm, d_normed, dx, gradients.mixer_norm);
    Kernels<B>::accumulate(d_h, dx);
  }

 private:
  /// Memory for the input of a sub-layer: kept only if somebody's vjp reads it.
  template <class B, class Layer, class P>
  static MatrixView<typename B::Scalar> normed_activations(Context<B>& context,
                                                           const Layer& layer,
                                                           const P& parameters,
                                                           Index width) {
    if constexpr (requires { requires !Norm::kVjpReadsOutput; }) {
      return detail::input_activations(context, PassingSlot::kBlock, layer, parameters, width);
    } else {
      return context.activations(width);
    }
  }

  Mixer mixer_;
  Mlp mlp_;
  Norm norm_;
  Dropout dropout_;
};

}  // namespace reasonembed::nn
