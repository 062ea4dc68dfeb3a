#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Root-mean-square normalisation over the width of each token.
///
///   y_td = g_d x_td / sqrt(mean_d(x_td^2) + eps)                                  [Zhang & Sennrich 2019, eq. 4]
///
/// Models: Normalization.
class RmsNorm {
 public:
  template <class Leaf>
  struct Parameters {
    typename Leaf::Vector gain;  ///< (D)
  };
  template <class B>
  struct Saved {
    MatrixView<const typename B::Scalar> x;       ///< (T, D)
    std::span<const typename B::Scalar> inv_rms;  ///< (T)
  };

  static constexpr bool kVjpReadsOutput = false;

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "rms_norm"; }

  RmsNorm(Index width, const EncoderOptions& options) : width_(width), eps_(options.norm_eps) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    return {allocator.vector(width_)};
  }
  template <class P, class F>
  static void visit(P& parameters, const std::string& prefix, F&& f) {
    visit_leaf(parameters.gain, prefix + ".gain", ParameterKind::kGain, f);
  }

  /// @param x  (T, D); y may be the same memory where nothing is saved
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    using S = typename B::Scalar;
    std::span<S> inv_rms;
    if constexpr (kSaves<Save>) {
      inv_rms = context.arena.template allocate<S>(x.rows());
      saved = {x, inv_rms};
    }
    Kernels<B>::rms_norm(x, parameters.gain.span(), static_cast<S>(eps_), y, inv_rms);
  }

  template <class B>
  void vjp(Context<B>&,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> dy,
           MatrixView<typename B::Scalar> dx,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    Kernels<B>::rms_norm_vjp(saved.x, parameters.gain.span(), saved.inv_rms, dy, dx, gradients.gain);
  }

 private:
  Index width_;
  double eps_;
};

}  // namespace reasonembed::nn
