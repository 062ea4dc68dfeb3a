#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// The i-th frequency of a head, theta^(-2 i / head_dim).
///
/// Exponent, power and reciprocal are each rounded to float, as in the code that published checkpoints were trained
/// with: a frequency that is half a rounding off turns the wrong way by 1e-3 at the 8,000th token.
[[nodiscard]] inline float rope_frequency(int i, int head_dim, double theta) {
  const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
  return 1.0F / static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
}

/// The frequency that takes the place of `frequency` under a scaling.
///
///   f' = f                               n > high             n = original_max_length f / (2 pi) turns
///   f' = f / factor                      n < low
///   f' = (1 - s) f / factor + s f        between,             s = (n - low) / (high - low)
///
/// In float, operation by operation as the code that published checkpoints run with; frequencies at the two borders
/// fall on the same side.                                                        [Grattafiori et al. 2024, Llama 3.1]
[[nodiscard]] inline float scaled_frequency(float frequency, const RopeScaling& scaling) {
  if (!scaling.enabled()) {
    return frequency;
  }
  const auto factor = static_cast<float>(scaling.factor);
  const auto original = static_cast<float>(scaling.original_max_length);
  const auto low = static_cast<float>(scaling.low_freq_factor);
  const float wavelength = static_cast<float>(2.0 * std::numbers::pi) / frequency;  // in tokens
  if (wavelength < static_cast<float>(scaling.original_max_length / scaling.high_freq_factor)) {
    return frequency;
  }
  if (wavelength > static_cast<float>(scaling.original_max_length / scaling.low_freq_factor)) {
    return frequency / factor;
  }
  const float share =
      (original / wavelength - low) / static_cast<float>(scaling.high_freq_factor - scaling.low_freq_factor);
  return (1.0F - share) * frequency / factor + share * frequency;
}

/// Rotary position embedding in the half-split form of published checkpoints [Su et al. 2021, eq. 34].
///
///   (x_i, x_{i+d/2}) <- rotation of (x_i, x_{i+d/2}) by position * theta^(-2 i / d),   d = head_dim, i < d/2
///
/// With a RopeScaling each frequency goes through `scaled_frequency` first. It is a number of the model, as theta is,
/// and part of no architecture's name: every Rope computes it.
///
/// The tables are computed once a pass for its own tokens: no limit on the position, and no table to keep.
///
/// Models: HeadTransform.
class Rope {
 public:
  template <class Leaf>
  struct Parameters {};
  template <class B>
  struct Saved {};

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "rope"; }

  Rope(const EncoderConfig& config, const EncoderOptions& options) {
    for (int i = 0; i < config.head_dim / 2; ++i) {
      const float frequency = rope_frequency(i, config.head_dim, options.rope_theta);
      inverse_frequencies_.push_back(scaled_frequency(frequency, options.rope_scaling));
    }
  }

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator&) const {
    return {};
  }
  template <class P, class F>
  static void visit(P&, const std::string&, F&&) {}

  /// Fills context.rotary for context.batch.
  template <class B>
  void prepare(Context<B>& context) const {
    const auto half = static_cast<Index>(inverse_frequencies_.size());
    const auto cosine = context.activations(half);  // (T, head_dim / 2)
    const auto sine = context.activations(half);    // (T, head_dim / 2)
    Kernels<B>::rotary_table(context.batch.offsets, inverse_frequencies_, cosine, sine);
    context.rotary = {cosine, sine};
  }

  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>&,
               MatrixView<const typename B::Scalar> q,
               MatrixView<const typename B::Scalar> k,
               MatrixView<typename B::Scalar> q_out,
               MatrixView<typename B::Scalar> k_out,
               Save&) const {
    Kernels<B>::rotate(q, context.rotary.cosine, context.rotary.sine, q_out);
    Kernels<B>::rotate(k, context.rotary.cosine, context.rotary.sine, k_out);
  }

  template <class B>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>&,
           const Saved<B>&,
           MatrixView<const typename B::Scalar> dq,
           MatrixView<const typename B::Scalar> dk,
           MatrixView<typename B::Scalar> dq_in,
           MatrixView<typename B::Scalar> dk_in,
           Parameters<GradientLeaf<typename B::Scalar>>&) const {
    Kernels<B>::rotate_vjp(dq, context.rotary.cosine, context.rotary.sine, dq_in);
    Kernels<B>::rotate_vjp(dk, context.rotary.cosine, context.rotary.sine, dk_in);
  }

 private:
  std::vector<float> inverse_frequencies_;  // (head_dim / 2)
};

static_assert(HeadTransform<Rope>);

}  // namespace reasonembed::nn
