#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Rotary position embedding in the half-split form of published checkpoints [Su et al. 2021, eq. 34].
///
///   (x_i, x_{i+d/2}) <- rotation of (x_i, x_{i+d/2}) by position * theta^(-2 i / d),   d = head_dim, i < d/2
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
    const int half = config.head_dim / 2;
    for (int i = 0; i < half; ++i) {
      inverse_frequencies_.push_back(static_cast<float>(std::pow(options.rope_theta, -double(i) / half)));
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
