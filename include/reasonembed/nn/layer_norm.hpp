#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <span>
#include <string>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Normalisation of every token to zero mean and unit variance, with gain and bias.
///
///   y_td = g_d (x_td - mean_t) / sqrt(var_t + eps) + b_d                          [Ba et al. 2016, eq. 4]
///
/// Models: Normalization.
class LayerNorm {
 public:
  template <class Leaf>
  struct Parameters {
    typename Leaf::Vector gain;  ///< (D)
    typename Leaf::Vector bias;  ///< (D)
  };
  template <class B>
  struct Saved {
    MatrixView<const typename B::Scalar> x;       ///< (T, D)
    std::span<const typename B::Scalar> mean;     ///< (T)
    std::span<const typename B::Scalar> inv_std;  ///< (T)
  };

  static constexpr bool kVjpReadsOutput = false;

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "layer_norm"; }

  LayerNorm(Index width, const EncoderOptions& options) : width_(width), eps_(options.norm_eps) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto gain = allocator.vector(width_);
    return {std::move(gain), allocator.vector(width_)};
  }
  template <class P, class F>
  static void visit(P& parameters, const std::string& prefix, F&& f) {
    visit_leaf(parameters.gain, prefix + ".gain", ParameterKind::kGain, f);
    visit_leaf(parameters.bias, prefix + ".bias", ParameterKind::kBias, f);
  }

  /// @param x  (T, D); y may be the same memory where nothing is saved
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    using S = typename B::Scalar;
    std::span<S> mean;
    std::span<S> inv_std;
    if constexpr (kSaves<Save>) {
      mean = context.arena.template allocate<S>(x.rows());
      inv_std = context.arena.template allocate<S>(x.rows());
      saved = {x, mean, inv_std};
    }
    Kernels<B>::layer_norm(x, parameters.gain.span(), parameters.bias.span(), static_cast<S>(eps_), y, mean, inv_std);
  }

  template <class B>
  void vjp(Context<B>&,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> dy,
           MatrixView<typename B::Scalar> dx,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    Kernels<B>::layer_norm_vjp(
        saved.x, parameters.gain.span(), saved.mean, saved.inv_std, dy, dx, gradients.gain, gradients.bias);
  }

 private:
  Index width_;
  double eps_;
};

}  // namespace reasonembed::nn
