// What PyTorch computes for InfoNCE, Redapter and AdamW, made by contrastive.py. Pinned, because a definition that is
// misread passes every gradient check. May change only with the generator.
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/loss/contrastive.hpp>
#include <reasonembed/optim/adamw.hpp>
#include <reasonembed/optim/clip_gradient_norm.hpp>
#include <reasonembed/optim/schedule.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;

namespace {

const re::io::SafeTensors& losses_file() {
  static const auto file = re::io::SafeTensors::open(test::source_path("tests/golden/contrastive/loss.safetensors"));
  return file;
}
const re::io::SafeTensors& optimizer_file() {
  static const auto file =
      re::io::SafeTensors::open(test::source_path("tests/golden/contrastive/optimizer.safetensors"));
  return file;
}

template <class T>
Matrix<T> read(const re::io::SafeTensors& file, const std::string& name) {
  const auto& shape = file.tensor(name).shape;
  Matrix<T> values(shape.size() == 1 ? 1 : shape[0], shape.back());
  file.read(name, values.view());
  return values;
}

template <class T>
double norm_of(const Matrix<T>& x) {
  double sum = 0.0;
  for (const T value : x.flat()) {
    sum += static_cast<double>(value) * static_cast<double>(value);
  }
  return std::sqrt(sum);
}
template <class T>
double distance(const Matrix<T>& a, const Matrix<T>& b) {
  Matrix<double> difference(a.rows(), a.cols());
  for (std::size_t i = 0; i < a.flat().size(); ++i) {
    difference.flat()[i] = static_cast<double>(a.flat()[i]) - static_cast<double>(b.flat()[i]);
  }
  return norm_of(difference);
}

template <class T>
const std::string kDtype = std::same_as<T, float> ? "f32" : "f64";

/// PyTorch subtracts s / tau, at most 50, from a log-sum-exp of that size: its losses carry a few roundings of 50.
template <class T>
constexpr double kLossTolerance = 50.0 * 8.0 * static_cast<double>(std::numeric_limits<T>::epsilon());

/// @return  the larger relative error of the two gradients
template <class T, class W>
double check_loss(const std::string& name, std::int64_t step) {
  const auto& file = losses_file();
  const Matrix<T> q = read<T>(file, name + ".q");
  const Matrix<T> d = read<T>(file, name + ".d");
  const Matrix<T> r = read<T>(file, name + ".r");
  const Matrix<float> has = read<float>(file, name + ".has");
  const std::vector<std::uint8_t> mask(has.flat().begin(), has.flat().end());
  Matrix<T> dq(q.rows(), q.cols());
  Matrix<T> dd(d.rows(), d.cols());
  re::Arena arena;
  const re::loss::Contrastive<W> loss;
  const re::loss::ReasoningQueries<T> reasoning{r.view(), mask};
  const auto got = loss.evaluate(q.view(), d.view(), reasoning, step, dq.view(), dd.view(), arena);
  // InfoNCE never leaves what Redapter begins with
  const bool weighted = std::same_as<W, re::loss::ReasoningIntensity> && step >= 100;
  const std::string prefix = name + "." + kDtype<T> + (weighted ? ".100." : ".99.");
  CAPTURE(prefix);
  const auto want = [&](const char* key) { return read<double>(file, prefix + key); };
  constexpr double kTolerance = kLossTolerance<T>;
  const Matrix<double> losses = want("losses");
  const Matrix<double> intensities = want("intensities");
  const Matrix<double> weights = want("weights");
  CHECK(std::abs(got.loss - want("loss")(0, 0)) <= kTolerance);
  for (std::size_t i = 0; i < got.losses.size(); ++i) {
    CAPTURE(i);
    const double l = got.losses[i];
    const double intensity = got.intensities[i];
    CHECK(std::abs(l - losses.flat()[i]) <= kTolerance);
    // r = l / (l' + eps) with errors of both losses
    const double slope = weighted && mask[i] != 0 && l > 0.0 ? intensity / l * (1.0 + intensity) : 0.0;
    CHECK(std::abs(intensity - intensities.flat()[i]) <= kTolerance * slope + 1e-15 * intensity);
    CHECK(std::abs(got.weights[i] - weights.flat()[i]) <= kTolerance);
  }
  const double relative = std::same_as<T, float> ? 1e-5 : 1e-13;
  const Matrix<T> want_dq = read<T>(file, prefix + "dq");
  const Matrix<T> want_dd = read<T>(file, prefix + "dd");
  const double error = std::max(distance(dq, want_dq) / norm_of(want_dq), distance(dd, want_dd) / norm_of(want_dd));
  CHECK(error <= relative);
  CHECK(got.missing_reasoning == (weighted ? std::count(mask.begin(), mask.end(), 0) : 0));
  return error;
}

template <class T>
void check_all_losses() {
  double worst = 0.0;
  for (const char* name : {"moderate", "clamped", "zero", "in_batch"}) {
    for (const std::int64_t step : {99, 100}) {
      worst = std::max(worst, check_loss<T, re::loss::Uniform>(name, step));
      worst = std::max(worst, check_loss<T, re::loss::ReasoningIntensity>(name, step));
    }
  }
  MESSAGE(kDtype<T> << " largest relative error of a gradient " << worst);
}

/// Named tensors in one flat buffer, as a model's gradients are.
template <class T>
struct Tensors {
  using Kind = re::nn::ParameterKind;
  std::vector<std::pair<std::string, Kind>> names{
      {"a.weight", Kind::kWeight}, {"b.gain", Kind::kGain}, {"c.bias", Kind::kBias}, {"d.table", Kind::kTable}};
  re::AlignedBuffer<T> flat{re::Index{5 * 17 + 9 + 8 + 12}};
  std::vector<re::nn::ParameterSlice<T>> slices;

  Tensors() {
    re::nn::GradientAllocator<T> allocator(flat.span());
    for (const auto& [name, kind] : names) {
      const auto& shape = optimizer_file().tensor("start." + name).shape;
      slices.push_back({name, allocator.matrix(shape[0], shape[1]), kind});
    }
  }
  void read(const std::string& prefix) {
    for (const auto& slice : slices) {
      optimizer_file().read(prefix + slice.name, slice.values);
    }
  }
};

struct Run {
  std::string name;
  double clip;
  re::optim::AdamWOptions options;
};

template <class T, re::optim::Schedule S>
void check_run(const Run& run, const S& schedule) {
  const re::optim::AdamW adamw(run.options);
  Tensors<T> parameters;
  Tensors<T> gradients;
  Tensors<T> want;
  parameters.read("start.");
  auto state = adamw.init(parameters.slices);
  const std::string prefix = run.name + "." + kDtype<T> + ".";
  const Matrix<double> norms = read<double>(optimizer_file(), prefix + "norms");
  const Matrix<double> rates = read<double>(optimizer_file(), prefix + "rates");
  const double tolerance = std::same_as<T, float> ? 1e-6 : 1e-12;
  double worst = 0.0;
  for (Index t = 0; t < 10; ++t) {
    CAPTURE(run.name);
    CAPTURE(t);
    gradients.read("gradient." + std::to_string(t) + ".");
    const double norm = re::optim::clip_gradient_norm(gradients.flat.span(), run.clip);
    CHECK(std::abs(norm - norms(0, t)) <= tolerance * norm);
    const double rate = adamw.lr() * schedule.factor(t);
    CHECK(std::abs(rate - rates(0, t)) <= 1e-15 * rate);
    adamw.step(state, parameters.slices, gradients.slices, rate);
    want.read(prefix + std::to_string(t) + ".");
    for (Index i = 0; i < want.flat.size(); ++i) {
      const double expected = static_cast<double>(want.flat.span()[static_cast<std::size_t>(i)]);
      const double got = static_cast<double>(parameters.flat.span()[static_cast<std::size_t>(i)]);
      // a parameter that passes through 0 keeps the absolute error of its steps, which are of size lr
      worst = std::max(worst, std::abs(got - expected) / std::max(std::abs(expected), adamw.lr()));
    }
    CHECK(worst <= tolerance);
  }
  CHECK(state.steps == 10);
  MESSAGE(prefix << " largest relative difference " << worst);
}

template <class T>
void check_all_runs() {
  using namespace re::optim;
  check_run<T>({"linear", 1.0, {.lr = 1e-2}}, WarmupLinear({.warmup_steps = 3}, 10));
  check_run<T>({"linear", 1.0, {.lr = 1e-2}}, WarmupLinear({.warmup_ratio = 0.3}, 10));
  check_run<T>({"cosine", 1.0, {.lr = 1e-2, .weight_decay = 0.1}}, WarmupCosine({.warmup_steps = 2}, 10));
  check_run<T>({"constant", 1e9, {.lr = 3e-3, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.05}},
               WarmupConstant({.warmup_steps = 4}, 10));
}

}  // namespace

TEST_SUITE("golden/contrastive") {
  TEST_CASE("Contrastive: loss, intensities, weights and gradients equal PyTorch's in single precision") {
    check_all_losses<float>();
  }
  TEST_CASE("Contrastive: loss, intensities, weights and gradients equal PyTorch's in double precision") {
    check_all_losses<double>();
  }
  TEST_CASE("AdamW: ten steps with each schedule and clipping equal PyTorch's in single precision") {
    check_all_runs<float>();
  }
  TEST_CASE("AdamW: ten steps with each schedule and clipping equal PyTorch's in double precision") {
    check_all_runs<double>();
  }
}
