#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/packed_batch.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/text/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// How a contrastive batch is cut to be embedded and differentiated. Both numbers are part of a run's arithmetic: a run
/// that is resumed keeps them.
struct GradientCacheOptions {
  Index chunk_tokens = 1024;  ///< tokens whose activations are held at once by a thread
  Index shards = 2;  ///< partial gradients, each summed in order and then added in order; any number of threads
                     ///< gives the same bits, more than `shards` threads gain nothing in the backward pass

  friend bool operator==(const GradientCacheOptions&, const GradientCacheOptions&) = default;

  /// Calls `f(name, value)` for every option, so that logs and checkpoints can name them.
  template <class F>
  void visit(F&& f) const {
    f("chunk_tokens", chunk_tokens);
    f("shards", shards);
  }
};

/// Embeds a batch of any size with the memory of one chunk a thread [Gao et al. 2021].
///
///   pass 1   E = encoder(texts), nothing kept
///   loss     dE = dL/dE, somebody else's
///   pass 2   each chunk again, keeping its activations, and its part of dL/dtheta = (dE/dtheta)^T dE
///
/// The second forward draws the same dropout masks as the first, since a mask is a function of seed and text.
///
/// @note  no allocation after the first step of the largest shape; bit-identical for every number of threads
template <class Encoder, nn::NeuralKernels B>
class GradientCache {
 public:
  using S = typename B::Scalar;
  using Weights = typename Encoder::template Parameters<nn::WeightLeaf<B>>;
  using Options = GradientCacheOptions;

  /// @throws ConfigError if an option is not positive
  GradientCache(const Encoder& encoder, const Weights& weights, const ThreadPool& pool, Options options = {})
      : encoder_(&encoder), weights_(&weights), pool_(&pool), options_(options) {
    require_positive("chunk_tokens", options.chunk_tokens);
    require_positive("shards", options.shards);
    encoder.visit(weights, [&](const auto& slice) { parameters_ += slice.values.size(); });
    bool trainable = true;
    encoder.visit_weights(weights, [&](const auto& weight) { trainable = trainable && !weight.view().empty(); });
    if (!trainable) {
      throw ConfigError::invalid(
          "train::GradientCache", "weights", "packed only", "weights that were loaded with Residency::kTrain");
    }
    arenas_.resize(static_cast<std::size_t>(std::max<Index>(pool.size(), 1)));
    for (Index shard = 0; shard < options.shards; ++shard) {
      shards_.emplace_back(parameters_);
    }
  }

  /// @return  P, the number of parameters
  [[nodiscard]] Index parameter_count() const { return parameters_; }

  /// Pass 1.
  ///
  /// @param texts       N texts; text i draws the dropout masks of sequence i
  /// @param dropout     the same for both passes of a step
  /// @param embeddings  (N, D), overwritten
  void embed(const text::TokenizedTexts& texts, const nn::DropoutState& dropout, MatrixView<S> embeddings) {
    cut(texts);
    require_extent("train::GradientCache::embed", "embeddings.rows()", embeddings.rows(), text_count(texts));
    pool_->for_each(static_cast<Index>(chunks_.size()), [&](Index chunk, int worker) {
      Arena& arena = arenas_[static_cast<std::size_t>(worker)];
      const ArenaScope scope(arena);
      nn::Context<B> context = context_of(texts, chunks_[static_cast<std::size_t>(chunk)], dropout, arena);
      nn::Nothing nothing;
      encoder_->forward(context, *weights_, rows_of(embeddings, chunks_[static_cast<std::size_t>(chunk)]), nothing);
    });
  }

  /// Pass 2.
  ///
  /// @param d_embeddings  (N, D)
  /// @param gradient      (P) in the order of Encoder::allocate, overwritten
  void backward(const text::TokenizedTexts& texts,
                const nn::DropoutState& dropout,
                MatrixView<const S> d_embeddings,
                std::span<S> gradient) {
    cut(texts);
    require_extent("train::GradientCache::backward", "d_embeddings.rows()", d_embeddings.rows(), text_count(texts));
    require_extent(
        "train::GradientCache::backward", "gradient.size()", static_cast<Index>(gradient.size()), parameters_);
    pool_->for_each(options_.shards, [&](Index shard, int worker) {
      run_shard(texts, dropout, d_embeddings, shard, arenas_[static_cast<std::size_t>(worker)]);
    });
    pool_->for_each_block(parameters_, 64, [&](Index begin, Index end, Index) {
      for (Index i = begin; i < end; ++i) {
        S sum{0};
        for (const AlignedBuffer<S>& shard : shards_) {
          sum += shard.data()[i];
        }
        gradient[static_cast<std::size_t>(i)] = sum;
      }
    });
  }

 private:
  /// Consecutive texts [first, first + count).
  struct Chunk {
    Index first = 0;
    Index count = 0;
    std::size_t offsets = 0;  ///< where its own offsets begin in offsets_
  };

  static void require_positive(const char* what, Index value) {
    if (value < 1) {
      throw ConfigError::invalid("train::GradientCache", what, std::to_string(value), "at least 1");
    }
  }
  static Index text_count(const text::TokenizedTexts& texts) { return static_cast<Index>(texts.offsets.size()) - 1; }

  /// Cuts the texts in their order into chunks of at most chunk_tokens, a longer text alone.
  void cut(const text::TokenizedTexts& texts) {
    chunks_.clear();
    offsets_.clear();
    for (Index text = 0; text < text_count(texts); ++text) {
      const auto i = static_cast<std::size_t>(text);
      const std::int32_t length = texts.offsets[i + 1] - texts.offsets[i];
      if (chunks_.empty() || offsets_.back() + length > options_.chunk_tokens) {
        chunks_.push_back({text, 0, offsets_.size()});
        offsets_.push_back(0);
      }
      ++chunks_.back().count;
      offsets_.push_back(offsets_.back() + length);
    }
  }

  nn::Context<B> context_of(const text::TokenizedTexts& texts,
                            const Chunk& chunk,
                            const nn::DropoutState& dropout,
                            Arena& arena) const {
    const auto begin = static_cast<std::size_t>(texts.offsets[static_cast<std::size_t>(chunk.first)]);
    const std::span<const std::int32_t> offsets =
        std::span(offsets_).subspan(chunk.offsets, static_cast<std::size_t>(chunk.count) + 1);
    return {.arena = arena,
            .batch = {.tokens = std::span(texts.ids).subspan(begin, static_cast<std::size_t>(offsets.back())),
                      .offsets = offsets,
                      .first_sequence = static_cast<std::uint64_t>(chunk.first)},
            .rotary = {},
            .dropout = dropout};
  }
  template <class T>
  static MatrixView<T> rows_of(MatrixView<T> matrix, const Chunk& chunk) {
    return matrix.row_block(chunk.first, chunk.count);
  }

  /// Chunks shard, shard + shards, shard + 2 shards, ... in order.
  void run_shard(const text::TokenizedTexts& texts,
                 const nn::DropoutState& dropout,
                 MatrixView<const S> d_embeddings,
                 Index shard,
                 Arena& arena) {
    const std::span<S> flat = shards_[static_cast<std::size_t>(shard)].span();
    std::fill(flat.begin(), flat.end(), S{0});
    nn::GradientAllocator<S> allocator(flat);
    auto gradients = encoder_->allocate(allocator);
    for (auto chunk = static_cast<std::size_t>(shard); chunk < chunks_.size();
         chunk += static_cast<std::size_t>(options_.shards)) {
      const ArenaScope scope(arena);
      nn::Context<B> context = context_of(texts, chunks_[chunk], dropout, arena);
      const MatrixView<S> embeddings = arena.template matrix<S>(chunks_[chunk].count, encoder_->dim());  // (n, D)
      typename Encoder::template Saved<B> saved{};
      encoder_->forward(context, *weights_, embeddings, saved);
      encoder_->vjp(context, *weights_, saved, rows_of(d_embeddings, chunks_[chunk]), gradients);
    }
  }

  const Encoder* encoder_;
  const Weights* weights_;
  const ThreadPool* pool_;
  Options options_;
  Index parameters_ = 0;
  std::vector<Arena> arenas_;
  std::vector<AlignedBuffer<S>> shards_;  // (shards) of (P)
  std::vector<Chunk> chunks_;
  std::vector<std::int32_t> offsets_;  // of all chunks, each beginning at 0
};

}  // namespace reasonembed::train
