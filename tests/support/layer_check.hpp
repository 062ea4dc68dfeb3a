#pragma once
/// @file Certifies a layer's vjp in double: every weight and every input element against central differences.
#include <reasonembed/autograd/check_gradient.hpp>
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/context.hpp>
#include <reasonembed/nn/cpu_kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace test {

namespace re = reasonembed;
using Cpu64 = re::backend::Cpu<double>;
using Cpu32 = re::backend::Cpu<float>;

/// (B + 1) offsets of sequences with these lengths.
inline std::vector<std::int32_t> offsets_of(std::span<const int> lengths) {
  std::vector<std::int32_t> offsets = {0};
  for (const int length : lengths) {
    offsets.push_back(offsets.back() + length);
  }
  return offsets;
}
inline std::vector<std::int32_t> offsets_of(std::initializer_list<int> lengths) {
  return offsets_of(std::span(lengths.begin(), lengths.size()));
}

/// `count` normal numbers times `scale`.
inline std::vector<double> random_values(std::size_t count, std::uint64_t seed, double scale = 1.0) {
  re::RandomStream random(seed);
  std::vector<double> values(count);
  for (double& value : values) {
    value = scale * random.normal();
  }
  return values;
}

/// `count` token ids below `vocab`.
inline std::vector<std::int32_t> random_tokens(std::size_t count, int vocab, std::uint64_t seed) {
  re::RandomStream random(seed);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) {
    token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(vocab)));
  }
  return tokens;
}

/// What a layer is checked on.
struct LayerCase {
  std::vector<std::int32_t> offsets;
  re::Index inputs = 0;   ///< width of x
  re::Index outputs = 0;  ///< width of y
  re::nn::DropoutState dropout{};
  std::uint64_t seed = 1;
};

/// A layer with weights of its own, as a function of (all weights, then x): the value is sum(cotangent * y).
template <class Layer>
class LayerFunction {
 public:
  using Weights = typename Layer::template Parameters<re::nn::WeightLeaf<Cpu64>>;

  LayerFunction(const Layer& layer, LayerCase what)
      : layer_(&layer), case_(std::move(what)), weights_(allocate(layer)), tokens_(case_.offsets.back(), 0) {
    visit(weights_, [&](const auto& slice) { weight_count_ += static_cast<std::size_t>(slice.values.size()); });
    cotangent_ = random_values(static_cast<std::size_t>(case_.offsets.back() * case_.outputs), case_.seed + 7);
  }

  /// @return  a random point: gains near 1, everything else near 0
  [[nodiscard]] std::vector<double> point() {
    std::vector<double> x;
    re::RandomStream random(case_.seed);
    visit(weights_, [&](const auto& slice) {
      const bool gain = slice.kind == re::nn::ParameterKind::kGain;
      for (re::Index i = 0; i < slice.values.size(); ++i) {
        x.push_back((gain ? 1.0 : 0.0) + 0.4 * random.normal());
      }
    });
    for (re::Index i = 0; i < case_.offsets.back() * case_.inputs; ++i) {
      x.push_back(random.normal());
    }
    return x;
  }

  double operator()(std::span<const double> x, std::span<double> gradient) {
    set_weights(x);
    const re::Index tokens = case_.offsets.back();
    re::Matrix<double> in(tokens, case_.inputs);
    std::copy(x.begin() + static_cast<std::ptrdiff_t>(weight_count_), x.end(), in.flat().begin());
    re::Matrix<double> out(tokens, case_.outputs);
    const re::ArenaScope scope(arena_);
    re::nn::Context<Cpu64> context{.arena = arena_, .batch = {tokens_, case_.offsets}, .dropout = case_.dropout};
    prepare(context);
    if (gradient.empty()) {  // the path of serving, which must give the same value
      re::nn::Nothing nothing;
      layer_->forward(context, weights_, in.view(), out.view(), nothing);
      return weigh(out);
    }
    typename Layer::template Saved<Cpu64> saved{};
    layer_->forward(context, weights_, in.view(), out.view(), saved);
    if (!gradient.empty()) {
      backward(context, saved, gradient);
    }
    return weigh(out);
  }

 private:
  static Weights allocate(const Layer& layer) {
    re::nn::WeightAllocator<Cpu64> allocator;
    return layer.allocate(allocator);
  }
  template <class P, class F>
  void visit(P& parameters, F&& f) {
    layer_->visit(parameters, std::string("layer"), f);
  }
  void set_weights(std::span<const double> x) {
    const double* next = x.data();
    visit(weights_, [&](const auto& slice) {
      for (re::Index row = 0; row < slice.values.rows(); ++row) {
        std::copy(next, next + slice.values.cols(), slice.values.row(row).begin());
        next += slice.values.cols();
      }
    });
    if constexpr (requires { Layer::visit_weights(weights_, [](auto&) {}); }) {
      Layer::visit_weights(weights_, [](auto& weight) { weight.pack(); });
    }
  }
  void prepare(re::nn::Context<Cpu64>& context) {
    if constexpr (requires { layer_->prepare(context); }) {
      layer_->prepare(context);
    }
  }
  double weigh(const re::Matrix<double>& out) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < cotangent_.size(); ++i) {
      sum += cotangent_[i] * out.flat()[i];
    }
    return sum;
  }
  void backward(re::nn::Context<Cpu64>& context,
                const typename Layer::template Saved<Cpu64>& saved,
                std::span<double> gradient) {
    const re::Index tokens = case_.offsets.back();
    re::AlignedBuffer<double> flat(static_cast<re::Index>(weight_count_));
    re::nn::GradientAllocator<double> allocator(flat.span());
    auto gradients = layer_->allocate(allocator);
    re::Matrix<double> dx(tokens, case_.inputs);
    std::fill(dx.flat().begin(), dx.flat().end(), 1e300);  // vjp must overwrite it
    layer_->vjp(context,
                weights_,
                saved,
                re::MatrixView<const double>(cotangent_.data(), tokens, case_.outputs),
                dx.view(),
                gradients);
    double* next = gradient.data();
    visit(gradients, [&](const auto& slice) {
      for (re::Index row = 0; row < slice.values.rows(); ++row) {
        next = std::copy(slice.values.row(row).begin(), slice.values.row(row).end(), next);
      }
    });
    std::copy(dx.flat().begin(), dx.flat().end(), next);
  }

  const Layer* layer_;
  LayerCase case_;
  Weights weights_;
  std::vector<std::int32_t> tokens_;
  std::vector<double> cotangent_;
  std::size_t weight_count_ = 0;
  re::Arena arena_;
};

/// @return  the report of the check; `passed` and, for tests, `message()`
template <class Layer>
re::autograd::GradientReport check_layer(const Layer& layer,
                                         LayerCase what,
                                         const re::autograd::CheckGradientOptions& options = {}) {
  LayerFunction<Layer> function(layer, std::move(what));
  const std::vector<double> point = function.point();
  return re::autograd::check_gradient(function, std::span<const double>(point), options);
}

/// The smallest sizes that use everything an encoder has: grouped heads, a head wider than dim / heads.
inline re::nn::EncoderConfig tiny_config() {
  return {.vocab = 11,
          .dim = 6,
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 4,
          .mlp_dim = 5,
          .max_length = 16,
          .type_vocab = 2,
          .qkv_bias = true,
          .linear_bias = true};
}

}  // namespace test
