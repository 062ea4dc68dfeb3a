#pragma once
/// @file What a training run takes of memory, before anything is loaded.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/backend/planned.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/eval/table.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/lora.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/parameter_count.hpp>
#include <reasonembed/nn/planned_kernels.hpp>
#include <reasonembed/optim/adamw.hpp>
#include <reasonembed/simd/packed_matrix.hpp>
#include <reasonembed/train/gradient_cache.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// A run, as far as its memory goes. Texts are taken to be as long as they may be; whoever knows how long they are
/// gives that length.
struct TrainingPlanOptions {
  int threads = 1;                             ///< of the model's pool
  GradientCacheOptions cache = {};             ///< as in the run
  Index batch_size = 8;                        ///< B, queries a batch
  Index group_size = 16;                       ///< G, documents a query
  Index query_tokens = 512;                    ///< of the longest query and reasoning query
  Index document_tokens = 512;                 ///< of the longest document
  bool reasoning = true;                       ///< the loss embeds reasoning queries as well
  std::vector<nn::AdapterShape> adapter = {};  ///< what is trained, see model::lora_shapes; empty: every weight
  nn::AdapterOptions adapter_options = {};
};

/// Bytes that a run takes when it has taken all it will; the program, its tokenizer and the rows come on top.
struct TrainingPlan {
  GradientCacheOptions cache = {};
  int threads = 1;
  Index parameters = 0;         ///< P, the numbers that are trained
  Index batch_tokens = 0;       ///< of all queries and documents
  std::size_t weights = 0;      ///< values of every parameter, an adapter's included
  std::size_t packed = 0;       ///< the forms of projections and factors that products read
  std::size_t gradients = 0;    ///< (P) of every shard, and of the batch
  std::size_t optimizer = 0;    ///< moments
  std::size_t activations = 0;  ///< of a chunk's way forth and back, in every thread
  std::size_t kept = 0;         ///< activations kept between the passes, within cache.keep_bytes
  std::size_t kept_wanted = 0;  ///< the same if nothing limited it: what saves every second forward
  std::size_t batch = 0;        ///< tokens, embeddings, similarities and their gradients

  [[nodiscard]] std::size_t total() const {
    return weights + packed + gradients + optimizer + activations + kept + batch;
  }
};

namespace detail {

/// Plans one run after another of an encoder that exists only as a description.
///
/// @tparam B          the backend that will train: a Cpu; one that stores other than it computes in trains adapters
/// @tparam Optimizer  models optim::Optimizer
template <class B, class Optimizer, class Encoder>
class TrainingPlanner {
  using S = typename B::Scalar;
  using Planned = backend::Planned<B>;
  static_assert(!std::same_as<typename B::Store, int8>,
                "reasonembed::train::plan_training: B must not quantise what is trained: plan for backend::Cpu<float> "
                "or Cpu<float, bf16>");

 public:
  TrainingPlanner(const Encoder& encoder, const TrainingPlanOptions& options)
      : encoder_(&encoder), options_(options), parameters_(encoder.allocate(allocator_)) {
    require("threads", options.threads);
    require("chunk_tokens", options.cache.chunk_tokens);
    require("shards", options.cache.shards);
    require("batch_size", options.batch_size);
    require("group_size", options.group_size);
    require("query_tokens", options.query_tokens);
    require("document_tokens", options.document_tokens);
    query_tokens_ = std::min<Index>(options.query_tokens, encoder.config().max_length);
    document_tokens_ = std::min<Index>(options.document_tokens, encoder.config().max_length);
    documents_ = checked_size("train::plan_training", options.batch_size, options.group_size);
    batch_tokens_ = checked_size("train::plan_training", options.batch_size, query_tokens_);
    require_tokens(batch_tokens_);
    batch_tokens_ += checked_size("train::plan_training", documents_, document_tokens_);
    require_tokens(batch_tokens_);
    if (!options.adapter.empty()) {
      adapter_.emplace(options.adapter, options.adapter_options);
    } else if (!std::same_as<typename B::Store, S>) {
      throw ConfigError::invalid("train::plan_training",
                                 "adapter",
                                 "empty",
                                 "one, for weights in bf16 are frozen: plan for backend::Cpu<float, bf16>");
    }
  }

  /// @return  tokens of the longest text, below which a chunk can't shrink
  [[nodiscard]] Index longest_text() const { return std::max(query_tokens_, document_tokens_); }

  [[nodiscard]] TrainingPlan plan(const GradientCacheOptions& cache) const {
    TrainingPlan plan{.cache = cache,
                      .threads = options_.threads,
                      .parameters = adapter_ ? adapter_->parameter_count() : nn::parameter_count(*encoder_),
                      .batch_tokens = batch_tokens_};
    add_weights(plan);
    const std::size_t numbers = AlignedBuffer<S>::footprint(plan.parameters);
    plan.gradients = (static_cast<std::size_t>(cache.shards) + 1) * numbers;
    plan.optimizer = optimizer_arrays() * numbers;
    const Chunk chunk = measure(std::min(std::max(cache.chunk_tokens, longest_text()), batch_tokens_));
    plan.activations = static_cast<std::size_t>(options_.threads) * chunk.most;
    const auto chunks = static_cast<double>(batch_tokens_) / static_cast<double>(chunk.tokens);
    plan.kept_wanted = static_cast<std::size_t>(chunks * static_cast<double>(chunk.kept));
    plan.kept = std::min(plan.kept_wanted, cache.keep_bytes);
    plan.batch = batch_bytes();
    return plan;
  }

 private:
  struct Chunk {
    Index tokens = 0;
    std::size_t most = 0;  ///< of a pass that serves, or one forth and back
    std::size_t kept = 0;  ///< of a pass forth whose way back comes later
  };

  static void require(const char* what, Index value) {
    if (value < 1) {
      throw ConfigError::invalid("train::plan_training", what, std::to_string(value), "at least 1");
    }
  }
  /// A batch counts its tokens in 32 bits.
  static void require_tokens(Index tokens) {
    if (tokens < 0 || tokens > std::numeric_limits<std::int32_t>::max()) {
      throw ConfigError::invalid(
          "train::plan_training", "tokens of a batch", std::to_string(tokens), "at most 2147483647");
    }
  }

  void add_weights(TrainingPlan& plan) const {
    plan.packed = allocator_.projection_bytes();
    plan.weights = allocator_.bytes() - allocator_.projection_bytes() + allocator_.training_bytes();
    if (!adapter_) {
      return;
    }
    for (const auto& branch : adapter_->branches()) {
      for (const auto* factor : {&branch.a, &branch.b}) {
        plan.weights += AlignedBuffer<S>::footprint(factor->rows() * factor->cols());
        plan.packed += simd::PackedMatrix<S>::footprint(factor->rows(), factor->cols());
      }
    }
  }

  /// @return  numbers that the optimiser remembers of each parameter: it is asked for a few
  [[nodiscard]] static std::size_t optimizer_arrays() {
    constexpr Index kFew = 64;
    Matrix<S> values(1, kFew);
    const Optimizer optimizer(typename Optimizer::Options{});
    auto state = optimizer.init(std::vector<nn::ParameterSlice<S>>{{"a", values.view()}});
    std::size_t count = 0;
    state.visit([&](const char*, auto array) { count += array.size(); });
    return (count + kFew - 1) / kFew;
  }

  [[nodiscard]] Chunk measure(Index tokens) const {
    const Index length = std::min(longest_text(), tokens);
    const Index texts = (tokens + length - 1) / length;
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens), 0);
    std::vector<std::int32_t> offsets;
    for (Index text = 0; text <= texts; ++text) {
      offsets.push_back(static_cast<std::int32_t>(std::min(text * length, tokens)));
    }
    const nn::PackedBatch batch{.tokens = ids, .offsets = offsets};
    return {.tokens = tokens, .most = std::max(serve(batch), replay(batch)), .kept = keep(batch)};
  }
  [[nodiscard]] nn::Context<Planned> context_of(const nn::PackedBatch& batch, Arena& arena) const {
    return {.arena = arena,
            .batch = batch,
            .rotary = {},
            .dropout = {.training = true},
            .adapter = adapter_ ? &*adapter_ : nullptr,
            .adapter_gradients = nullptr,
            .passing = {}};
  }

  // The three passes of GradientCache. @return  bytes at their peak
  [[nodiscard]] std::size_t serve(const nn::PackedBatch& batch) const {
    Arena arena;
    auto context = context_of(batch, arena);
    Matrix<S> embeddings(batch.sequence_count(), encoder_->dim());
    nn::Nothing nothing;
    encoder_->forward(context, parameters_, embeddings.view(), nothing);
    return arena.peak();
  }
  [[nodiscard]] std::size_t keep(const nn::PackedBatch& batch) const {
    Arena arena;
    auto context = context_of(batch, arena);
    Matrix<S> embeddings(batch.sequence_count(), encoder_->dim());
    typename Encoder::template Saved<Planned> saved;
    encoder_->forward(context, parameters_, embeddings.view(), saved);
    return arena.peak();
  }
  [[nodiscard]] std::size_t replay(const nn::PackedBatch& batch) const {
    Arena arena;
    auto context = context_of(batch, arena);
    const MatrixView<S> embeddings = arena.matrix<S>(batch.sequence_count(), encoder_->dim());
    typename Encoder::template Saved<Planned> saved;
    encoder_->forward(context, parameters_, embeddings, saved);
    nn::PlanningGradients<S> allocator;
    nn::FrozenAllocator<S> frozen;
    auto gradients = adapter_ ? encoder_->allocate(frozen) : encoder_->allocate(allocator);
    nn::AdapterGradients<S> adapter_gradients;
    if (adapter_) {
      for (const auto& branch : adapter_->branches()) {
        adapter_gradients.branches.push_back(
            {allocator.matrix(branch.a.rows(), branch.a.cols()), allocator.matrix(branch.b.rows(), branch.b.cols())});
      }
    }
    context.adapter_gradients = &adapter_gradients;
    encoder_->vjp(context, parameters_, saved, MatrixView<const S>(embeddings), gradients);
    return arena.peak();
  }

  /// What ContrastiveGradient and its loss hold of a batch.
  [[nodiscard]] std::size_t batch_bytes() const {
    const Index dim = encoder_->dim();
    const Index queries = options_.batch_size;
    Arena arena;
    (void)arena.allocate<std::int32_t>(batch_tokens_ + (options_.reasoning ? queries * query_tokens_ : 0));
    (void)arena.matrix<S>(queries + documents_, dim);
    (void)arena.matrix<S>(queries + documents_, dim);
    if (options_.reasoning) {
      (void)arena.matrix<S>(queries, dim);
      (void)arena.matrix<S>(queries, dim);
    }
    (void)arena.matrix<S>(queries, documents_);
    nn::detail::plan_product<S>(simd::Op::kNone, queries, documents_, dim, arena);
    nn::detail::plan_product<S>(simd::Op::kNone, queries, dim, documents_, arena);
    nn::detail::plan_product<S>(simd::Op::kTranspose, documents_, dim, queries, arena);
    return arena.peak();
  }

  const Encoder* encoder_;
  TrainingPlanOptions options_;
  nn::PlanningAllocator<B> allocator_;
  typename Encoder::template Parameters<nn::WeightLeaf<Planned>> parameters_;
  std::optional<nn::Adapter<Planned>> adapter_;
  Index query_tokens_ = 0;
  Index document_tokens_ = 0;
  Index documents_ = 0;
  Index batch_tokens_ = 0;
};

}  // namespace detail

/// Plans a run by running the encoder's own passes, forth and back, on a backend that computes nothing.
///
/// @tparam B          Cpu<float>, Cpu<double>
/// @tparam Optimizer  models optim::Optimizer
/// @throws ConfigError naming the option that is not at least 1, or a bad adapter
/// @note   takes memory neither for weights nor for activations. A bound for texts up to the given lengths: chunks are
///         taken to be as full as they may be. Grows with batch, lengths, chunk, threads and shards
template <class B = backend::Cpu<float>, class Optimizer = optim::AdamW, class Encoder>
[[nodiscard]] TrainingPlan plan_training(const Encoder& encoder, const TrainingPlanOptions& options) {
  return detail::TrainingPlanner<B, Optimizer, Encoder>(encoder, options).plan(options.cache);
}

/// Finds how a run fits into a number of bytes: with the chunk of the options or the largest half, quarter, ... of it
/// that leaves room, and with as much kept as there is room for, at most options.cache.keep_bytes.
///
/// @return  the plan; its `cache` is for TrainerOptions::cache
/// @throws  ConfigError if not even chunks of one text fit, naming the bytes that these take; otherwise as
/// plan_training
template <class B = backend::Cpu<float>, class Optimizer = optim::AdamW, class Encoder>
[[nodiscard]] TrainingPlan fit_training(const Encoder& encoder, const TrainingPlanOptions& options, std::size_t bytes) {
  const detail::TrainingPlanner<B, Optimizer, Encoder> planner(encoder, options);
  GradientCacheOptions cache = options.cache;
  cache.keep_bytes = 0;
  TrainingPlan plan = planner.plan(cache);
  while (plan.total() > bytes && cache.chunk_tokens > planner.longest_text()) {
    cache.chunk_tokens = std::max(cache.chunk_tokens / 2, planner.longest_text());
    plan = planner.plan(cache);
  }
  if (plan.total() > bytes) {
    throw ConfigError::invalid("train::fit_training",
                               "memory",
                               std::to_string(bytes) + " bytes",
                               "at least " + std::to_string(plan.total()) + " bytes, which chunks of " +
                                   std::to_string(planner.longest_text()) + " tokens take");
  }
  plan.cache.keep_bytes = std::min(bytes - plan.total(), options.cache.keep_bytes);
  plan.kept = std::min(plan.kept_wanted, plan.cache.keep_bytes);
  return plan;
}

/// Plans for what a model directory describes; see plan_training and fit_training.
///
/// @param lora   the adapter that is trained in the place of the weights; replaces options.adapter
/// @param bytes  what the run shall fit into, if there is a limit
/// @return       nothing for an architecture that no published family has
/// @throws       as plan_training, fit_training and model::lora_shapes
template <class B = backend::Cpu<float>>
[[nodiscard]] std::optional<TrainingPlan> plan_training(const model::EncoderDescription& description,
                                                        TrainingPlanOptions options,
                                                        const std::optional<model::LoraOptions>& lora = {},
                                                        std::optional<std::size_t> bytes = {}) {
  std::optional<TrainingPlan> plan;
  const auto try_encoder = [&]<class Encoder>(std::type_identity<Encoder>) {
    if (plan || Encoder::architecture() != description.family.architecture) {
      return;
    }
    const Encoder encoder(description.config, description.options);
    if (lora) {
      nn::PlanningAllocator<B> allocator;
      const auto parameters = encoder.allocate(allocator);
      options.adapter = model::lora_shapes(description.family, nn::adapter_targets(encoder, parameters), *lora);
      options.adapter_options = {.dropout = lora->dropout, .rank_stabilized = lora->rank_stabilized};
    }
    plan = bytes ? fit_training<B>(encoder, options, *bytes) : plan_training<B>(encoder, options);
  };
  try_encoder(std::type_identity<model::BertEncoder<>>());
  try_encoder(std::type_identity<model::Qwen3Encoder<>>());
  try_encoder(std::type_identity<model::BidirectionalQwen3Encoder<>>());
  try_encoder(std::type_identity<model::LlamaEncoder<>>());
  try_encoder(std::type_identity<model::BidirectionalLlamaEncoder<>>());
  return plan;
}

namespace detail {
[[nodiscard]] inline std::string mebibytes(std::size_t bytes) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes) / (1024.0 * 1024.0));
  return text;
}
}  // namespace detail

/// @return  the plan, a row for each use of memory and one for their sum
[[nodiscard]] inline eval::Table memory_table(const TrainingPlan& plan) {
  const auto number = [](auto value) { return std::to_string(value); };
  eval::Table table{.title = "Memory of a training run",
                    .columns = {"use", "of", "MiB"},
                    .text_columns = 2,
                    .note = "Cache options: chunk_tokens " + number(plan.cache.chunk_tokens) + ", shards " +
                            number(plan.cache.shards) + ", keep_bytes " + number(plan.cache.keep_bytes) + "."};
  const auto add = [&](const char* use, const std::string& of, std::size_t bytes) {
    table.rows.push_back({use, of, detail::mebibytes(bytes)});
  };
  add("weights", "values of every parameter", plan.weights);
  add("packed weights", "what products read", plan.packed);
  add("gradients",
      number(plan.parameters) + " numbers of " + number(plan.cache.shards) + " shards and the batch",
      plan.gradients);
  add("optimizer", "moments of " + number(plan.parameters) + " numbers", plan.optimizer);
  add("activations",
      "a chunk of " + number(plan.cache.chunk_tokens) + " tokens in each of " + number(plan.threads) + " threads",
      plan.activations);
  add("kept activations",
      number(plan.batch_tokens) + " tokens a batch, which take " + detail::mebibytes(plan.kept_wanted),
      plan.kept);
  add("batch", "tokens, embeddings, similarities", plan.batch);
  add("total", "", plan.total());
  return table;
}

}  // namespace reasonembed::train
