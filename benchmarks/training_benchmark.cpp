/// @file Training steps per second of all-MiniLM-L6-v2's shape: forward, loss, backward, clipping and AdamW, every
/// weight.
#include <reasonembed/data/training_batch.hpp>
#include <reasonembed/loss/contrastive.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/train/trainer.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;

namespace {

using Trainer = re::train::Trainer<re::model::MiniLm, re::loss::Contrastive<re::loss::Uniform>>;

re::model::MiniLm minilm_shape(int threads) {
  re::model::BertEncoder<> encoder(re::model::kMiniLmL6, {.norm_eps = 1e-12, .dropout = 0.1});
  auto weights = re::model::random_weights<re::backend::Cpu<float>>(encoder, 1);
  return {std::move(encoder), std::move(weights), re::text::ByteTokenizer(), {}, {}, {.threads = threads}};
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

void run(benchmark::State& state, const std::vector<std::size_t>& tokens, int threads, bool keep) {
  const Batch texts(tokens);
  Trainer trainer(minilm_shape(threads), {.cache = {.keep_bytes = keep ? std::numeric_limits<std::size_t>::max() : 0}});
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
void train_equal_lengths(benchmark::State& state) {
  run(state, std::vector<std::size_t>(32, 128), static_cast<int>(state.range(0)), state.range(1) != 0);
}

/// 64 texts whose lengths are as mixed as in real corpora, 2 to 255 tokens.
void train_mixed_lengths(benchmark::State& state) {
  re::RandomStream random(1);
  std::vector<std::size_t> tokens;
  for (int i = 0; i < 64; ++i) {
    tokens.push_back(2 + random.below(1 + random.below(254)));
  }
  run(state, tokens, static_cast<int>(state.range(0)), true);
}

}  // namespace

BENCHMARK(train_equal_lengths)
    ->ArgNames({"threads", "keep"})
    ->ArgsProduct({{1, 2}, {0, 1}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(train_mixed_lengths)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
