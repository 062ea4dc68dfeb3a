#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/head_transforms.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/linear.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/nn/row_selection.hpp>
#include <reasonembed/simd/attention.hpp>

#include <cmath>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// Which tokens of its own sequence a token sees.
enum class Visibility { kCausal, kBidirectional };

/// Multi-head attention over packed sequences, with grouped-query heads.
///
///   y = concat_h softmax(q_h k_{h'}^T / sqrt(head_dim)) v_{h'} W_o + b_o,  h' = h / (heads / kv_heads)
///                                                          [Vaswani et al. 2017, eq. 1; Ainslie et al. 2023]
///
/// Models: TokenMixer, DifferentiableLayer.
///
/// @tparam Sight       causal or bidirectional
/// @tparam Transforms  what happens to queries and keys before the product, in order: QkNorm, Rope
template <Visibility Sight, HeadTransform... Transforms>
class Attention {
  using Heads = HeadTransforms<Transforms...>;

 public:
  template <class Leaf>
  struct Parameters {
    Linear::Parameters<Leaf> qkv;  ///< ((heads + 2 kv_heads) head_dim, D): queries, keys, values in one product
    typename Heads::template Parameters<Leaf> transforms;
    Linear::Parameters<Leaf> output;  ///< (D, heads * head_dim)
  };
  template <class B>
  struct Saved {
    Linear::Saved<B> qkv;
    typename Heads::template Saved<B> transforms;
    QueryKey<const typename B::Scalar> qk;            ///< after the transforms
    MatrixView<const typename B::Scalar> v;           ///< (T, kv_heads * head_dim)
    MatrixView<const typename B::Scalar> heads;       ///< (T, heads * head_dim), before the output projection
    std::span<const typename B::Scalar> log_sum_exp;  ///< (T * heads)
    Linear::Saved<B> output;
  };

  /// @return  e.g. "causal_attention(qk_norm,rope)"
  [[nodiscard]] static std::string architecture() {
    std::string transforms;
    ((transforms += (transforms.empty() ? "" : ",") + Transforms::architecture()), ...);
    return (Sight == Visibility::kCausal ? "causal_attention(" : "bidirectional_attention(") + transforms + ")";
  }

  Attention(const EncoderConfig& config, const EncoderOptions& options)
      : config_(config),
        qkv_(config.query_dim() + 2 * config.kv_dim(), config.dim, config.qkv_bias),
        transforms_(config, options),
        output_(config.dim, config.query_dim(), config.linear_bias) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto qkv = qkv_.allocate(allocator);
    auto transforms = transforms_.allocate(allocator);
    return {std::move(qkv), std::move(transforms), output_.allocate(allocator)};
  }
  template <class P, class F>
  void visit(P& parameters, const std::string& prefix, F&& f) const {
    const NamedRows qkv[] = {{".q", config_.query_dim()}, {".k", config_.kv_dim()}, {".v", config_.kv_dim()}};
    const NamedRows output[] = {{".output", config_.dim}};
    Linear::visit(parameters.qkv, prefix, qkv, f);
    Heads::visit(parameters.transforms, prefix, f);
    Linear::visit(parameters.output, prefix, output, f);
  }
  template <class B>
  [[nodiscard]] bool needs_input(const Context<B>& context, const Parameters<WeightLeaf<B>>& parameters) const {
    return qkv_.needs_input(context, parameters.qkv);
  }
  template <class P, class F>
  static void visit_weights(P& parameters, F&& f) {
    Linear::visit_weights(parameters.qkv, f);
    Linear::visit_weights(parameters.output, f);
  }
  template <class B>
  void prepare(Context<B>& context) const {
    transforms_.prepare(context);
  }

  /// @param x  (T, D)
  /// @param y  (T, D), overwritten
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    using S = typename B::Scalar;
    const ForwardScope<Save> scope(context.arena);
    const auto qkv = context.activations(qkv_.outputs());         // (T, (heads + 2 kv_heads) head_dim)
    const auto heads = context.activations(config_.query_dim());  // (T, heads * head_dim)
    std::span<S> log_sum_exp;
    if constexpr (kSaves<Save>) {
      log_sum_exp = context.arena.template allocate<S>(x.rows() * config_.heads);
      qkv_.forward(context, parameters.qkv, x, qkv, saved.qkv);
      const QueryKey<S> qk = transforms_.forward(context, parameters.transforms, queries_keys(qkv), saved.transforms);
      attend(context, qk, values(qkv), heads, log_sum_exp);
      output_.forward(context, parameters.output, heads, y, saved.output);
      saved.qk = {qk.q, qk.k};
      saved.v = values(qkv);
      saved.heads = heads;
      saved.log_sum_exp = log_sum_exp;
    } else {
      qkv_.forward(context, parameters.qkv, x, qkv, saved);
      const QueryKey<S> qk = transforms_.forward(context, parameters.transforms, queries_keys(qkv), saved);
      attend(context, qk, values(qkv), heads, log_sum_exp);
      output_.forward(context, parameters.output, heads, y, saved);
    }
  }

  /// The selected rows of what forward gives where nothing is saved, to the bit. Queries are computed for all rows, as
  /// they are part of one product with keys and values.
  ///
  /// @param x  (T, D)
  /// @param y  (B, D), overwritten
  template <class B>
  void forward_rows(Context<B>& context,
                    RowSelection<B>& selection,
                    const Parameters<WeightLeaf<B>>& parameters,
                    MatrixView<const typename B::Scalar> x,
                    MatrixView<typename B::Scalar> y) const {
    using S = typename B::Scalar;
    const ArenaScope scope(context.arena);
    Nothing nothing;
    const auto qkv = context.activations(qkv_.outputs());                   // (T, (heads + 2 kv_heads) head_dim)
    const auto heads = selection.context.activations(config_.query_dim());  // (B, heads * head_dim)
    qkv_.forward(context, parameters.qkv, x, qkv, nothing);
    const QueryKey<S> qk = transforms_.forward(context, parameters.transforms, queries_keys(qkv), nothing);
    Kernels<B>::attention_rows(
        shape(), qk.q, qk.k, values(qkv), context.batch.offsets, selection.rows, scale<S>(), heads, context.arena);
    output_.forward(selection.context, parameters.output, heads, y, nothing);
  }

  template <class B>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> dy,
           MatrixView<typename B::Scalar> dx,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    using S = typename B::Scalar;
    const ArenaScope scope(context.arena);
    const auto d_heads = context.activations(config_.query_dim());  // (T, heads * head_dim)
    const auto d_qkv = context.activations(qkv_.outputs());         // (T, (heads + 2 kv_heads) head_dim)
    output_.vjp(context, parameters.output, saved.output, dy, d_heads, gradients.output);
    QueryKey<S> d_qk = queries_keys(d_qkv);
    if constexpr (!Heads::kEmpty) {
      d_qk = queries_keys(context.activations(config_.query_dim() + config_.kv_dim()));
    }
    Kernels<B>::attention_vjp(shape(),
                              saved.qk.q,
                              saved.qk.k,
                              saved.v,
                              context.batch.offsets,
                              scale<S>(),
                              saved.heads,
                              saved.log_sum_exp,
                              d_heads,
                              d_qk.q,
                              d_qk.k,
                              values(d_qkv),
                              context.arena);
    if constexpr (!Heads::kEmpty) {
      transforms_.vjp(context,
                      parameters.transforms,
                      saved.transforms,
                      QueryKey<const S>{d_qk.q, d_qk.k},
                      queries_keys(d_qkv),
                      gradients.transforms);
    }
    qkv_.vjp(context, parameters.qkv, saved.qkv, d_qkv, dx, gradients.qkv);
  }

 private:
  [[nodiscard]] simd::AttentionShape shape() const {
    return {.heads = config_.heads,
            .kv_heads = config_.kv_heads,
            .head_dim = config_.head_dim,
            .causal = Sight == Visibility::kCausal};
  }
  template <class S>
  [[nodiscard]] S scale() const {
    return static_cast<S>(1.0 / std::sqrt(double(config_.head_dim)));
  }
  template <class S>
  [[nodiscard]] QueryKey<S> queries_keys(MatrixView<S> qkv) const {
    return {qkv.col_block(0, config_.query_dim()), qkv.col_block(config_.query_dim(), config_.kv_dim())};
  }
  template <class S>
  [[nodiscard]] MatrixView<S> values(MatrixView<S> qkv) const {
    return qkv.col_block(config_.query_dim() + config_.kv_dim(), config_.kv_dim());
  }
  template <class B, class S = typename B::Scalar>
  void attend(
      Context<B>& context, const QueryKey<S>& qk, MatrixView<S> v, MatrixView<S> out, std::span<S> log_sum_exp) const {
    Kernels<B>::attention(shape(), qk.q, qk.k, v, context.batch.offsets, scale<S>(), out, log_sum_exp, context.arena);
  }

  EncoderConfig config_;
  Linear qkv_;
  [[no_unique_address]] Heads transforms_;
  Linear output_;
};

/// A token sees itself and the tokens before it: `CausalAttention<QkNorm, Rope>` is Qwen3's.
template <HeadTransform... Transforms>
using CausalAttention = Attention<Visibility::kCausal, Transforms...>;

/// A token sees its whole sequence: `BidirectionalAttention<>` is BERT's.
template <HeadTransform... Transforms>
using BidirectionalAttention = Attention<Visibility::kBidirectional, Transforms...>;

}  // namespace reasonembed::nn
