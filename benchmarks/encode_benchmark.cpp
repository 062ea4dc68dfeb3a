/// @file Texts per second of a whole encoder: the shape of all-MiniLM-L6-v2 with random weights, so that no download is
/// needed (the time of a product does not depend on its numbers), and the real model on a real corpus.
#include <reasonembed/data/corpus.hpp>
#include <reasonembed/model/minilm.hpp>

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace re = reasonembed;

namespace {

re::model::MiniLm minilm_shape(int threads) {
  re::model::BertEncoder<> encoder(re::model::kMiniLmL6, {.norm_eps = 1e-12});
  auto weights = re::model::random_weights<re::backend::Cpu<float>>(encoder, 1, 0.02, re::model::Residency::kServe);
  return {std::move(encoder), std::move(weights), re::text::ByteTokenizer(), {}, {}, {.threads = threads}};
}

/// Multiplications and additions of one text of T tokens through MiniLM-L6, products and attention alone.
double operations(double tokens) {
  return 6 * tokens * (2.0 * (4 * 384 * 384 + 2 * 384 * 1536) + 4.0 * tokens * 384);
}

void report(benchmark::State& state, std::size_t texts, double flops) {
  const double total = static_cast<double>(state.iterations()) * static_cast<double>(texts);
  state.counters["texts/s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * flops * 1e-9, benchmark::Counter::kIsRate);
}

/// Equal lengths: what the kernels reach.
void encode_equal_lengths(benchmark::State& state) {
  const auto tokens = static_cast<std::size_t>(state.range(0));
  const auto encoder = minilm_shape(static_cast<int>(state.range(1)));
  const std::vector<std::string> texts(std::max<std::size_t>(1, 8192 / tokens), std::string(tokens - 1, 'a'));
  re::Matrix<float> out(static_cast<re::Index>(texts.size()), encoder.dim());
  for (auto _ : state) {
    encoder.encode(encoder.document_role(), texts, out.view());
  }
  report(state, texts.size(), operations(static_cast<double>(tokens)) * static_cast<double>(texts.size()));
}

/// Lengths as in real corpora (1 to 256 tokens, most of them short): what a padded batch would waste.
void encode_mixed_lengths(benchmark::State& state) {
  const auto encoder = minilm_shape(static_cast<int>(state.range(0)));
  re::RandomStream random(1);
  std::vector<std::string> texts;
  double flops = 0.0;
  for (int i = 0; i < 256; ++i) {
    const auto tokens = 2 + random.below(1 + random.below(254));
    texts.emplace_back(tokens - 1, 'a');
    flops += operations(static_cast<double>(tokens));
  }
  re::Matrix<float> out(static_cast<re::Index>(texts.size()), encoder.dim());
  for (auto _ : state) {
    encoder.encode(encoder.document_role(), texts, out.view());
  }
  report(state, texts.size(), flops);
}

/// One short text alone: the latency of a query.
void encode_one_query(benchmark::State& state) {
  const auto encoder = minilm_shape(1);
  const std::vector<std::string> text = {std::string(15, 'a')};
  re::Matrix<float> out(1, encoder.dim());
  for (auto _ : state) {
    encoder.encode(encoder.query_role(), text, out.view());
  }
  report(state, 1, operations(16));
}

/// The pretrained model on $REASONEMBED_BENCHMARK_CORPUS (a corpus.jsonl), tokenizer included: what compare_encode.py
/// holds against sentence-transformers.
void encode_corpus(benchmark::State& state) {
  const auto directory = re::model::find_minilm();
  const char* corpus_file = std::getenv("REASONEMBED_BENCHMARK_CORPUS");
  if (!directory || corpus_file == nullptr) {
    state.SkipWithError("needs all-MiniLM-L6-v2 and REASONEMBED_BENCHMARK_CORPUS");
    return;
  }
  std::vector<std::string> notes;
  const re::data::Corpus corpus = re::data::read_corpus(corpus_file, notes);
  const auto encoder = re::model::MiniLm::load(*directory, {.threads = static_cast<int>(state.range(0))});
  re::Matrix<float> out(corpus.size(), encoder.dim());
  for (auto _ : state) {
    encoder.encode(encoder.document_role(), corpus.texts(), out.view());
  }
  report(state, corpus.texts().size(), 0.0);
}

}  // namespace

BENCHMARK(encode_corpus)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(encode_equal_lengths)
    ->ArgNames({"tokens", "threads"})
    ->ArgsProduct({{16, 128, 512}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(encode_mixed_lengths)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(encode_one_query)->UseRealTime()->Unit(benchmark::kMillisecond);
