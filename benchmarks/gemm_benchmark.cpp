/// @file The packed product in one thread, in GFLOP/s, beside the peak of the same core and Eigen's product, all in one
/// run: machines are shared and noisy, so only ratios within a run mean something. docs/performance.md says more.
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 warns about its own AVX-512 header wherever Eigen uses it (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <reasonembed/core/int8.hpp>
#include <reasonembed/simd/gemm.hpp>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include "dot_peak.hpp"
#include "fma_peak.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>

namespace re = reasonembed;
namespace simd = re::simd;
using re::Arena;
using re::Index;
using re::Matrix;
using simd::Level;
using simd::Op;
using simd::Store;

namespace {

struct Shape {
  Index m = 0;
  Index n = 0;
  Index k = 0;
};

struct Layer {
  const char* name;
  Index n;
  Index k;
};
constexpr std::array<Layer, 6> kLayers{{{"minilm_attention", 384, 384},
                                        {"minilm_up", 1536, 384},
                                        {"minilm_down", 384, 1536},
                                        {"qwen3_square", 1024, 1024},
                                        {"qwen3_up", 3072, 1024},
                                        {"qwen3_down", 1024, 3072}}};
constexpr std::array<Index, 4> kTokens{16, 128, 512, 2048};

void count(benchmark::State& state, Shape shape) {
  const double operations = 2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) *
                            static_cast<double>(shape.k) * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsRate);
}

template <class T>
Matrix<T> random_matrix(Index rows, Index cols) {
  Matrix<T> matrix(rows, cols);
  std::mt19937 generator(1);
  std::uniform_real_distribution<T> uniform(T(-1), T(1));
  for (T& x : matrix.flat()) {
    x = uniform(generator);
  }
  return matrix;
}

#if defined(__x86_64__)
/// What one core can do at this level, at this moment.
void peak(benchmark::State& state, Level level) {
  constexpr std::int64_t kSteps = 100000;
  std::array<float, 25> out{};
  for (auto _ : state) {
    if (level == Level::kAvx512) {
      benchmarks::fma_steps_512(kSteps, out.data());
    } else {
      benchmarks::fma_steps_256(kSteps, out.data());
    }
    benchmark::DoNotOptimize(out);
  }
  count(state, {level == Level::kAvx512 ? 24 * 16 : 12 * 8, kSteps, 1});
}
/// The same with pairs of bf16 or with bytes.
void dot_peak(benchmark::State& state, bool bytes) {
  constexpr std::int64_t kSteps = 100000;
  for (auto _ : state) {
    bytes ? benchmarks::dot_steps_int8(kSteps) : benchmarks::dot_steps_bf16(kSteps);
  }
  count(state, {24 * 16 * (bytes ? 4 : 2), kSteps, 1});
}
#endif

/// @tparam W  what the weight is stored in; with Bf16Pair and int8 rows are rounded or quantised on the way
template <class T, class W = T>
void packed(benchmark::State& state, Shape shape, Level level) {
  const Matrix<T> x = random_matrix<T>(shape.m, shape.k);
  const Matrix<T> values = random_matrix<T>(shape.n, shape.k);
  using Stored = typename simd::PackedMatrix<W>::T;
  Matrix<Stored> stored(shape.n, shape.k);
  std::transform(
      values.flat().begin(), values.flat().end(), stored.flat().begin(), [](T value) { return Stored(value); });
  const simd::PackedMatrix<W> weight(re::MatrixView<const Stored>(stored.view()), level);
  Matrix<T> y(shape.m, shape.n);
  Arena scratch;
  for (auto _ : state) {
    simd::gemm(x.view(), weight.view(), y.view(), Store::kOverwrite, scratch);
    benchmark::DoNotOptimize(y.view().data());
    benchmark::ClobberMemory();
  }
  count(state, shape);
}

/// The product that a layer needs with both operands packed on the fly; `shape` is that of the product.
void on_the_fly(benchmark::State& state, Shape shape, Op op_a, Op op_b) {
  const bool a_none = op_a == Op::kNone;
  const bool b_none = op_b == Op::kNone;
  const Matrix<float> a = random_matrix<float>(a_none ? shape.m : shape.k, a_none ? shape.k : shape.m);
  const Matrix<float> b = random_matrix<float>(b_none ? shape.k : shape.n, b_none ? shape.n : shape.k);
  Matrix<float> c(shape.m, shape.n);
  Arena scratch;
  for (auto _ : state) {
    simd::gemm(op_a, a.view(), op_b, b.view(), c.view(), Store::kOverwrite, scratch);
    benchmark::DoNotOptimize(c.view().data());
    benchmark::ClobberMemory();
  }
  count(state, shape);
}

/// The peer: y = x weight^T as Eigen computes it, packing both operands every time.
void eigen(benchmark::State& state, Shape shape) {
  using Dense = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Dense x = Dense::Random(shape.m, shape.k);
  const Dense weight = Dense::Random(shape.n, shape.k);
  Dense y(shape.m, shape.n);
  for (auto _ : state) {
    y.noalias() = x * weight.transpose();
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  count(state, shape);
}

std::string name_of(const char* what, const char* layer, Shape shape) {
  return std::string(what) + "/" + layer + "/" + std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" +
         std::to_string(shape.k);
}

template <class Function, class... Arguments>
void add(const std::string& name, Function function, Arguments... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), function, arguments...)->Unit(benchmark::kMicrosecond);
}

void register_all() {
#if defined(__x86_64__)
  for (const Level level : {Level::kAvx2, Level::kAvx512}) {
    if (level <= simd::best_level()) {
      add(std::string("peak/") + simd::name_of(level), peak, level);
    }
  }
  if (simd::best_level() >= Level::kAvx512Bf16) {
    add("peak/vdpbf16ps", dot_peak, false);
    add("peak/vpdpbusd", dot_peak, true);
  }
#endif
  const Level best = simd::best_level();
  for (const Layer& layer : kLayers) {
    for (const Index tokens : kTokens) {
      const Shape forward{tokens, layer.n, layer.k};
      add(name_of("packed_f32", layer.name, forward), packed<float>, forward, best);
      add(name_of("packed_bf16", layer.name, forward), packed<float, re::bf16>, forward, best);
      add(name_of("packed_rounded", layer.name, forward), packed<float, simd::Bf16Pair>, forward, best);
      add(name_of("packed_int8", layer.name, forward), packed<float, re::int8>, forward, best);
      add(name_of("eigen_f32", layer.name, forward), eigen, forward);
    }
    const Shape forward{512, layer.n, layer.k};
    const Shape to_input{512, layer.k, layer.n};
    const Shape to_weight{layer.n, layer.k, 512};
    add(name_of("nt_f32", layer.name, forward), on_the_fly, forward, Op::kNone, Op::kTranspose);
    add(name_of("nn_f32", layer.name, to_input), on_the_fly, to_input, Op::kNone, Op::kNone);
    add(name_of("tn_f32", layer.name, to_weight), on_the_fly, to_weight, Op::kTranspose, Op::kNone);
    add(name_of("packed_f64", layer.name, forward), packed<double>, forward, best);
    for (const Level level : {Level::kPortable, Level::kAvx2}) {
      if (level < best) {
        add(name_of((std::string("packed_f32_") + simd::name_of(level)).c_str(), layer.name, forward),
            packed<float>,
            forward,
            level);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  simd::require_compiled_level();
  register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
