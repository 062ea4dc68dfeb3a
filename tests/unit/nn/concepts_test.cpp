#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/embedding.hpp>
#include <reasonembed/nn/encoder.hpp>
#include <reasonembed/nn/gelu_mlp.hpp>
#include <reasonembed/nn/identity.hpp>
#include <reasonembed/nn/layer_norm.hpp>
#include <reasonembed/nn/pooling.hpp>
#include <reasonembed/nn/post_norm_block.hpp>
#include <reasonembed/nn/pre_norm_block.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rms_norm.hpp>
#include <reasonembed/nn/rope.hpp>
#include <reasonembed/nn/swiglu.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/parameter_check.hpp>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::MatrixView;
using re::nn::Context;
using re::nn::EncoderConfig;
using re::nn::EncoderOptions;
using re::nn::GradientLeaf;
using re::nn::WeightLeaf;
using test::Cpu32;
using test::Cpu64;

namespace {

/// y_td = w_d x_td: the smallest layer with a parameter; `Fault` breaks its vjp on purpose.
enum class Fault { kNone, kGradientScaled, kInputForgotten, kOneElementWrong, kInputAdded };

template <Fault Broken = Fault::kNone>
class Scaling {
 public:
  template <class Leaf>
  struct Parameters {
    typename Leaf::Vector weight;
  };
  template <class B>
  struct Saved {
    MatrixView<const typename B::Scalar> x;
  };
  static std::string architecture() { return "scaling"; }

  Scaling(re::Index width, const EncoderOptions&) : width_(width) {}
  Scaling(const EncoderConfig& config, const EncoderOptions&) : width_(config.dim) {}

  template <class Allocator>
  Parameters<typename Allocator::Leaf> allocate(Allocator& allocator) const {
    return {allocator.vector(width_)};
  }
  template <class P, class F>
  static void visit(P& parameters, const std::string& prefix, F&& f) {
    re::nn::visit_leaf(parameters.weight, prefix + ".weight", re::nn::ParameterKind::kGain, f);
  }
  template <class P, class F>
  static void visit_weights(P&, F&&) {}
  template <class B>
  void prepare(Context<B>&) const {}

  template <class B, class Save>
  void forward(Context<B>&,
               const Parameters<WeightLeaf<B>>& parameters,
               MatrixView<const typename B::Scalar> x,
               MatrixView<typename B::Scalar> y,
               Save& saved) const {
    for (re::Index t = 0; t < x.rows(); ++t) {
      for (re::Index d = 0; d < x.cols(); ++d) {
        y(t, d) = parameters.weight.span()[static_cast<std::size_t>(d)] * x(t, d);
      }
    }
    if constexpr (re::nn::kSaves<Save>) {
      saved.x = x;
    }
  }
  template <class B>
  void vjp(Context<B>&,
           const Parameters<WeightLeaf<B>>& parameters,
           const Saved<B>& saved,
           MatrixView<const typename B::Scalar> dy,
           MatrixView<typename B::Scalar> dx,
           Parameters<GradientLeaf<typename B::Scalar>>& gradients) const {
    using S = typename B::Scalar;
    for (re::Index t = 0; t < dy.rows(); ++t) {
      for (re::Index d = 0; d < dy.cols(); ++d) {
        const auto i = static_cast<std::size_t>(d);
        const S true_dx = parameters.weight.span()[i] * dy(t, d);
        const S factor = Broken == Fault::kGradientScaled ? S(1.00001) : S{1};
        gradients.weight[i] += factor * saved.x(t, d) * dy(t, d);
        if (Broken == Fault::kInputAdded) {
          dx(t, d) += true_dx;
        } else {
          dx(t, d) = Broken == Fault::kInputForgotten ? S{0} : true_dx;
        }
      }
    }
    if (Broken == Fault::kOneElementWrong) {
      dx(dy.rows() - 1, dy.cols() - 1) = -dx(dy.rows() - 1, dy.cols() - 1);
    }
  }

 private:
  re::Index width_;
};
using Archetype = Scaling<>;

/// Sums the tokens of a sequence.
struct SumPool {
  static constexpr const char* name = "sum";
  template <class B>
  void pool(Context<B>& context, MatrixView<const typename B::Scalar> x, MatrixView<typename B::Scalar> y) const {
    for (re::Index b = 0; b < y.rows(); ++b) {
      std::fill(y.row(b).begin(), y.row(b).end(), typename B::Scalar{0});
      const auto i = static_cast<std::size_t>(b);
      for (re::Index t = context.batch.offsets[i]; t < context.batch.offsets[i + 1]; ++t) {
        re::nn::Kernels<B>::accumulate(x.row_block(t, 1), y.row_block(b, 1));
      }
    }
  }
  template <class B>
  void pool_vjp(Context<B>& context, MatrixView<const typename B::Scalar> dy, MatrixView<typename B::Scalar> dx) const {
    for (re::Index b = 0; b < dy.rows(); ++b) {
      const auto i = static_cast<std::size_t>(b);
      for (re::Index t = context.batch.offsets[i]; t < context.batch.offsets[i + 1]; ++t) {
        std::copy(dy.row(b).begin(), dy.row(b).end(), dx.row(t).begin());
      }
    }
  }
};

struct NoForward : Archetype {
  using Archetype::Archetype;
  void forward() = delete;
};
struct NoVisitWeights : Archetype {
  using Archetype::Archetype;
  static void visit_weights() = delete;
};
struct NoPrepare : Archetype {
  using Archetype::Archetype;
  void prepare() = delete;
};
struct NoVjp : Archetype {
  using Archetype::Archetype;
  void vjp() = delete;
};
struct NoName : Archetype {
  using Archetype::Archetype;
  static const char* architecture() { return "a string is demanded"; }
};
struct NamelessPool : SumPool {
  void name() = delete;
};

template <Fault Broken>
re::autograd::GradientReport checked() {
  return test::check_layer(Scaling<Broken>(3, {}), {.offsets = {0, 2, 3}, .inputs = 3, .outputs = 3});
}

}  // namespace

TEST_SUITE("nn/concepts") {
  TEST_CASE("concept: the archetype is a layer of every kind") {
    static_assert(re::nn::Parameterized<Archetype> && re::nn::Layer<Archetype>);
    static_assert(re::nn::DifferentiableLayer<Archetype>);
    static_assert(re::nn::Normalization<Archetype> && re::nn::SubLayer<Archetype> && re::nn::TokenMixer<Archetype>);
    static_assert(re::nn::Pooling<SumPool>);
    CHECK(Archetype::architecture() == "scaling");
  }
  TEST_CASE("concept: every demanded expression is demanded") {
    static_assert(!re::nn::Layer<NoForward> && re::nn::Parameterized<NoForward>);
    static_assert(!re::nn::SubLayer<NoVisitWeights> && re::nn::Layer<NoVisitWeights>);
    static_assert(!re::nn::TokenMixer<NoPrepare> && re::nn::SubLayer<NoPrepare>);
    static_assert(!re::nn::DifferentiableLayer<NoVjp> && re::nn::TokenMixer<NoVjp>);
    static_assert(!re::nn::Parameterized<NoName>);
    static_assert(!re::nn::Pooling<NamelessPool> && !re::nn::Pooling<re::nn::RmsNorm>);
    static_assert(!re::nn::HeadTransform<Archetype> && !re::nn::TokenEmbedder<Archetype>);
    static_assert(!re::nn::TransformerBlock<Archetype>);  // it does not say which norm comes last
    static_assert(!re::nn::Layer<int> && !re::nn::Pooling<int> && !re::nn::HeadTransform<int>);
    CHECK(NoPrepare::architecture() == "scaling");
  }
  TEST_CASE("concept: components of the library are what they say") {
    static_assert(!re::nn::TokenMixer<re::nn::SwiGlu> && !re::nn::Normalization<re::nn::GeluMlp>);
    static_assert(!re::nn::Layer<re::nn::Rope> && !re::nn::Layer<re::nn::TokenEmbedding>);
    using Block = re::nn::PreNormBlock<re::nn::RmsNorm, re::nn::CausalAttention<re::nn::Rope>, re::nn::SwiGlu>;
    static_assert(re::nn::TransformerBlock<Block> && re::nn::DifferentiableLayer<Block>);
    static_assert(re::nn::TokenMixer<Block>);  // a block of blocks is a block
    CHECK(Block::architecture() == "pre_norm(rms_norm,causal_attention(rope),swiglu)");
  }
  TEST_CASE("assembly: the archetypes alone make an encoder whose gradient is right") {
    using Block = re::nn::PostNormBlock<Archetype, Archetype, Archetype>;
    using Encoder = re::nn::Encoder<re::nn::kDynamic, Block, SumPool>;
    EncoderConfig config = test::tiny_config();
    const Encoder encoder(config, {.normalize = true});
    CHECK(Encoder::architecture() == "token>post_norm(scaling,scaling,scaling)");
    const std::vector<std::int32_t> tokens = {1, 4, 4, 9};
    const std::vector<std::int32_t> offsets = {0, 1, 4};
    const std::vector<double> cotangent = test::random_values(12, 5);
    re::Arena arena;
    const auto loss = [&](const auto& weights, auto* gradients) {
      const re::ArenaScope scope(arena);
      Context<Cpu64> context{.arena = arena, .batch = {tokens, offsets}};
      re::Matrix<double> embeddings(2, 6);
      Encoder::Saved<Cpu64> saved{};
      encoder.forward(context, weights, embeddings.view(), saved);
      if (gradients != nullptr) {
        encoder.vjp(context, weights, saved, MatrixView<const double>(cotangent.data(), 2, 6), *gradients);
      }
      double sum = 0.0;
      for (std::size_t i = 0; i < cotangent.size(); ++i) {
        sum += cotangent[i] * embeddings.flat()[i];
      }
      return sum;
    };
    const auto report = test::check_parameters(encoder, loss);
    CHECK_MESSAGE(report.passed, report.message());
  }
  TEST_CASE("check_layer: passes a right vjp") {
    const auto report = checked<Fault::kNone>();
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.checked == 3 + 9);
  }
  TEST_CASE("check_layer: fails a wrong one, however small the fault") {
    for (const auto& report : {checked<Fault::kGradientScaled>(),
                               checked<Fault::kInputForgotten>(),
                               checked<Fault::kOneElementWrong>(),
                               checked<Fault::kInputAdded>()}) {
      CHECK_FALSE(report.passed);
      CAPTURE(report.message());
      CHECK(report.reason == "the gradient is not that of the function");
    }
  }
}
