#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Root-mean-square normalisation of every query and key head, before the rotary embedding [Yang et al. 2025, Qwen3].
///
///   q_h <- g_q * q_h / rms(q_h),  k_h <- g_k * k_h / rms(k_h)
///
/// Models: HeadTransform.
class QkNorm {
 public:
  template <class Leaf>
  struct Parameters {
    typename Leaf::Vector q_gain;  ///< (head_dim)
    typename Leaf::Vector k_gain;  ///< (head_dim)
  };
  template <class B>
  struct Saved {
    MatrixView<const typename B::Scalar> q;       ///< (T, heads * head_dim)
    MatrixView<const typename B::Scalar> k;       ///< (T, kv_heads * head_dim)
    std::span<const typename B::Scalar> inv_rms;  ///< ((heads + kv_heads) * T), head by head
  };

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "qk_norm"; }

  QkNorm(const EncoderConfig& config, const EncoderOptions& options)
      : head_dim_(config.head_dim), eps_(options.norm_eps) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto q_gain = allocator.vector(head_dim_);
    return {std::move(q_gain), allocator.vector(head_dim_)};
  }
  template <class P, class F>
  static void visit(P& parameters, const std::string& prefix, F&& f) {
    visit_leaf(parameters.q_gain, prefix + ".q_norm.gain", ParameterKind::kGain, f);
    visit_leaf(parameters.k_gain, prefix + ".k_norm.gain", ParameterKind::kGain, f);
  }
  template <class B>
  void prepare(Context<B>&) const {}

  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> q,
               MatrixView<const typename B::Scalar> k,
               MatrixView<typename B::Scalar> q_out,
               MatrixView<typename B::Scalar> k_out,
               Save& saved) const {
    using S = typename B::Scalar;
    std::span<S> inv_rms;
    if constexpr (kSaves<Save>) {
      inv_rms = context.arena.template allocate<S>((q.cols() + k.cols()) / head_dim_ * q.rows());
      saved = {q, k, inv_rms};
    }
    const std::size_t query_part = inv_rms.empty() ? 0 : static_cast<std::size_t>(q.cols() / head_dim_ * q.rows());
    normalize<B>(q, parameters.q_gain.span(), q_out, inv_rms.first(query_part));
    normalize<B>(k, parameters.k_gain.span(), k_out, inv_rms.subspan(query_part));
  }

  template <class B>
  void vjp(Context<B>&,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> dq,
           MatrixView<const typename B::Scalar> dk,
           MatrixView<typename B::Scalar> dq_in,
           MatrixView<typename B::Scalar> dk_in,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    const auto query_part = static_cast<std::size_t>(saved.q.cols() / head_dim_ * saved.q.rows());
    normalize_vjp<B>(saved.q, parameters.q_gain.span(), saved.inv_rms.first(query_part), dq, dq_in, gradients.q_gain);
    normalize_vjp<B>(saved.k, parameters.k_gain.span(), saved.inv_rms.subspan(query_part), dk, dk_in, gradients.k_gain);
  }

 private:
  template <class B, class S = typename B::Scalar>
  void normalize(MatrixView<const S> x, std::span<const S> gain, MatrixView<S> y, std::span<S> inv_rms) const {
    const auto tokens = static_cast<std::size_t>(x.rows());
    for (Index first = 0; first < x.cols(); first += head_dim_) {
      const std::size_t head = static_cast<std::size_t>(first / head_dim_);
      Kernels<B>::rms_norm(x.col_block(first, head_dim_),
                           gain,
                           static_cast<S>(eps_),
                           y.col_block(first, head_dim_),
                           inv_rms.empty() ? inv_rms : inv_rms.subspan(head * tokens, tokens));
    }
  }
  template <class B, class S = typename B::Scalar>
  void normalize_vjp(MatrixView<const S> x,
                     std::span<const S> gain,
                     std::span<const S> inv_rms,
                     MatrixView<const S> dy,
                     MatrixView<S> dx,
                     std::span<S> dgain) const {
    const auto tokens = static_cast<std::size_t>(x.rows());
    for (Index first = 0; first < x.cols(); first += head_dim_) {
      const std::size_t head = static_cast<std::size_t>(first / head_dim_);
      Kernels<B>::rms_norm_vjp(x.col_block(first, head_dim_),
                               gain,
                               inv_rms.subspan(head * tokens, tokens),
                               dy.col_block(first, head_dim_),
                               dx.col_block(first, head_dim_),
                               dgain);
    }
  }

  Index head_dim_;
  double eps_;
};

static_assert(HeadTransform<QkNorm>);

}  // namespace reasonembed::nn
