#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_batch.hpp>
#include <reasonembed/loss/batch_loss.hpp>
#include <reasonembed/loss/contrastive.hpp>
#include <reasonembed/model/encode_workspace.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/text/tokenizer.hpp>
#include <reasonembed/train/gradient_cache.hpp>
#include <reasonembed/train/parameter_gradients.hpp>
#include <reasonembed/train/trainable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// How the texts of a batch are encoded to learn from them.
struct ContrastiveGradientOptions {
  Index query_tokens = 512;     ///< longest query and reasoning query, special tokens included; >= 1
  Index document_tokens = 512;  ///< longest document; both are cut to what the model's role allows
  bool dropout = true;          ///< false trains without it, whatever the model's configuration says
  std::uint64_t seed = 42;      ///< of the dropout masks
  std::string adapter = {};     ///< name of the model's adapter to be trained; empty: every weight is trained
  GradientCacheOptions cache = {};

  friend bool operator==(const ContrastiveGradientOptions&, const ContrastiveGradientOptions&) = default;
};

/// What one batch gave, beside its gradient.
struct BatchEvaluation {
  loss::ContrastiveResult loss = {};  ///< spans live until the next evaluation
  bool measured = false;              ///< whether reasoning queries were encoded
  Index texts = 0;                    ///< queries, documents, and reasoning queries if they were encoded
  Index tokens = 0;                   ///< of these, special tokens included: there is no padding to count
  Index truncated = 0;                ///< texts whose end had no place
};

/// The loss of a batch of texts and its gradient by every parameter that is trained: of a model, or of one adapter of
/// it.
///
///   theta -> E = encoder(queries, documents) -> loss(E, E')   with E' = encoder(reasoning queries), a constant
///
/// Texts are encoded as `encode_query` and `encode_document` encode them, so the vectors trained are the vectors used.
/// Reasoning queries are encoded with the current weights, only at steps whose loss asks for them, without gradient.
///
/// @tparam Model  models Trainable
/// @tparam Loss   models loss::BatchLoss
/// @note  a function of weights, batch, step and options: bit-identical for every number of threads. Memory: see
///        GradientCache, and (B G + 2 B) embeddings. Neither copied nor moved: it refers to the model
template <Trainable Model, loss::BatchLoss Loss>
class ContrastiveGradient {
 public:
  using Scalar = typename Model::Backend::Scalar;
  using Options = ContrastiveGradientOptions;
  using Slices = std::vector<nn::ParameterSlice<Scalar>>;

  /// @param model  trainable, and in its place as long as this lives
  /// @throws       ConfigError if an option is out of range, the model's weights can't be differentiated, or the model
  ///               has no such adapter
  ContrastiveGradient(const Model& model, Loss loss, Options options = {})
      : model_(&model),
        loss_(std::move(loss)),
        options_(std::move(options)),
        query_(cut(model.query_role(), "query_tokens", options_.query_tokens)),
        document_(cut(model.document_role(), "document_tokens", options_.document_tokens)),
        adapter_(find_adapter(model, options_.adapter)),
        cache_(model.encoder(), model.weights(), model.pool(), options_.cache, adapter_),
        gradient_(cache_.parameter_count()) {
    Gradients views(model.encoder(), adapter_, gradient_.span());
    views.visit(model.encoder(), adapter_, [&](const nn::ParameterSlice<Scalar>& slice) { slices_.push_back(slice); });
  }
  ContrastiveGradient(const ContrastiveGradient&) = delete;
  ContrastiveGradient& operator=(const ContrastiveGradient&) = delete;
  ContrastiveGradient(ContrastiveGradient&&) = delete;
  ContrastiveGradient& operator=(ContrastiveGradient&&) = delete;
  ~ContrastiveGradient() = default;

  [[nodiscard]] const Loss& loss() const { return loss_; }
  /// @return  (P) dloss/dtheta of the last batch, all trained parameters end to end
  [[nodiscard]] std::span<Scalar> gradient() { return gradient_.span(); }
  /// @return  the same by name, in the order in which the encoder visits its parameters
  [[nodiscard]] const Slices& slices() const { return slices_; }

  /// @param step  optimiser steps taken so far, >= 0
  /// @throws      ShapeError for a batch without queries; DataError naming the text that is not UTF-8; NonFiniteError
  ///              naming the query whose embedding or loss is no number. The gradient is then unspecified
  BatchEvaluation evaluate(const data::TrainingBatch& batch, std::int64_t step) {
    arena_.rewind({});
    BatchEvaluation found;
    found.measured = loss_.needs_reasoning(step) && batch.reasoning_count > 0;
    const Index queries = batch.size();
    const auto documents = static_cast<Index>(batch.documents.size());
    tokenize(batch, found);
    const nn::DropoutState dropout = masks(step, 0);
    const MatrixView<Scalar> embeddings = matrix(queries + documents);    // (B + B G, D)
    const MatrixView<Scalar> d_embeddings = matrix(queries + documents);  // (B + B G, D)
    cache_.forward(texts_, dropout, embeddings);
    const loss::ReasoningQueries<Scalar> reasoning = embed_reasoning(batch, step, found);
    found.loss = loss_.evaluate(MatrixView<const Scalar>(embeddings.row_block(0, queries)),
                                MatrixView<const Scalar>(embeddings.row_block(queries, documents)),
                                reasoning,
                                step,
                                d_embeddings.row_block(0, queries),
                                d_embeddings.row_block(queries, documents),
                                arena_);
    cache_.backward(texts_, dropout, MatrixView<const Scalar>(d_embeddings), gradient_.span());
    return found;
  }

 private:
  using Backend = typename Model::Backend;
  using Gradients = ParameterGradients<typename Model::Description, Backend>;

  static const nn::Adapter<Backend>* find_adapter(const Model& model, const std::string& name) {
    if (name.empty()) {
      return nullptr;
    }
    if constexpr (HasAdapters<Model>) {
      return &model.adapter(name);
    } else {
      throw ConfigError::invalid(
          "train::ContrastiveGradient", "adapter", name, "none, for this type of model has none");
    }
  }
  static model::Role cut(model::Role role, const char* option, Index tokens) {
    if (tokens < 1) {
      throw ConfigError::invalid("train::ContrastiveGradient", option, std::to_string(tokens), "at least 1");
    }
    role.max_tokens = std::min(role.max_tokens, tokens);
    return role;
  }

  MatrixView<Scalar> matrix(Index rows) { return arena_.matrix<Scalar>(rows, model_->encoder().dim()); }

  /// Masks are a function of (seed, step), so a resumed run draws those of the uninterrupted one.
  [[nodiscard]] nn::DropoutState masks(std::int64_t step, std::uint64_t pass) const {
    constexpr std::uint64_t kPurpose = 0x44726F706F757400ULL;  // away from other draws of the same seed
    RandomStream random(options_.seed ^ kPurpose, 2 * static_cast<std::uint64_t>(step) + pass);
    return {.training = options_.dropout, .seed = random.next_u64()};
  }

  static void clear(text::TokenizedTexts& texts) {
    texts.ids.clear();
    texts.offsets.assign(1, 0);
    texts.truncated.clear();
  }
  void tokenize(const data::TrainingBatch& batch, BatchEvaluation& found) {
    clear(texts_);
    clear(reasoning_);
    block_.ids.clear();  // a text that was refused has left those before it here
    for (std::size_t i = 0; i < batch.queries.size(); ++i) {
      add(query_, batch.queries[i], "query", i, texts_, found);
    }
    for (std::size_t i = 0; i < batch.documents.size(); ++i) {
      add(document_, batch.documents[i], "document", i, texts_, found);
    }
    for (std::size_t i = 0; found.measured && i < batch.reasoning.size(); ++i) {
      if (!batch.reasoning[i].empty()) {
        add(query_, batch.reasoning[i], "reasoning query", i, reasoning_, found);
      }
    }
  }
  void add(const model::Role& role,
           std::string_view text,
           const char* what,
           std::size_t number,
           text::TokenizedTexts& texts,
           BatchEvaluation& found) {
    std::swap(block_.ids, texts.ids);
    try {
      const text::Encoding encoding = model_->tokenize(role, text, block_);
      texts.truncated.push_back(encoding.truncated);
      found.tokens += encoding.tokens;
      found.truncated += encoding.truncated > 0 ? 1 : 0;
      ++found.texts;
    } catch (const DataError& error) {
      throw DataError("train::ContrastiveGradient::evaluate: " + std::string(what) + " " + std::to_string(number) +
                      " of the batch: " + error.what());
    }
    std::swap(block_.ids, texts.ids);
    if (texts.ids.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw DataError::invalid("train::ContrastiveGradient::evaluate",
                               "number of tokens of the batch",
                               std::to_string(texts.ids.size()),
                               "at most 2147483647");
    }
    texts.offsets.push_back(static_cast<std::int32_t>(texts.ids.size()));
  }

  /// Embeds the reasoning queries there are, and puts each in the row of its query.
  loss::ReasoningQueries<Scalar> embed_reasoning(const data::TrainingBatch& batch,
                                                 std::int64_t step,
                                                 const BatchEvaluation& found) {
    const std::span<std::uint8_t> has = arena_.allocate<std::uint8_t>(batch.size());
    std::fill(has.begin(), has.end(), std::uint8_t{0});
    if (!found.measured) {
      return {{}, has};
    }
    const MatrixView<Scalar> packed = matrix(batch.reasoning_count);  // (known, D)
    const MatrixView<Scalar> rows = matrix(batch.size());             // (B, D)
    cache_.embed(reasoning_, masks(step, 1), packed);
    Index next = 0;
    for (Index query = 0; query < batch.size(); ++query) {
      if (batch.has_reasoning(query)) {
        const auto row = packed.row(next++);
        std::copy(row.begin(), row.end(), rows.row(query).begin());
        has[static_cast<std::size_t>(query)] = 1;
      }
    }
    return {rows, has};
  }

  const Model* model_;
  Loss loss_;
  Options options_;
  model::Role query_;
  model::Role document_;
  const nn::Adapter<Backend>* adapter_;
  GradientCache<typename Model::Description, Backend> cache_;
  AlignedBuffer<Scalar> gradient_;  // (P)
  Slices slices_;
  Arena arena_;
  model::TokenBlock block_;
  text::TokenizedTexts texts_;      // queries, then documents
  text::TokenizedTexts reasoning_;  // of the queries that have one
};

}  // namespace reasonembed::train
