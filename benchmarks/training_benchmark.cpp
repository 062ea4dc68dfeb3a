/// @file Training steps per second: forward, loss, backward, clipping and AdamW, of all-MiniLM-L6-v2's shape with every
/// weight, and of four blocks of Qwen3-0.6B's with every weight and with an adapter.
#include <reasonembed/data/training_batch.hpp>
#include <reasonembed/loss/contrastive.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/train/trainer.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;

namespace {

using Float = re::backend::Cpu<float>;
using Rounded = re::backend::Cpu<float, re::bf16>;
using Frozen = re::backend::Cpu<re::bf16, re::bf16>;
using Loss = re::loss::Contrastive<re::loss::Uniform>;

template <class B>
auto minilm_shape(int threads) {
  re::model::BertEncoder<> encoder(re::model::kMiniLmL6, {.norm_eps = 1e-12, .dropout = 0.1});
  auto weights = re::model::random_weights<B>(encoder, 1);
  return re::model::TextEncoder<re::model::BertEncoder<>, B>(
      std::move(encoder), std::move(weights), re::text::ByteTokenizer(), {}, {}, {.threads = threads});
}

/// With the vocabulary of bytes: the optimiser's way through a table of 152 thousand rows is another matter.
template <class B>
auto qwen3_shape(int threads) {
  re::nn::EncoderConfig config = re::model::kQwen3_0_6B;
  config.layers = 4;
  config.vocab = 258;
  re::model::Qwen3Encoder<> encoder(config, {.norm_eps = 1e-6, .rope_theta = 1e6});
  auto weights = re::model::random_weights<B>(encoder, 1, 0.02, re::model::Residency::kServe);
  return re::model::TextEncoder<re::model::Qwen3Encoder<>, B>(
      std::move(encoder), std::move(weights), re::text::ByteTokenizer(), {}, {}, {.threads = threads});
}

/// Queries with one document each, of the given tokens: a byte is one, and the end of a text another.
struct Batch {
  std::vector<std::string> texts;
  re::data::TrainingBatch batch;

  explicit Batch(const std::vector<std::size_t>& tokens) {
    for (const std::size_t count : tokens) {
      texts.emplace_back(count - 1, static_cast<char>('a' + texts.size() % 26));
    }
    batch.group_size = 1;
    for (std::size_t i = 0; i + 1 < texts.size(); i += 2) {
      batch.rows.push_back(static_cast<re::Index>(i / 2));
      batch.queries.push_back(texts[i]);
      batch.reasoning.emplace_back();
      batch.documents.push_back(texts[i + 1]);
    }
  }
};

template <class Model>
void run(benchmark::State& state,
         Model model,
         const std::vector<std::size_t>& tokens,
         bool keep,
         const std::string& adapter = {}) {
  const Batch texts(tokens);
  re::train::Trainer<Model, Loss> trainer(
      std::move(model),
      {.cache = {.keep_bytes = keep ? std::numeric_limits<std::size_t>::max() : 0}, .adapter = adapter});
  trainer.begin(std::numeric_limits<std::int64_t>::max());
  re::Index seen = 0;
  for (int i = 0; i < 3; ++i) {
    (void)trainer.step(texts.batch);  // memory grows to its size: what is kept is known after the first step
  }
  for (auto _ : state) {
    seen += trainer.step(texts.batch).tokens;
  }
  const double total = static_cast<double>(state.iterations());
  state.counters["texts/s"] =
      benchmark::Counter(total * static_cast<double>(texts.texts.size()), benchmark::Counter::kIsRate);
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(seen), benchmark::Counter::kIsRate);
}

/// 32 texts of 128 tokens, activations kept between the passes or computed twice.
template <class B>
void train_equal_lengths(benchmark::State& state) {
  run(state, minilm_shape<B>(static_cast<int>(state.range(0))), std::vector<std::size_t>(32, 128), state.range(1) != 0);
}

/// 64 texts whose lengths are as mixed as in real corpora, 2 to 255 tokens.
template <class B>
void train_mixed_lengths(benchmark::State& state) {
  re::RandomStream random(1);
  std::vector<std::size_t> tokens;
  for (int i = 0; i < 64; ++i) {
    tokens.push_back(2 + random.below(1 + random.below(254)));
  }
  run(state, minilm_shape<B>(static_cast<int>(state.range(0))), tokens, true);
}

/// 32 texts of 128 tokens through four blocks of Qwen3-0.6B.
template <class B>
void train_qwen3(benchmark::State& state) {
  run(state, qwen3_shape<B>(static_cast<int>(state.range(0))), std::vector<std::size_t>(32, 128), true);
}

/// The same, where adapters of rank 16 on every projection are all that learns.
template <class B>
void train_qwen3_adapter(benchmark::State& state) {
  auto model = qwen3_shape<B>(static_cast<int>(state.range(0)));
  model.add_adapter("trained", {.rank = 16, .alpha = 32.0});
  run(state, std::move(model), std::vector<std::size_t>(32, 128), true, "trained");
}

}  // namespace

BENCHMARK_TEMPLATE(train_equal_lengths, Float)
    ->ArgNames({"threads", "keep"})
    ->ArgsProduct({{1, 2}, {0, 1}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(train_equal_lengths, Rounded)
    ->ArgNames({"threads", "keep"})
    ->ArgsProduct({{1, 2}, {0, 1}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(train_mixed_lengths, Float)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(train_mixed_lengths, Rounded)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(train_qwen3, Rounded)->ArgName("threads")->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(train_qwen3_adapter, Frozen)
    ->ArgName("threads")
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
