/// @file Attention over packed sequences at the shapes of MiniLM and Qwen3-0.6B. The argument is the tokens of a
/// sequence; the batch has 2048 tokens. A causal product counts its lower triangle alone.
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/simd/attention.hpp>
#include <reasonembed/simd/attention_vjp.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace re = reasonembed;
namespace simd = reasonembed::simd;
using re::Index;
using re::MatrixView;

namespace {

constexpr Index kTokens = 2048;
constexpr simd::AttentionShape kMiniLm{.heads = 12, .kv_heads = 12, .head_dim = 32, .causal = false};
constexpr simd::AttentionShape kQwen3{.heads = 16, .kv_heads = 8, .head_dim = 128, .causal = true};

struct Problem {
  simd::AttentionShape shape;
  std::vector<std::int32_t> offsets{0};
  re::Matrix<float> qkv;
  re::Matrix<float> out;
  re::Matrix<float> d_out;
  re::Matrix<float> d_qkv;
  std::vector<float> log_sum_exp;
  re::Arena arena;
  float scale;

  Problem(const simd::AttentionShape& of, Index length)
      : shape(of),
        qkv(kTokens, (of.heads + 2 * of.kv_heads) * of.head_dim),
        out(kTokens, of.heads * of.head_dim),
        d_out(kTokens, of.heads * of.head_dim),
        d_qkv(kTokens, qkv.cols()),
        log_sum_exp(static_cast<std::size_t>(kTokens * of.heads)),
        scale(1.0F / std::sqrt(static_cast<float>(of.head_dim))) {
    re::RandomStream random(1);
    for (float& value : qkv.flat()) {
      value = static_cast<float>(random.normal());
    }
    for (float& value : d_out.flat()) {
      value = static_cast<float>(random.normal());
    }
    while (offsets.back() < kTokens) {
      offsets.push_back(offsets.back() + static_cast<std::int32_t>(length));
    }
  }
  [[nodiscard]] Index keys() const { return shape.kv_heads * shape.head_dim; }
  [[nodiscard]] MatrixView<const float> q() const { return qkv.view().col_block(0, out.cols()); }
  [[nodiscard]] MatrixView<const float> k() const { return qkv.view().col_block(out.cols(), keys()); }
  [[nodiscard]] MatrixView<const float> v() const { return qkv.view().col_block(out.cols() + keys(), keys()); }

  void forward() {
    simd::attention(shape, q(), k(), v(), offsets, scale, out.view(), std::span<float>(log_sum_exp), arena);
  }
  void backward() {
    simd::attention_vjp(shape,
                        q(),
                        k(),
                        v(),
                        offsets,
                        scale,
                        out.view(),
                        log_sum_exp,
                        d_out.view(),
                        d_qkv.view().col_block(0, out.cols()),
                        d_qkv.view().col_block(out.cols(), keys()),
                        d_qkv.view().col_block(out.cols() + keys(), keys()),
                        arena);
  }
  /// @param products  matrix products a pair of tokens takes part in: 2 forward, 5 backward
  void report(benchmark::State& state, double products) const {
    const auto length = static_cast<double>(state.range(0));
    const double pairs = shape.causal ? (length + 1) / 2 : length;  // for each token
    const double operations = 2 * products * pairs * static_cast<double>(kTokens * out.cols());
    state.counters["GFLOP/s"] =
        benchmark::Counter(operations * static_cast<double>(state.iterations()) * 1e-9, benchmark::Counter::kIsRate);
    state.SetItemsProcessed(state.iterations() * kTokens);
  }
};

void attention(benchmark::State& state, const simd::AttentionShape& shape) {
  Problem problem(shape, state.range(0));
  for (auto _ : state) {
    problem.forward();
    benchmark::ClobberMemory();
  }
  problem.report(state, 2);
}

void attention_vjp(benchmark::State& state, const simd::AttentionShape& shape) {
  Problem problem(shape, state.range(0));
  problem.forward();
  for (auto _ : state) {
    problem.backward();
    benchmark::ClobberMemory();
  }
  problem.report(state, 5);
}

}  // namespace

BENCHMARK_CAPTURE(attention, minilm, kMiniLm)->RangeMultiplier(2)->Range(32, 512)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(attention, qwen3, kQwen3)->RangeMultiplier(2)->Range(32, 512)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(attention_vjp, minilm, kMiniLm)->RangeMultiplier(4)->Range(32, 512)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(attention_vjp, qwen3, kQwen3)->RangeMultiplier(4)->Range(32, 512)->Unit(benchmark::kMillisecond);
