/// @file What it saves that the last block serves pooled tokens alone: the shape of Qwen3-0.6B with a few layers,
/// pooled by the last token, beside the same with a pooling that does not say which rows it reads.
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/weights.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

namespace re = reasonembed;
using B = re::backend::Cpu<re::bf16, re::bf16>;

namespace {

struct WholeLastToken {
  static constexpr const char* name = "lasttoken";
  template <class Backend>
  void pool(re::nn::Context<Backend>& context,
            re::MatrixView<const typename Backend::Scalar> x,
            re::MatrixView<typename Backend::Scalar> y) const {
    re::nn::LastToken().pool(context, x, y);
  }
  template <class Backend>
  void pool_vjp(re::nn::Context<Backend>& context,
                re::MatrixView<const typename Backend::Scalar> dy,
                re::MatrixView<typename Backend::Scalar> dx) const {
    re::nn::LastToken().pool_vjp(context, dy, dx);
  }
};

/// 2,048 tokens in texts of one length, on one thread.
template <class Pool>
void encode_layers(benchmark::State& state) {
  re::nn::EncoderConfig config = re::model::kQwen3_0_6B;
  config.layers = static_cast<int>(state.range(0));
  config.vocab = 1000;
  const auto length = static_cast<std::int32_t>(state.range(1));
  const re::model::Qwen3Encoder<re::nn::kDynamic, Pool> encoder(config);
  const auto weights = re::model::random_weights<B>(encoder, 1, 0.02, re::model::Residency::kServe);
  std::vector<std::int32_t> tokens(2048);
  std::vector<std::int32_t> offsets;
  for (std::int32_t t = 0; t < 2048; ++t) {
    tokens[static_cast<std::size_t>(t)] = t % 997;
  }
  for (std::int32_t first = 0; first <= 2048; first += length) {
    offsets.push_back(first);
  }
  re::Matrix<float> embeddings(static_cast<re::Index>(offsets.size()) - 1, encoder.dim());
  re::Arena arena;
  const auto encode = [&] {
    re::nn::Context<B> context{.arena = arena, .batch = {tokens, offsets}};
    re::nn::Nothing nothing;
    encoder.forward(context, weights, embeddings.view(), nothing);
  };
  encode();  // the arena has its pages from here on
  for (auto _ : state) {
    encode();
  }
  state.counters["tokens/s"] =
      benchmark::Counter(2048.0 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void arguments(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"layers", "tokens"})->ArgsProduct({{1, 2, 4}, {128, 512}})->UseRealTime();
  benchmark->Unit(benchmark::kMillisecond);
}

}  // namespace

BENCHMARK(encode_layers<WholeLastToken>)->Apply(arguments);
BENCHMARK(encode_layers<re::nn::LastToken>)->Apply(arguments);
