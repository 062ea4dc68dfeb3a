#pragma once
/// @file A layer with weights and an input, and what every layer promises whatever it computes.
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/cpu_kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// The same numbers in double.
template <class T>
re::Matrix<double> widen(re::MatrixView<T> values) {
  re::Matrix<double> wide(values.rows(), values.cols());
  for (re::Index row = 0; row < values.rows(); ++row) {
    std::copy(values.row(row).begin(), values.row(row).end(), wide.view().row(row).begin());
  }
  return wide;
}

/// Every tensor of some parameters by name, in double.
using Tensors = std::map<std::string, re::Matrix<double>>;

template <class S>
bool same_bits_of(const re::Matrix<S>& a, const re::Matrix<S>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         (a.flat().empty() || std::memcmp(a.flat().data(), b.flat().data(), a.flat().size_bytes()) == 0);
}

/// Checks |got - want| <= factor eps max(1, max |want|) with the eps of S.
template <class S>
void check_close(const re::Matrix<S>& got, const re::Matrix<double>& want, double factor) {
  REQUIRE(got.rows() == want.rows());
  REQUIRE(got.cols() == want.cols());
  double magnitude = 1.0;
  double error = 0.0;
  for (std::size_t i = 0; i < got.flat().size(); ++i) {
    magnitude = std::max(magnitude, std::abs(want.flat()[i]));
    const double difference = std::abs(double(got.flat()[i]) - want.flat()[i]);
    error = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(error, difference);
  }
  CHECK(error <= factor * double(std::numeric_limits<S>::epsilon()) * magnitude);
}

/// A layer with random weights of backend B, an input, and a gradient of its output.
template <class Layer, class B>
class LayerRun {
 public:
  using S = typename B::Scalar;
  using Weights = typename Layer::template Parameters<re::nn::WeightLeaf<B>>;
  using Saved = typename Layer::template Saved<B>;

  /// What a training pass leaves behind.
  struct Pass {
    re::Matrix<S> y;
    re::Matrix<S> dx;
    re::AlignedBuffer<S> gradient;
  };

  LayerRun(const Layer& layer, const LayerCase& what)
      : layer_(&layer), case_(what), weights_(allocate(layer)), x_(tokens(), what.inputs), dy_(tokens(), what.outputs) {
    re::RandomStream random(what.seed);
    layer.visit(weights_, std::string("layer"), [&](const auto& slice) {
      const double mean = slice.kind == re::nn::ParameterKind::kGain ? 1.0 : 0.0;
      for (re::Index row = 0; row < slice.values.rows(); ++row) {
        for (S& value : slice.values.row(row)) {
          value = static_cast<S>(mean + 0.4 * random.normal());
        }
      }
      tensors_.emplace(slice.name, widen(slice.values));
      weight_count_ += slice.values.size();
    });
    pack();
    for (re::Matrix<S>* matrix : {&x_, &dy_}) {
      for (S& value : matrix->flat()) {
        value = static_cast<S>(random.normal());
      }
    }
  }

  /// @return  the weights by name, e.g. "layer.up.weight"
  [[nodiscard]] const re::Matrix<double>& tensor(const std::string& name) const { return tensors_.at(name); }
  [[nodiscard]] const Tensors& tensors() const { return tensors_; }
  [[nodiscard]] re::Matrix<double> x() const { return widen(x_.view()); }
  [[nodiscard]] re::Index sequences() const { return static_cast<re::Index>(case_.offsets.size()) - 1; }
  [[nodiscard]] re::Index tokens() const { return case_.offsets.back(); }

  /// Forward as in serving, of sequences [first, first + count): must leave the arena as it found it.
  [[nodiscard]] re::Matrix<S> serve(re::Index first, re::Index count) {
    Part part(*this, first, count);
    re::nn::Nothing nothing;
    const std::size_t used = part.arena.used();
    layer_->forward(part.context, weights_, part.x.view(), part.y.view(), nothing);
    CHECK(part.arena.used() == used);
    const std::size_t capacity = part.arena.capacity();
    part.context.dropout = case_.dropout;  // a replay starts where the pass did
    layer_->forward(part.context, weights_, part.x.view(), part.y.view(), nothing);
    CHECK(part.arena.capacity() == capacity);
    return std::move(part.y);
  }
  [[nodiscard]] re::Matrix<S> serve() { return serve(0, sequences()); }

  /// Forward and `repeats` times vjp of sequences [first, first + count), into gradients that start at zero.
  [[nodiscard]] Pass train(re::Index first, re::Index count, int repeats = 1) {
    Part part(*this, first, count);
    Saved saved{};
    layer_->forward(part.context, weights_, part.x.view(), part.y.view(), saved);
    Pass pass{std::move(part.y), re::Matrix<S>(part.x.rows(), part.x.cols()), re::AlignedBuffer<S>(weight_count_)};
    re::nn::GradientAllocator<S> allocator(pass.gradient.span());
    auto gradients = layer_->allocate(allocator);
    const std::size_t used = part.arena.used();
    for (int repeat = 0; repeat < repeats; ++repeat) {
      std::fill(pass.dx.flat().begin(), pass.dx.flat().end(), std::numeric_limits<S>::quiet_NaN());
      layer_->vjp(part.context, weights_, saved, part.dy.view(), pass.dx.view(), gradients);
      CHECK(part.arena.used() == used);
    }
    CHECK(same_bits_of(part.x, Part::rows(x_, at(first), at(first + count))));
    return pass;
  }
  [[nodiscard]] Pass train(int repeats = 1) { return train(0, sequences(), repeats); }

 private:
  /// Some sequences of the case, with memory of their own.
  struct Part {
    Part(LayerRun& run, re::Index first, re::Index count)
        : tokens(static_cast<std::size_t>(run.at(first + count) - run.at(first)), 0),
          x(rows(run.x_, run.at(first), run.at(first + count))),
          dy(rows(run.dy_, run.at(first), run.at(first + count))),
          y(x.rows(), dy.cols()) {
      for (re::Index b = first; b <= first + count; ++b) {
        offsets.push_back(run.at(b) - run.at(first));
      }
      context.batch = {tokens, offsets, static_cast<std::uint64_t>(first)};
      context.dropout = run.case_.dropout;
      if constexpr (requires { run.layer_->prepare(context); }) {
        run.layer_->prepare(context);
      }
    }
    static re::Matrix<S> rows(const re::Matrix<S>& from, re::Index begin, re::Index end) {
      re::Matrix<S> part(end - begin, from.cols());
      std::copy(
          from.flat().begin() + begin * from.cols(), from.flat().begin() + end * from.cols(), part.flat().begin());
      return part;
    }

    std::vector<std::int32_t> tokens;
    std::vector<std::int32_t> offsets;
    re::Matrix<S> x;
    re::Matrix<S> dy;
    re::Matrix<S> y;
    re::Arena arena;
    re::nn::Context<B> context{.arena = arena, .batch = {}};
  };

  static Weights allocate(const Layer& layer) {
    re::nn::WeightAllocator<B> allocator;
    return layer.allocate(allocator);
  }
  void pack() {
    if constexpr (requires { Layer::visit_weights(weights_, [](auto&) {}); }) {
      Layer::visit_weights(weights_, [](auto& weight) { weight.pack(); });
    }
  }
  [[nodiscard]] std::int32_t at(re::Index sequence) const { return case_.offsets[static_cast<std::size_t>(sequence)]; }

  const Layer* layer_;
  LayerCase case_;
  Weights weights_;
  re::Matrix<S> x_;
  re::Matrix<S> dy_;
  Tensors tensors_;
  re::Index weight_count_ = 0;
};

/// Whatever it computes, a layer
/// - computes the same bits whether or not it saves, and the same again on a replay;
/// - leaves the arena as it was after serving and after vjp, and its input as it was;
/// - adds to gradients, and overwrites dx;
/// - computes the same bits, forward and dx, for a sequence alone and in a batch.
template <class B, class Layer>
void check_layer_contract(const Layer& layer, const LayerCase& what) {
  using S = typename B::Scalar;
  CAPTURE(B::name);
  LayerRun<Layer, B> run(layer, what);
  const re::Matrix<S> served = run.serve();
  const auto once = run.train(1);
  CHECK(same_bits_of(served, once.y));
  const auto twice = run.train(2);
  CHECK(same_bits_of(twice.dx, once.dx));
  double largest = 0.0;
  double error = 0.0;
  for (re::Index i = 0; i < once.gradient.size(); ++i) {
    const auto e = static_cast<std::size_t>(i);
    largest = std::max(largest, std::abs(double(once.gradient.span()[e])));
    error = std::max(error, std::abs(double(twice.gradient.span()[e]) - 2.0 * double(once.gradient.span()[e])));
  }
  // one rounding for each of at most T more terms
  CHECK(error <= double(2 * run.tokens()) * double(std::numeric_limits<S>::epsilon()) * largest);
  for (re::Index b = 0; b < run.sequences(); ++b) {
    CAPTURE(b);
    const auto alone = run.train(b, 1);
    const re::Index first = what.offsets[static_cast<std::size_t>(b)];
    for (re::Index t = 0; t < alone.y.rows(); ++t) {
      CAPTURE(t);
      const auto same = [](auto a, auto c) { return std::memcmp(a.data(), c.data(), a.size_bytes()) == 0; };
      CHECK(same(alone.y.view().row(t), once.y.view().row(first + t)));
      CHECK(same(alone.dx.view().row(t), once.dx.view().row(first + t)));
    }
    CHECK(same_bits_of(run.serve(b, 1), alone.y));
  }
}

/// The contract in both precisions.
template <class Layer>
void check_layer_contract_everywhere(const Layer& layer, const LayerCase& what) {
  check_layer_contract<Cpu32>(layer, what);
  check_layer_contract<Cpu64>(layer, what);
}

/// "name (rows, cols) kind" of every slice in the order of the visit.
template <class Layer>
std::vector<std::string> visited_slices(const Layer& layer) {
  re::nn::WeightAllocator<Cpu32> allocator;
  auto parameters = layer.allocate(allocator);
  std::vector<std::string> slices;
  const auto note = [&](const auto& slice) {
    static constexpr const char* kKinds[] = {"weight", "table", "gain", "bias"};
    slices.push_back(slice.name + " (" + std::to_string(slice.values.rows()) + ", " +
                     std::to_string(slice.values.cols()) + ") " + kKinds[static_cast<int>(slice.kind)]);
  };
  if constexpr (requires { layer.visit(parameters, note); }) {
    layer.visit(parameters, note);
  } else {
    layer.visit(parameters, std::string("layer"), note);
  }
  return slices;
}

}  // namespace test
