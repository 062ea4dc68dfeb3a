#include <reasonembed/model/registry.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/train/parameter_gradients.hpp>
#include <reasonembed/train/training_plan.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::train::fit_training;
using re::train::plan_training;
using re::train::TrainingPlan;
using re::train::TrainingPlanOptions;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;
using Bert = re::model::BertEncoder<>;
using Qwen3 = re::model::Qwen3Encoder<>;

namespace {

constexpr re::nn::EncoderConfig kSizes{
    .vocab = 300, .dim = 48, .layers = 3, .heads = 4, .kv_heads = 2, .head_dim = 20, .mlp_dim = 130, .max_length = 400};

re::nn::EncoderConfig bert_sizes() {
  re::nn::EncoderConfig sizes = kSizes;
  sizes.kv_heads = 4;
  sizes.type_vocab = 2;
  sizes.qkv_bias = true;
  sizes.linear_bias = true;
  return sizes;
}

/// Rank 4 on every second projection of a block.
template <class Encoder, class B>
std::vector<re::nn::AdapterShape> some_projections(const Encoder& encoder) {
  const auto weights = re::model::random_weights<B>(encoder, 1);
  std::vector<re::nn::AdapterShape> shapes;
  Index number = 0;
  for (const re::nn::AdapterTarget& target : re::nn::adapter_targets(encoder, weights)) {
    if (number++ % 2 == 0) {
      shapes.push_back({target, 4, 8.0});
    }
  }
  return shapes;
}

/// What arenas take when the real backend does what a run does with one chunk of `texts` texts of `length` tokens.
template <class B, class Encoder>
class RealChunk {
 public:
  using S = typename B::Scalar;
  RealChunk(const Encoder& encoder, const TrainingPlanOptions& options, Index texts, Index length)
      : encoder_(encoder), weights_(re::model::random_weights<B>(encoder, 1)), tokens_(texts * length, 7) {
    if (!options.adapter.empty()) {
      adapter_.emplace(options.adapter, options.adapter_options);
      adapter_->initialize(3);
    }
    for (Index i = 0; i <= texts; ++i) {
      offsets_.push_back(static_cast<std::int32_t>(i * length));
    }
    run();
  }
  std::size_t serving = 0;
  std::size_t kept = 0;
  std::size_t both = 0;

 private:
  re::nn::Context<B> context(re::Arena& arena) {
    return {.arena = arena,
            .batch = {.tokens = tokens_, .offsets = offsets_},
            .dropout = {.training = true},
            .adapter = adapter_ ? &*adapter_ : nullptr};
  }
  void run() {
    const auto texts = static_cast<Index>(offsets_.size()) - 1;
    re::Matrix<S> embeddings(texts, encoder_.dim());
    re::nn::Nothing nothing;
    re::Arena first;
    auto serve = context(first);
    encoder_.forward(serve, weights_, embeddings.view(), nothing);
    serving = first.peak();
    re::Arena second;
    auto keep = context(second);
    typename Encoder::template Saved<B> saved;
    encoder_.forward(keep, weights_, embeddings.view(), saved);
    kept = second.peak();
    re::Arena third;
    auto replay = context(third);
    const auto rows = third.matrix<S>(texts, encoder_.dim());
    encoder_.forward(replay, weights_, rows, saved);
    const re::nn::Adapter<B>* adapter = adapter_ ? &*adapter_ : nullptr;
    using Gradients = re::train::ParameterGradients<Encoder, B>;
    std::vector<S> flat(static_cast<std::size_t>(Gradients::parameter_count(encoder_, weights_, adapter)));
    Gradients gradients(encoder_, adapter, flat);
    replay.adapter_gradients = &gradients.adapter();
    encoder_.vjp(replay, weights_, saved, re::MatrixView<const S>(rows), gradients.weights());
    both = third.peak();
  }

  const Encoder& encoder_;
  typename Encoder::template Parameters<re::nn::WeightLeaf<B>> weights_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::int32_t> offsets_;
  std::optional<re::nn::Adapter<B>> adapter_;
};

/// A batch of 4 queries and 12 documents of the given length.
TrainingPlanOptions batch_of(Index length, Index chunk_tokens) {
  return {.cache = {.chunk_tokens = chunk_tokens},
          .batch_size = 4,
          .group_size = 3,
          .query_tokens = length,
          .document_tokens = length};
}

}  // namespace

TEST_SUITE("train/training_plan") {
  TEST_CASE_TEMPLATE("plan_training: is what a chunk takes forth and back, to the byte", B, Cpu32, Cpu64) {
    const auto check = [](const auto& encoder, const TrainingPlanOptions& options, Index texts, Index length) {
      CAPTURE(texts);
      CAPTURE(length);
      const TrainingPlan plan = plan_training<B>(encoder, options);
      const RealChunk<B, std::remove_cvref_t<decltype(encoder)>> real(encoder, options, texts, length);
      CHECK(plan.activations == std::max(real.both, real.serving));
      CHECK(plan.kept_wanted == 16 / texts * real.kept);
      CHECK(plan.kept == plan.kept_wanted);
    };
    const auto check_all = [&](const auto& encoder) {
      TrainingPlanOptions adapted = batch_of(32, 128);
      adapted.adapter = some_projections<std::remove_cvref_t<decltype(encoder)>, B>(encoder);
      for (const double dropout : {0.0, 0.1}) {
        adapted.adapter_options.dropout = dropout;
        check(encoder, adapted, 4, 32);
      }
      check(encoder, batch_of(32, 128), 4, 32);
      check(encoder, batch_of(400, 1), 1, 400);  // a longer text is a chunk of its own
      check(encoder, batch_of(1, 2), 2, 1);
      check(encoder, batch_of(5, 1000), 16, 5);  // the whole batch is smaller than a chunk
    };
    check_all(Qwen3(kSizes));
    check_all(Qwen3(kSizes, {.dropout = 0.1}));
    check_all(Bert(bert_sizes(), {.dropout = 0.1}));
  }
}
