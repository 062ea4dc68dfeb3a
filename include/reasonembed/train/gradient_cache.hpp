#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/nn/packed_batch.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/text/tokenizer.hpp>
#include <reasonembed/train/parameter_gradients.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// How a contrastive batch is cut to be embedded and differentiated. The first two numbers are part of a run's
/// arithmetic: a run that is resumed keeps them.
struct GradientCacheOptions {
  Index chunk_tokens = 1024;  ///< most tokens whose activations are held at once by a thread
  Index shards = 2;  ///< partial gradients, each summed in order and then added in order; any number of threads
                     ///< gives the same bits, more than `shards` threads gain nothing in the backward pass

  std::size_t keep_bytes = std::size_t{1} << 30;  ///< activations kept between the passes at most; what has no room is
                                                  ///< computed a second time. Never changes a bit

  friend bool operator==(const GradientCacheOptions&, const GradientCacheOptions&) = default;

  /// Calls `f(name, value)` for every option that is part of the arithmetic.
  template <class F>
  void visit(F&& f) const {
    f("chunk_tokens", chunk_tokens);
    f("shards", shards);
  }
};

/// Embeds a batch of any size with the memory of one chunk a thread, and as many kept chunks as there is room for
/// [Gao et al. 2021].
///
///   pass 1   E = encoder(texts), keeping the activations of the first chunks that fit into keep_bytes
///   loss     dE = dL/dE, somebody else's
///   pass 2   each chunk's part of dL/dtheta = (dE/dtheta)^T dE; those that were not kept are computed again
///
/// The second forward draws the same dropout masks as the first, since a mask is a function of seed and text.
///
/// @note  no allocation after the first step of the largest shape; bit-identical for every number of threads and any
///        keep_bytes
template <class Encoder, nn::NeuralKernels B>
class GradientCache {
 public:
  using S = typename B::Scalar;
  using Weights = typename Encoder::template Parameters<nn::WeightLeaf<B>>;
  using Options = GradientCacheOptions;
  using Gradients = ParameterGradients<Encoder, B>;

  /// @param adapter  what is trained, the weights being frozen; nullptr trains the weights
  /// @throws ConfigError if an option is not positive
  GradientCache(const Encoder& encoder,
                const Weights& weights,
                const ThreadPool& pool,
                Options options = {},
                const nn::Adapter<B>* adapter = nullptr)
      : encoder_(&encoder),
        weights_(&weights),
        adapter_(adapter),
        pool_(&pool),
        options_(options),
        parameters_(Gradients::parameter_count(encoder, weights, adapter)) {
    require_positive("chunk_tokens", options.chunk_tokens);
    require_positive("shards", options.shards);
    bool trainable = true;
    encoder.visit_weights(weights, [&](const auto& weight) { trainable = trainable && weight.differentiable(); });
    if (!trainable) {
      throw ConfigError::invalid("train::GradientCache",
                                 "weights",
                                 "not differentiable",
                                 "weights of a model that was loaded with Residency::kTrain or made trainable");
    }
    arenas_.resize(static_cast<std::size_t>(std::max<Index>(pool.size(), 1)));
    shards_.reserve(static_cast<std::size_t>(options.shards));
    for (Index shard = 0; shard < options.shards; ++shard) {
      shards_.emplace_back(parameters_);
      gradients_.emplace_back(encoder, adapter, shards_.back().span());
    }
  }

  /// @return  P, the number of parameters that are trained
  [[nodiscard]] Index parameter_count() const { return parameters_; }

  /// Pass 1.
  ///
  /// @param texts       N texts, unchanged until backward; text i draws the dropout masks of sequence i
  /// @param embeddings  (N, D), overwritten
  void forward(const text::TokenizedTexts& texts, const nn::DropoutState& dropout, MatrixView<S> embeddings) {
    require_rows("train::GradientCache::forward", "embeddings.rows()", embeddings.rows(), texts);
    batch_.cut(texts, options_);
    if (kept_.size() < batch_.chunks.size()) {
      kept_.resize(batch_.chunks.size());
    }
    const std::size_t keep = count_kept();
    pool_->for_each(static_cast<Index>(batch_.chunks.size()), [&](Index number, int worker) {
      const Chunk& chunk = batch_.chunks[static_cast<std::size_t>(number)];
      Kept& kept = kept_[static_cast<std::size_t>(number)];
      kept.pass.reset();
      kept.arena.rewind({});
      if (static_cast<std::size_t>(number) >= keep) {
        embed_chunk(batch_, chunk, texts, dropout, embeddings, worker);
        return;
      }
      kept.arena.reserve(bytes_of(chunk));
      kept.pass.emplace(Pass{context_of(batch_, chunk, texts, dropout, kept.arena), {}});
      encoder_->forward(kept.pass->context, *weights_, rows_of(embeddings, chunk), kept.pass->saved);
    });
  }

  /// Embeds without a way back; what forward() has kept stays.
  ///
  /// @param embeddings  (N, D), overwritten
  void embed(const text::TokenizedTexts& texts, const nn::DropoutState& dropout, MatrixView<S> embeddings) {
    require_rows("train::GradientCache::embed", "embeddings.rows()", embeddings.rows(), texts);
    aside_.cut(texts, options_);
    pool_->for_each(static_cast<Index>(aside_.chunks.size()), [&](Index number, int worker) {
      embed_chunk(aside_, aside_.chunks[static_cast<std::size_t>(number)], texts, dropout, embeddings, worker);
    });
  }

  /// Pass 2, after forward() of the same texts and masks.
  ///
  /// @param d_embeddings  (N, D)
  /// @param gradient      (P) in the order of ParameterGradients, overwritten
  void backward(const text::TokenizedTexts& texts,
                const nn::DropoutState& dropout,
                MatrixView<const S> d_embeddings,
                std::span<S> gradient) {
    require_rows("train::GradientCache::backward", "d_embeddings.rows()", d_embeddings.rows(), texts);
    require_extent("train::GradientCache::backward", "number of texts", text_count(texts), batch_.texts);
    require_extent(
        "train::GradientCache::backward", "gradient.size()", static_cast<Index>(gradient.size()), parameters_);
    pool_->for_each(options_.shards, [&](Index shard, int worker) {
      run_shard(texts, dropout, d_embeddings, shard, arenas_[static_cast<std::size_t>(worker)]);
    });
    level_arenas(arenas_);
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
    Index tokens = 0;
    std::size_t offsets = 0;  ///< where its own offsets begin in Cut::offsets
  };
  /// Texts in their order, in chunks of about the same number of tokens, and of at most chunk_tokens, a longer text
  /// apart; as many for every shard.
  struct Cut {
    std::vector<Chunk> chunks;
    std::vector<std::int32_t> offsets;  // of all chunks, each beginning at 0
    Index texts = 0;

    void cut(const text::TokenizedTexts& whole, const Options& options) {
      chunks.clear();
      offsets.clear();
      texts = text_count(whole);
      const auto total = static_cast<Index>(whole.ids.size());
      const Index needed = (total + options.chunk_tokens - 1) / options.chunk_tokens;
      const Index wanted = (needed + options.shards - 1) / options.shards * options.shards;
      for (Index text = 0; text < texts; ++text) {
        const auto i = static_cast<std::size_t>(text);
        const std::int32_t length = whole.offsets[i + 1] - whole.offsets[i];
        // the text belongs to the chunk in whose share its middle lies
        const Index middle = whole.offsets[i] + length / 2;
        const bool share_is_full = wanted * middle >= static_cast<Index>(chunks.size()) * total;
        if (chunks.empty() || share_is_full || offsets.back() + length > options.chunk_tokens) {
          chunks.push_back({text, 0, 0, offsets.size()});
          offsets.push_back(0);
        }
        ++chunks.back().count;
        offsets.push_back(offsets.back() + length);
        chunks.back().tokens = offsets.back();
      }
    }
  };
  /// A forward pass that can be gone back.
  struct Pass {
    nn::Context<B> context;
    typename Encoder::template Saved<B> saved;
  };
  /// The memory of one kept chunk, and its pass if it was kept this time.
  struct Kept {
    Arena arena;
    std::optional<Pass> pass;
  };

  static void require_positive(const char* what, Index value) {
    if (value < 1) {
      throw ConfigError::invalid("train::GradientCache", what, std::to_string(value), "at least 1");
    }
  }
  static Index text_count(const text::TokenizedTexts& texts) { return static_cast<Index>(texts.offsets.size()) - 1; }
  static void require_rows(const char* where, const char* what, Index rows, const text::TokenizedTexts& texts) {
    require_extent(where, what, rows, text_count(texts));
  }

  nn::Context<B> context_of(const Cut& cut,
                            const Chunk& chunk,
                            const text::TokenizedTexts& texts,
                            const nn::DropoutState& dropout,
                            Arena& arena) const {
    const auto begin = static_cast<std::size_t>(texts.offsets[static_cast<std::size_t>(chunk.first)]);
    const std::span<const std::int32_t> offsets =
        std::span(cut.offsets).subspan(chunk.offsets, static_cast<std::size_t>(chunk.count) + 1);
    return {.arena = arena,
            .batch = {.tokens = std::span(texts.ids).subspan(begin, static_cast<std::size_t>(chunk.tokens)),
                      .offsets = offsets,
                      .first_sequence = static_cast<std::uint64_t>(chunk.first)},
            .rotary = {},
            .dropout = dropout,
            .adapter = adapter_,
            .adapter_gradients = nullptr,
            .passing = {}};
  }
  template <class T>
  static MatrixView<T> rows_of(MatrixView<T> matrix, const Chunk& chunk) {
    return matrix.row_block(chunk.first, chunk.count);
  }

  void embed_chunk(const Cut& cut,
                   const Chunk& chunk,
                   const text::TokenizedTexts& texts,
                   const nn::DropoutState& dropout,
                   MatrixView<S> embeddings,
                   int worker) {
    Arena& arena = arenas_[static_cast<std::size_t>(worker)];
    const ArenaScope scope(arena);
    nn::Context<B> context = context_of(cut, chunk, texts, dropout, arena);
    nn::Nothing nothing;
    encoder_->forward(context, *weights_, rows_of(embeddings, chunk), nothing);
  }

  /// Chunks shard, shard + shards, shard + 2 shards, ... in order.
  void run_shard(const text::TokenizedTexts& texts,
                 const nn::DropoutState& dropout,
                 MatrixView<const S> d_embeddings,
                 Index shard,
                 Arena& arena) {
    const std::span<S> flat = shards_[static_cast<std::size_t>(shard)].span();
    std::fill(flat.begin(), flat.end(), S{0});
    Gradients& gradients = gradients_[static_cast<std::size_t>(shard)];
    for (auto number = static_cast<std::size_t>(shard); number < batch_.chunks.size();
         number += static_cast<std::size_t>(options_.shards)) {
      const Chunk& chunk = batch_.chunks[number];
      const MatrixView<const S> d_chunk = rows_of(d_embeddings, chunk);
      const ArenaScope scope(arena);
      if (Kept& kept = kept_[number]; kept.pass) {
        nn::Context<B> context = kept.pass->context.with_arena(arena);  // which is warm, and there for every chunk
        context.adapter_gradients = &gradients.adapter();
        encoder_->vjp(context, *weights_, kept.pass->saved, d_chunk, gradients.weights());
        continue;
      }
      Pass pass{context_of(batch_, chunk, texts, dropout, arena), {}};
      const std::size_t before = arena.used();
      const MatrixView<S> embeddings = arena.template matrix<S>(chunk.count, encoder_->dim());  // (n, D)
      encoder_->forward(pass.context, *weights_, embeddings, pass.saved);
      learn_bytes(arena.used() - before, chunk.tokens);
      pass.context.adapter_gradients = &gradients.adapter();
      encoder_->vjp(pass.context, *weights_, pass.saved, d_chunk, gradients.weights());
    }
  }

  /// @return  what the activations of a chunk take if it is kept; 0 before that is known
  [[nodiscard]] std::size_t bytes_of(const Chunk& chunk) const {
    return bytes_per_token_.load(std::memory_order_relaxed) * static_cast<std::size_t>(chunk.tokens);
  }

  /// @return  how many chunks, from the first on, have room for their activations; none before their size is known
  [[nodiscard]] std::size_t count_kept() const {
    std::size_t count = 0;
    for (std::size_t taken = 0; count < batch_.chunks.size() && bytes_of(batch_.chunks[count]) > 0; ++count) {
      taken += bytes_of(batch_.chunks[count]);
      if (taken > options_.keep_bytes) {
        break;
      }
    }
    return count;
  }

  /// Remembers the most bytes that the activations of a token have taken so far.
  void learn_bytes(std::size_t bytes, Index tokens) {
    const std::size_t each = bytes / static_cast<std::size_t>(tokens) + 1;
    std::size_t known = bytes_per_token_.load(std::memory_order_relaxed);
    while (known < each && !bytes_per_token_.compare_exchange_weak(known, each, std::memory_order_relaxed)) {
    }
  }

  const Encoder* encoder_;
  const Weights* weights_;
  const nn::Adapter<B>* adapter_;
  const ThreadPool* pool_;
  Options options_;
  Index parameters_;
  std::vector<Arena> arenas_;
  std::vector<AlignedBuffer<S>> shards_;         // (shards) of (P)
  std::vector<Gradients> gradients_;             // views of the shards
  Cut batch_;                                    // of forward and backward
  Cut aside_;                                    // of embed
  std::vector<Kept> kept_;                       // by chunk
  std::atomic<std::size_t> bytes_per_token_{0};  // of kept activations; 0 before the first backward
};

}  // namespace reasonembed::train
