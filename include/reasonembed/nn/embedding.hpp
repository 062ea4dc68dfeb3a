#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/dropout.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/layer_norm.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// One row of a table for every token; positions are left to the attention (Qwen, Llama).
///
///   y_t = E[token_t]
///
/// Models: TokenEmbedder.
class TokenEmbedding {
 public:
  template <class Leaf>
  struct Parameters {
    typename Leaf::Table token;  ///< (V, D)
  };
  template <class B>
  struct Saved {};

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "token"; }

  TokenEmbedding(const EncoderConfig& config, const EncoderOptions&) : vocab_(config.vocab), width_(config.dim) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    return {allocator.table(vocab_, width_)};
  }
  template <class P, class F>
  static void visit(P& parameters, const std::string& prefix, F&& f) {
    visit_leaf(parameters.token, prefix + ".token.weight", ParameterKind::kTable, f);
  }

  /// @throws ShapeError naming position and id, if a token id is outside [0, V)
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<typename B::Scalar> y,
               Save&) const {
    Kernels<B>::embedding(context.batch.tokens, parameters.token, y);
  }
  template <class B>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>&,
           const Saved<B>&,
           MatrixView<typename B::Scalar> dy,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    Kernels<B>::embedding_vjp(context.batch.tokens, dy, gradients.token);
  }

 private:
  Index vocab_;
  Index width_;
};

/// The BERT family's sum of token, position and type rows, normalised.
///
///   y_t = dropout(LayerNorm(E[token_t] + P[offset + position_t] + S[0]))            [Devlin et al. 2019, fig. 2]
///
/// A text is one segment, so every token has type 0; a model without types leaves the term out. The offset,
/// `position_offset` of the configuration, is 0 for BERT; RoBERTa's family keeps its first rows for padding.
///
/// Models: TokenEmbedder.
class TokenPositionTypeEmbedding {
 public:
  template <class Leaf>
  struct Parameters {
    typename Leaf::Table token;     ///< (V, D)
    typename Leaf::Table position;  ///< (position_offset + max_length, D)
    typename Leaf::Table type;      ///< (type_vocab, D) or empty
    LayerNorm::Parameters<Leaf> norm;
  };
  template <class B>
  struct Saved {
    std::span<const std::int32_t> positions;  ///< (T)
    std::span<const std::int32_t> types;      ///< (T)
    LayerNorm::Saved<B> norm;
    Dropout::Saved dropout;
  };

  /// @return  the component's name in an architecture
  [[nodiscard]] static std::string architecture() { return "token_position_type"; }

  TokenPositionTypeEmbedding(const EncoderConfig& config, const EncoderOptions& options)
      : vocab_(config.vocab),
        offset_(config.position_offset),
        positions_(config.position_offset + config.max_length),
        types_(config.type_vocab),
        width_(config.dim),
        norm_(config.dim, options),
        dropout_(options.dropout) {}

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    auto token = allocator.table(vocab_, width_);
    auto position = allocator.table(positions_, width_);
    auto type = allocator.table(types_, width_);
    return {std::move(token), std::move(position), std::move(type), norm_.allocate(allocator)};
  }
  template <class P, class F>
  static void visit(P& parameters, const std::string& prefix, F&& f) {
    visit_leaf(parameters.token, prefix + ".token.weight", ParameterKind::kTable, f);
    visit_leaf(parameters.position, prefix + ".position.weight", ParameterKind::kTable, f);
    visit_leaf(parameters.type, prefix + ".type.weight", ParameterKind::kTable, f);
    LayerNorm::visit(parameters.norm, prefix + ".norm", f);
  }

  /// @throws ShapeError naming position and id, if a token id is outside [0, V) or a sequence exceeds max_length
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    const ForwardScope<Save> scope(context.arena);
    const std::span<std::int32_t> positions = context.arena.template allocate<std::int32_t>(context.token_count());
    const std::span<std::int32_t> types = context.arena.template allocate<std::int32_t>(context.token_count());
    fill_positions(context.batch, positions);
    std::fill(types.begin(), types.end(), 0);
    MatrixView<typename B::Scalar> sum = y;
    if constexpr (kSaves<Save>) {
      sum = context.activations(width_);  // (T, D)
    }
    Kernels<B>::embedding(context.batch.tokens, parameters.token, sum);
    Kernels<B>::embedding_accumulate(positions, parameters.position, sum);
    if (types_ > 0) {
      Kernels<B>::embedding_accumulate(types, parameters.type, sum);
    }
    if constexpr (kSaves<Save>) {
      norm_.forward(context, parameters.norm, sum, y, saved.norm);
      saved.positions = positions;
      saved.types = types;
      saved.dropout = dropout_.forward(context, y);
    } else {
      norm_.forward(context, parameters.norm, sum, y, saved);
      (void)dropout_.forward(context, y);
    }
  }

  template <class B>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<typename B::Scalar> dy,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    const ArenaScope scope(context.arena);
    const auto d_sum = context.activations(width_);  // (T, D)
    norm_.vjp(context, parameters.norm, saved.norm, dropout_.vjp(context, saved.dropout, dy), d_sum, gradients.norm);
    Kernels<B>::embedding_vjp(context.batch.tokens, d_sum, gradients.token);
    Kernels<B>::embedding_vjp(saved.positions, d_sum, gradients.position);
    if (types_ > 0) {
      Kernels<B>::embedding_vjp(saved.types, d_sum, gradients.type);
    }
  }

 private:
  void fill_positions(const PackedBatch& batch, std::span<std::int32_t> positions) const {
    for (Index b = 0; b < batch.sequence_count(); ++b) {
      std::iota(positions.begin() + batch.offsets[b], positions.begin() + batch.offsets[b + 1], offset_);
    }
  }

  Index vocab_;
  std::int32_t offset_;
  Index positions_;
  Index types_;
  Index width_;
  LayerNorm norm_;
  Dropout dropout_;
};

static_assert(TokenEmbedder<TokenEmbedding>);
static_assert(TokenEmbedder<TokenPositionTypeEmbedding>);

}  // namespace reasonembed::nn
