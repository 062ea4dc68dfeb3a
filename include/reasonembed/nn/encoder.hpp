#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/embedding.hpp>
#include <reasonembed/nn/identity.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/row_selection.hpp>

#include <algorithm>
#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// A transformer that turns each sequence of a packed batch into one vector. A description: it owns no data.
///
///   x_0 = Embedding(tokens);  x_l = Block(x_{l-1});  e = normalize(Pool(FinalNorm(x_L)))
///
/// Nothing here depends on other sequences of the batch: a vector's bits are a function of its own tokens.
///
/// @tparam Config     static sizes, or kDynamic for sizes given at run time
/// @tparam Block      PreNormBlock or PostNormBlock of components
/// @tparam Pool       Mean, Cls, LastToken
/// @tparam Embedding  TokenEmbedding, TokenPositionTypeEmbedding
template <EncoderConfig Config, TransformerBlock Block, Pooling Pool, TokenEmbedder Embedding = TokenEmbedding>
class Encoder {
  static_assert(Config == kDynamic || Config.valid(),
                "reasonembed::nn::Encoder: Config must be kDynamic, or have all sizes > 0, heads % kv_heads == 0 and "
                "an even head_dim");
  using FinalNorm = typename Block::FinalNorm;
  static constexpr bool kHasFinalNorm = !std::same_as<FinalNorm, Identity>;

 public:
  using Pooling = Pool;
  static constexpr EncoderConfig kConfig = Config;

  template <class Leaf>
  struct Parameters {
    typename Embedding::template Parameters<Leaf> embedding;
    std::vector<typename Block::template Parameters<Leaf>> blocks;
    typename FinalNorm::template Parameters<Leaf> final_norm;
  };
  /// Views into the arena the forward ran in; they live until it is rewound.
  template <class B>
  struct Saved {
    typename Embedding::template Saved<B> embedding;
    std::span<typename Block::template Saved<B>> blocks;
    typename FinalNorm::template Saved<B> final_norm;
    MatrixView<const typename B::Scalar> embeddings;  ///< (B, D)
    std::span<const typename B::Scalar> inv_norm;     ///< (B)
  };

  /// @return  the components by name: what a checkpoint's family must be made of to be loaded into this encoder
  [[nodiscard]] static std::string architecture() { return Embedding::architecture() + ">" + Block::architecture(); }

  /// @throws ConfigError naming the field, if `config` or `options` are impossible or `config` differs from a static
  ///         Config
  explicit Encoder(const EncoderConfig& config = Config, const EncoderOptions& options = {})
      : config_((require_config(config, Config), config)),
        options_((require_options(options), options)),
        embedding_(config, options),
        block_(config, options),
        final_norm_(make_final_norm(config, options)) {}

  [[nodiscard]] const EncoderConfig& config() const { return config_; }
  [[nodiscard]] const EncoderOptions& options() const { return options_; }
  /// @return  D, the width of an embedding
  [[nodiscard]] Index dim() const { return config_.dim; }

  template <class Allocator>
  [[nodiscard]] Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    Parameters<typename Allocator::Leaf> parameters{embedding_.allocate(allocator), {}, {}};
    for (int layer = 0; layer < config_.layers; ++layer) {
      parameters.blocks.push_back(block_.allocate(allocator));
    }
    parameters.final_norm = final_norm_.allocate(allocator);
    number_projections(*this, parameters);
    return parameters;
  }
  /// Calls `f(ParameterSlice)` for every tensor, always in the same order.
  template <class P, class F>
  void visit(P& parameters, F&& f) const {
    Embedding::visit(parameters.embedding, "embedding", f);
    for (std::size_t layer = 0; layer < parameters.blocks.size(); ++layer) {
      block_.visit(parameters.blocks[layer], "blocks." + std::to_string(layer), f);
    }
    FinalNorm::visit(parameters.final_norm, "final_norm", f);
  }
  /// Calls `f` for every projection, to pack it.
  template <class P, class F>
  void visit_weights(P& parameters, F&& f) const {
    for (auto& block : parameters.blocks) {
      Block::visit_weights(block, f);
    }
  }

  /// @param embeddings  (B, D), overwritten
  /// @param saved       Saved<B> to train, Nothing to serve
  /// @throws ShapeError if the batch's offsets are no partition, or a token id is outside the vocabulary
  /// @note   no allocation beyond the context's arena; deterministic
  template <class B, class Save>
  void forward(Context<B>& context,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<typename B::Scalar> embeddings,
               Save& saved) const {
    context.batch.validate(config_.max_length);
    require_extent("nn::Encoder::forward", "embeddings.rows()", embeddings.rows(), context.batch.sequence_count());
    require_extent("nn::Encoder::forward", "embeddings.cols()", embeddings.cols(), config_.dim);
    const ForwardScope<Save> scope(context.arena);
    block_.prepare(context);
    if constexpr (kSaves<Save>) {
      forward_saving(context, parameters, embeddings, saved);
    } else {
      forward_serving(context, parameters, embeddings, saved);
    }
  }

  /// @param d_embeddings  (B, D) gradient of the loss by the embeddings
  /// @param gradients     accumulate
  template <class B>
  void vjp(Context<B>& context,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> d_embeddings,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    static_assert(DifferentiableLayer<Block>,
                  "reasonembed::nn::Encoder: Block must be a DifferentiableLayer to be trained: "
                  "give every layer in it a vjp");
    const ArenaScope scope(context.arena);
    auto dx = context.activations(config_.dim);  // (T, D)
    auto dy = context.activations(config_.dim);  // (T, D)
    pool_vjp(context, saved, d_embeddings, dy);
    if constexpr (kHasFinalNorm) {
      final_norm_.vjp(context, parameters.final_norm, saved.final_norm, dy, dx, gradients.final_norm);
      std::swap(dx, dy);
    }
    for (std::size_t layer = parameters.blocks.size(); layer-- > 0;) {
      block_.vjp(context, parameters.blocks[layer], saved.blocks[layer], dy, dx, gradients.blocks[layer]);
      std::swap(dx, dy);
    }
    embedding_.vjp(context, parameters.embedding, saved.embedding, dy, gradients.embedding);
  }

 private:
  template <class B>
  static constexpr bool kSelectsRows =
      RowPooling<Pool> &&
      requires(const Block block,
               Context<B>& context,
               RowSelection<B>& selection,
               const typename Block::template Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y) { block.forward_rows(context, selection, parameters, x, y); };

  static FinalNorm make_final_norm(const EncoderConfig& config, const EncoderOptions& options) {
    if constexpr (kHasFinalNorm) {
      return FinalNorm(config.dim, options);
    } else {
      return {};
    }
  }

  template <class B>
  void forward_serving(Context<B>& context,
                       const Parameters<WeightLeaf<B>>& parameters,
                       MatrixView<typename B::Scalar> embeddings,
                       Nothing& nothing) const {
    auto x = context.activations(config_.dim);  // (T, D)
    auto y = context.activations(config_.dim);  // (T, D)
    embedding_.forward(context, parameters.embedding, x, nothing);
    const bool selects = selects_rows(context, parameters);
    for (std::size_t layer = 0; layer + (selects ? 1 : 0) < parameters.blocks.size(); ++layer) {
      block_.forward(context, parameters.blocks[layer], x, y, nothing);
      std::swap(x, y);
    }
    if (selects) {
      forward_last_rows(context, parameters, x, embeddings);
    } else {
      if constexpr (kHasFinalNorm) {
        final_norm_.forward(context, parameters.final_norm, x, x, nothing);
      }
      pool_.pool(context, x, embeddings);
    }
    if (options_.normalize) {
      Kernels<B>::l2_normalize(embeddings, embeddings, {});
    }
  }

  /// @return  whether the last block needs the pooled tokens alone
  template <class B>
  [[nodiscard]] static bool selects_rows(const Context<B>& context, const Parameters<WeightLeaf<B>>& parameters) {
    return kSelectsRows<B> && !parameters.blocks.empty() && !context.dropout.training;
  }
  /// The last block, the final norm and the pooling, of the tokens that are pooled.
  template <class B>
  void forward_last_rows([[maybe_unused]] Context<B>& context,
                         [[maybe_unused]] const Parameters<WeightLeaf<B>>& parameters,
                         [[maybe_unused]] MatrixView<const typename B::Scalar> x,
                         [[maybe_unused]] MatrixView<typename B::Scalar> embeddings) const {
    if constexpr (kSelectsRows<B>) {
      RowSelection<B> selection(context, pool_.rows(context));
      block_.forward_rows(context, selection, parameters.blocks.back(), x, embeddings);
      if constexpr (kHasFinalNorm) {
        Nothing nothing;
        final_norm_.forward(selection.context, parameters.final_norm, embeddings, embeddings, nothing);
      }
    }
  }

  template <class B, class S = typename B::Scalar>
  void forward_saving(Context<B>& context,
                      const Parameters<WeightLeaf<B>>& parameters,
                      MatrixView<S> embeddings,
                      Saved<B>& saved) const {
    saved.blocks = context.arena.template allocate<typename Block::template Saved<B>>(config_.layers);
    std::uninitialized_value_construct(saved.blocks.begin(), saved.blocks.end());
    auto x = context.activations(config_.dim);  // (T, D)
    embedding_.forward(context, parameters.embedding, x, saved.embedding);
    for (std::size_t layer = 0; layer < parameters.blocks.size(); ++layer) {
      const auto y = context.activations(config_.dim);  // (T, D)
      block_.forward(context, parameters.blocks[layer], x, y, saved.blocks[layer]);
      x = y;
    }
    if constexpr (kHasFinalNorm) {
      const auto y = context.activations(config_.dim);  // (T, D)
      final_norm_.forward(context, parameters.final_norm, x, y, saved.final_norm);
      x = y;
    }
    pool_.pool(context, x, embeddings);
    if (options_.normalize) {
      const std::span<S> inv_norm = context.arena.template allocate<S>(embeddings.rows());
      const MatrixView<S> kept = context.arena.template matrix<S>(embeddings.rows(), embeddings.cols());  // (B, D)
      Kernels<B>::l2_normalize(embeddings, embeddings, inv_norm);
      for (Index b = 0; b < embeddings.rows(); ++b) {  // the caller may overwrite its embeddings before vjp
        std::copy(embeddings.row(b).begin(), embeddings.row(b).end(), kept.row(b).begin());
      }
      saved.embeddings = kept;
      saved.inv_norm = inv_norm;
    }
  }

  template <class B, class S = typename B::Scalar>
  void pool_vjp(Context<B>& context, const Saved<B>& saved, MatrixView<const S> d_embeddings, MatrixView<S> dx) const {
    require_extent("nn::Encoder::vjp", "d_embeddings.rows()", d_embeddings.rows(), context.batch.sequence_count());
    require_extent("nn::Encoder::vjp", "d_embeddings.cols()", d_embeddings.cols(), config_.dim);
    if (!options_.normalize) {
      pool_.pool_vjp(context, d_embeddings, dx);
      return;
    }
    const ArenaScope scope(context.arena);
    const auto d_pooled = context.arena.template matrix<S>(d_embeddings.rows(), d_embeddings.cols());  // (B, D)
    Kernels<B>::l2_normalize_vjp(saved.embeddings, saved.inv_norm, d_embeddings, d_pooled);
    pool_.pool_vjp(context, MatrixView<const S>(d_pooled), dx);
  }

  EncoderConfig config_;
  EncoderOptions options_;
  Embedding embedding_;
  Block block_;
  FinalNorm final_norm_;
  [[no_unique_address]] Pool pool_{};
};

}  // namespace reasonembed::nn
