#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/encoder.hpp>
#include <reasonembed/nn/gelu_mlp.hpp>
#include <reasonembed/nn/layer_norm.hpp>
#include <reasonembed/nn/post_norm_block.hpp>
#include <reasonembed/nn/pre_norm_block.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rms_norm.hpp>
#include <reasonembed/nn/rope.hpp>
#include <reasonembed/nn/swiglu.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/parameter_check.hpp>
#include <support/reference_layers.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace reference = test::reference;
using re::Index;
using re::Matrix;
using re::nn::EncoderConfig;
using re::nn::EncoderOptions;
using test::Cpu32;
using test::Cpu64;

namespace {

using BertBlock = re::nn::PostNormBlock<re::nn::LayerNorm, re::nn::BidirectionalAttention<>, re::nn::GeluMlp>;
using Qwen3Block =
    re::nn::PreNormBlock<re::nn::RmsNorm, re::nn::CausalAttention<re::nn::QkNorm, re::nn::Rope>, re::nn::SwiGlu>;
template <class Pool = re::nn::Mean, EncoderConfig Config = re::nn::kDynamic>
using Bert = re::nn::Encoder<Config, BertBlock, Pool, re::nn::TokenPositionTypeEmbedding>;
template <class Pool = re::nn::LastToken, EncoderConfig Config = re::nn::kDynamic>
using Qwen3 = re::nn::Encoder<Config, Qwen3Block, Pool>;

constexpr EncoderConfig kSizes{.vocab = 7,
                               .dim = 6,
                               .layers = 2,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_dim = 2,
                               .mlp_dim = 5,
                               .max_length = 4,
                               .type_vocab = 2,
                               .qkv_bias = true,
                               .linear_bias = true};

/// Few enough parameters to check them all.
constexpr EncoderConfig kSmallest{.vocab = 7,
                                  .dim = 4,
                                  .layers = 2,
                                  .heads = 2,
                                  .kv_heads = 1,
                                  .head_dim = 2,
                                  .mlp_dim = 3,
                                  .max_length = 4,
                                  .type_vocab = 2,
                                  .qkv_bias = true,
                                  .linear_bias = true};

const std::vector<std::int32_t> kTokens = {3, 0, 6, 3, 1, 1, 2, 5};
const std::vector<std::int32_t> kOffsets = {0, 3, 4, 8};

EncoderOptions options(bool normalize, double dropout = 0.0) {
  return {.norm_eps = 0.3, .dropout = dropout, .normalize = normalize};  // third derivatives grow as eps shrinks
}

/// One pass over the batch: embeddings, and their parameter gradients for a fixed cotangent.
template <class Encoder, class B>
struct Pass {
  using S = typename B::Scalar;

  Pass(const Encoder& encoder,
       const typename Encoder::template Parameters<re::nn::WeightLeaf<B>>& weights,
       const re::nn::DropoutState& dropout = {},
       int repeats = 1)
      : embeddings(3, encoder.dim()) {
    Index count = 0;
    encoder.visit(weights, [&](const auto& slice) { count += slice.values.size(); });
    gradient = re::AlignedBuffer<S>(count);
    re::nn::GradientAllocator<S> allocator(gradient.span());
    auto gradients = encoder.allocate(allocator);
    re::Arena arena;
    re::nn::Context<B> context{.arena = arena, .batch = {kTokens, kOffsets}, .dropout = dropout};
    typename Encoder::template Saved<B> saved{};
    Matrix<S> given(3, encoder.dim());
    encoder.forward(context, weights, given.view(), saved);
    std::copy(given.flat().begin(), given.flat().end(), embeddings.flat().begin());
    std::fill(given.flat().begin(), given.flat().end(), std::numeric_limits<S>::quiet_NaN());  // ours to reuse
    const std::vector<double> values = test::random_values(given.flat().size(), 5);
    Matrix<S> cotangent(3, encoder.dim());
    std::copy(values.begin(), values.end(), cotangent.flat().begin());
    const std::size_t used = arena.used();
    for (int repeat = 0; repeat < repeats; ++repeat) {
      encoder.vjp(context, weights, saved, cotangent.view(), gradients);
      CHECK(arena.used() == used);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      loss += double(cotangent.flat()[i]) * double(embeddings.flat()[i]);
    }
  }

  Matrix<S> embeddings;
  re::AlignedBuffer<S> gradient;
  double loss = 0.0;
};

template <class Encoder, class B>
Matrix<typename B::Scalar> serve(const Encoder& encoder,
                                 const typename Encoder::template Parameters<re::nn::WeightLeaf<B>>& weights,
                                 const re::nn::PackedBatch& batch = {kTokens, kOffsets},
                                 const re::nn::DropoutState& dropout = {}) {
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = batch, .dropout = dropout};
  Matrix<typename B::Scalar> embeddings(batch.sequence_count(), encoder.dim());
  re::nn::Nothing nothing;
  encoder.forward(context, weights, embeddings.view(), nothing);
  CHECK(arena.used() == 0);
  return embeddings;
}

/// Finite differences of every parameter, or of a sample of them.
template <class Encoder>
void check_encoder_gradient(bool normalize, double dropout, Index most, const EncoderConfig& sizes = kSizes) {
  CAPTURE(Encoder::architecture());
  CAPTURE(Encoder::Pooling::name);
  CAPTURE(normalize);
  const Encoder encoder(sizes, options(normalize, dropout));
  const re::nn::DropoutState state{.training = dropout > 0.0, .seed = 9};
  const std::vector<double> cotangent = test::random_values(3 * sizes.dim, 5);
  re::Arena arena;
  const auto loss = [&](const auto& weights, auto* gradients) {
    const re::ArenaScope scope(arena);
    re::nn::Context<Cpu64> context{.arena = arena, .batch = {kTokens, kOffsets}, .dropout = state};
    Matrix<double> embeddings(3, sizes.dim);
    if (gradients == nullptr) {
      re::nn::Nothing nothing;
      encoder.forward(context, weights, embeddings.view(), nothing);
    } else {
      typename Encoder::template Saved<Cpu64> saved{};
      encoder.forward(context, weights, embeddings.view(), saved);
      encoder.vjp(context, weights, saved, re::MatrixView<const double>(cotangent.data(), 3, sizes.dim), *gradients);
    }
    double sum = 0.0;
    for (std::size_t i = 0; i < cotangent.size(); ++i) {
      sum += cotangent[i] * embeddings.flat()[i];
    }
    return sum;
  };
  const auto report = test::check_parameters(encoder, loss, {.max_coordinates = most});
  CHECK_MESSAGE(report.passed, report.message());
}

template <class Pool>
reference::Mat pool(const reference::Mat& x) {
  reference::Mat y(3, x.cols());
  for (Index b = 0; b < 3; ++b) {
    const Index first = kOffsets[static_cast<std::size_t>(b)];
    const Index end = kOffsets[static_cast<std::size_t>(b) + 1];
    for (Index d = 0; d < x.cols(); ++d) {
      double mean = 0.0;
      for (Index t = first; t < end; ++t) {
        mean += x(t, d) / double(end - first);
      }
      const std::string name = Pool::name;
      y(b, d) = name == "mean" ? mean : name == "cls" ? x(first, d) : x(end - 1, d);
    }
  }
  return y;
}

void normalize_rows(reference::Mat& x) {
  for (Index row = 0; row < x.rows(); ++row) {
    double square = 0.0;
    for (const double value : x.row(row)) {
      square += value * value;
    }
    for (double& value : x.row(row)) {
      value /= std::sqrt(square);
    }
  }
}

template <class Encoder, class B>
void check_equation(bool normalize) {
  CAPTURE(Encoder::architecture());
  CAPTURE(Encoder::Pooling::name);
  constexpr bool kBert = std::is_same_v<Encoder, Bert<typename Encoder::Pooling>>;
  const Encoder encoder(kSizes, options(normalize));
  const auto weights = test::random_parameters<B>(encoder, 2);
  test::Tensors w;
  encoder.visit(weights, [&](const auto& slice) { w.emplace(slice.name, test::widen(slice.values)); });
  reference::Mat x(8, kSizes.dim);
  for (Index b = 0; b < 3; ++b) {
    const auto i = static_cast<std::size_t>(b);
    for (Index t = kOffsets[i]; t < kOffsets[i + 1]; ++t) {
      for (Index d = 0; d < kSizes.dim; ++d) {
        x(t, d) = w.at("embedding.token.weight")(kTokens[static_cast<std::size_t>(t)], d);
        if (kBert) {
          x(t, d) += w.at("embedding.position.weight")(t - kOffsets[i], d) + w.at("embedding.type.weight")(0, d);
        }
      }
    }
  }
  if (kBert) {
    x = reference::layer_norm(x, w, "embedding.norm", 0.3);
  }
  for (const std::string block : {"blocks.0", "blocks.1"}) {
    x = kBert ? reference::bert_block(x, w, block, kOffsets, kSizes, encoder.options())
              : reference::qwen3_block(x, w, block, kOffsets, kSizes, encoder.options());
  }
  if (!kBert) {
    x = reference::rms_norm(x, w.at("final_norm.gain"), 0.3);
  }
  reference::Mat want = pool<typename Encoder::Pooling>(x);
  if (normalize) {
    normalize_rows(want);
  }
  test::check_close(serve<Encoder, B>(encoder, weights), want, 1000.0);  // two blocks of some ten steps
}

template <class Encoder, class B>
void check_promises(double dropout) {
  using S = typename B::Scalar;
  CAPTURE(Encoder::architecture());
  for (const bool normalize : {true, false}) {
    CAPTURE(normalize);
    const Encoder encoder(kSizes, options(normalize, dropout));
    const auto weights = test::random_parameters<B>(encoder, 2);
    const re::nn::DropoutState state{.training = dropout > 0.0, .seed = 3};
    const Matrix<S> served = serve<Encoder, B>(encoder, weights, {kTokens, kOffsets}, state);
    const Pass<Encoder, B> once(encoder, weights, state);
    CHECK(test::same_bits_of(once.embeddings, served));
    const Pass<Encoder, B> twice(encoder, weights, state, 2);
    double largest = 0.0;
    double error = 0.0;
    for (std::size_t i = 0; i < once.gradient.span().size(); ++i) {
      const double g = once.gradient.span()[i];
      largest = std::max(largest, std::abs(g));
      error = std::max(error, std::abs(double(twice.gradient.span()[i]) - 2.0 * g));
    }
    CHECK(largest > 0.0);
    CHECK(error <= 16.0 * double(std::numeric_limits<S>::epsilon()) * largest);  // a rounding for each of 8 tokens
    for (std::size_t b = 0; b < 3; ++b) {
      CAPTURE(b);
      const auto first = static_cast<std::size_t>(kOffsets[b]);
      const auto length = static_cast<std::size_t>(kOffsets[b + 1]) - first;
      const std::vector<std::int32_t> offsets = {0, static_cast<std::int32_t>(length)};
      const Matrix<S> alone =
          serve<Encoder, B>(encoder, weights, {std::span(kTokens).subspan(first, length), offsets, b}, state);
      const auto row = static_cast<Index>(b);
      CHECK(std::memcmp(alone.row(0).data(), served.row(row).data(), alone.row(0).size_bytes()) == 0);
    }
  }
}

}  // namespace

TEST_SUITE("nn/encoder") {
  TEST_CASE_TEMPLATE("forward: equals the equation, for every pooling, normalised or not", B, Cpu32, Cpu64) {
    for (const bool normalize : {true, false}) {
      CAPTURE(normalize);
      check_equation<Bert<re::nn::Mean>, B>(normalize);
      check_equation<Bert<re::nn::Cls>, B>(normalize);
      check_equation<Qwen3<re::nn::LastToken>, B>(normalize);
      check_equation<Qwen3<re::nn::Mean>, B>(normalize);
    }
  }
  TEST_CASE("vjp: is the gradient of every parameter") {
    check_encoder_gradient<Bert<re::nn::Mean>>(true, 0.0, 1000, kSmallest);
    check_encoder_gradient<Qwen3<re::nn::LastToken>>(true, 0.0, 1000, kSmallest);
  }
  TEST_CASE("vjp: is the gradient of forward for every pooling, normalised or not") {
    check_encoder_gradient<Bert<re::nn::Mean>>(false, 0.0, 60);
    check_encoder_gradient<Bert<re::nn::Cls>>(true, 0.0, 60);
    check_encoder_gradient<Bert<re::nn::LastToken>>(false, 0.0, 60);
    check_encoder_gradient<Qwen3<re::nn::Mean>>(true, 0.0, 60);
    check_encoder_gradient<Qwen3<re::nn::LastToken>>(false, 0.0, 60);
    check_encoder_gradient<Qwen3<re::nn::Cls>>(false, 0.0, 60);
  }
  TEST_CASE("vjp: is the gradient of forward while dropout is active") {
    check_encoder_gradient<Bert<>>(true, 0.2, 60);
    check_encoder_gradient<Qwen3<>>(true, 0.2, 60);
  }
  TEST_CASE_TEMPLATE("forward: same bits saved or not, alone or in a batch, and gradients add up", B, Cpu32, Cpu64) {
    for (const double dropout : {0.0, 0.25}) {
      CAPTURE(dropout);
      check_promises<Bert<>, B>(dropout);
      check_promises<Qwen3<>, B>(dropout);
    }
  }
  TEST_CASE("forward: a second pass through a warm arena allocates nothing") {
    const Bert<> encoder(kSizes, options(true));
    const auto weights = test::random_parameters<Cpu32>(encoder, 2);
    Matrix<float> embeddings(3, kSizes.dim);
    re::Arena arena;
    const auto pass = [&] {
      re::nn::Context<Cpu32> context{.arena = arena, .batch = {kTokens, kOffsets}};
      re::nn::Nothing nothing;
      encoder.forward(context, weights, embeddings.view(), nothing);
    };
    CHECK(test::count_allocations(pass) > 0);
    CHECK(test::count_allocations(pass) == 0);
  }
  TEST_CASE("vjp: a second training step through a warm arena allocates nothing") {
    const Qwen3<> encoder(kSizes, options(true, 0.1));
    const auto weights = test::random_parameters<Cpu32>(encoder, 2);
    Index count = 0;
    encoder.visit(weights, [&](const auto& slice) { count += slice.values.size(); });
    re::AlignedBuffer<float> flat(count);
    re::nn::GradientAllocator<float> allocator(flat.span());
    auto gradients = encoder.allocate(allocator);
    Matrix<float> embeddings(3, kSizes.dim);
    re::Arena arena;
    const auto step = [&] {
      const re::ArenaScope scope(arena);
      re::nn::Context<Cpu32> context{
          .arena = arena, .batch = {kTokens, kOffsets}, .dropout = {.training = true, .seed = 1}};
      Qwen3<>::Saved<Cpu32> saved{};
      encoder.forward(context, weights, embeddings.view(), saved);
      encoder.vjp(context, weights, saved, embeddings.view(), gradients);
    };
    CHECK(test::count_allocations(step) > 0);
    CHECK(test::count_allocations(step) == 0);
  }
  TEST_CASE("forward: static sizes give the bits of the same sizes at run time") {
    const Bert<> dynamic(kSizes, options(true));
    const Bert<re::nn::Mean, kSizes> fixed(kSizes, options(true));
    CHECK(
        test::same_bits_of(serve<Bert<>, Cpu32>(dynamic, test::random_parameters<Cpu32>(dynamic, 2)),
                           serve<Bert<re::nn::Mean, kSizes>, Cpu32>(fixed, test::random_parameters<Cpu32>(fixed, 2))));
    CHECK((Bert<re::nn::Mean, kSizes>().config() == kSizes));
  }
  TEST_CASE("forward: a batch without sequences gives no vectors") {
    const Bert<> encoder(kSizes, options(true));
    const std::vector<std::int32_t> offsets = {0};
    const auto weights = test::random_parameters<Cpu32>(encoder, 2);
    CHECK(serve<Bert<>, Cpu32>(encoder, weights, {.tokens = {}, .offsets = offsets}).rows() == 0);
  }
  TEST_CASE("forward: refuses a broken batch, a token without a row, and outputs of another shape") {
    const Qwen3<> encoder(kSizes, options(true));
    const auto weights = test::random_parameters<Cpu32>(encoder, 2);
    re::Arena arena;
    re::nn::Nothing nothing;
    const auto run =
        [&](const std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& offsets, Index rows, Index cols) {
          re::nn::Context<Cpu32> context{.arena = arena, .batch = {tokens, offsets}};
          Matrix<float> out(rows, cols);
          encoder.forward(context, weights, out.view(), nothing);
        };
    CHECK_THROWS_WITH_AS(run({1, 2}, {0, 1}, 1, 6), "nn::PackedBatch: offsets.back() is 1, expected 2", re::ShapeError);
    CHECK_THROWS_WITH_AS(run({1, 1, 1, 1, 1}, {0, 5}, 1, 6),
                         "nn::PackedBatch: length of sequence 0 is 5, expected 1..4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        run({1, 7}, {0, 2}, 1, 6), "simd::embedding: ids[1] is 7, expected 0 <= row < 7", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        run({1, 2}, {0, 2}, 2, 6), "nn::Encoder::forward: embeddings.rows() is 2, expected 1", re::ShapeError);
    CHECK_THROWS_WITH_AS(
        run({1, 2}, {0, 2}, 1, 5), "nn::Encoder::forward: embeddings.cols() is 5, expected 6", re::ShapeError);
    CHECK(arena.used() == 0);  // an error leaves nothing behind
    CHECK_NOTHROW(run({1, 2}, {0, 2}, 1, 6));
  }
  TEST_CASE("vjp: refuses a cotangent of another shape") {
    const Qwen3<> encoder(kSizes, options(true));
    const auto weights = test::random_parameters<Cpu32>(encoder, 2);
    re::Arena arena;
    re::nn::Context<Cpu32> context{.arena = arena, .batch = {kTokens, kOffsets}};
    Matrix<float> embeddings(3, 6);
    Qwen3<>::Saved<Cpu32> saved{};
    encoder.forward(context, weights, embeddings.view(), saved);
    re::AlignedBuffer<float> flat(10000);
    re::nn::GradientAllocator<float> allocator(flat.span());
    auto gradients = encoder.allocate(allocator);
    const Matrix<float> shallow(2, 6);
    const Matrix<float> narrow(3, 5);
    CHECK_THROWS_WITH_AS(encoder.vjp(context, weights, saved, shallow.view(), gradients),
                         "nn::Encoder::vjp: d_embeddings.rows() is 2, expected 3",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(encoder.vjp(context, weights, saved, narrow.view(), gradients),
                         "nn::Encoder::vjp: d_embeddings.cols() is 5, expected 6",
                         re::ShapeError);
  }
  TEST_CASE("constructor: refuses impossible and mismatched sizes and options by name") {
    EncoderConfig odd = kSizes;
    odd.head_dim = 3;
    CHECK_THROWS_WITH_AS((void)Bert<>(odd), "nn::Encoder: head_dim is 3, expected an even number", re::ConfigError);
    EncoderConfig deeper = kSizes;
    deeper.layers = 3;
    CHECK_THROWS_WITH_AS(
        (void)(Bert<re::nn::Mean, kSizes>(deeper)), "nn::Encoder: layers is 3, expected 2", re::ConfigError);
    CHECK_THROWS_WITH_AS((void)Bert<>(), "nn::Encoder: vocab is 0, expected a positive number", re::ConfigError);
    CHECK_THROWS_WITH_AS((void)Bert<>(kSizes, {.dropout = 1.0}),
                         "nn::Encoder: dropout is 1.000000, expected 0 <= dropout < 1",
                         re::ConfigError);
  }
  TEST_CASE("visit: names embeddings, blocks by number, and the final norm, in order") {
    const std::vector<std::string> bert = test::visited_slices(Bert<>(kSizes, options(true)));
    CHECK(bert.size() == 5 + 2 * 16);
    CHECK(bert.front() == "embedding.token.weight (7, 6) table");
    CHECK(bert[3] == "embedding.norm.gain (1, 6) gain");
    CHECK(bert[5] == "blocks.0.attention.q.weight (8, 6) weight");
    CHECK(bert[21] == "blocks.1.attention.q.weight (8, 6) weight");
    CHECK(bert.back() == "blocks.1.mlp_norm.bias (1, 6) bias");
    const std::vector<std::string> qwen3 = test::visited_slices(Qwen3<>(kSizes, options(true)));
    CHECK(qwen3.front() == "embedding.token.weight (7, 6) table");
    CHECK(qwen3[1] == "blocks.0.attention_norm.gain (1, 6) gain");
    CHECK(qwen3.back() == "final_norm.gain (1, 6) gain");
  }
  TEST_CASE("visit_weights: visits the projections of every block") {
    const Bert<> encoder(kSizes, options(true));
    re::nn::WeightAllocator<Cpu32> allocator;
    auto parameters = encoder.allocate(allocator);
    int count = 0;
    encoder.visit_weights(parameters, [&](auto&) { ++count; });
    CHECK(count == 8);
  }
  TEST_CASE("allocate: gradients lie end to end in the flat buffer and fill it") {
    const Qwen3<> encoder(kSizes, options(true));
    re::nn::WeightAllocator<Cpu32> weights;
    const auto parameters = encoder.allocate(weights);
    Index count = 0;
    encoder.visit(parameters, [&](const auto& slice) { count += slice.values.size(); });
    re::AlignedBuffer<float> flat(count);
    re::nn::GradientAllocator<float> allocator(flat.span());
    auto gradients = encoder.allocate(allocator);
    encoder.visit(gradients, [&](const auto& slice) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        for (float& value : slice.values.row(row)) {
          value += 1.0F;
        }
      }
    });
    CHECK(std::all_of(flat.span().begin(), flat.span().end(), [](float value) { return value == 1.0F; }));
  }
  TEST_CASE("architecture: names embedding and block") {
    CHECK(Bert<>::architecture() == "token_position_type>post_norm(layer_norm,bidirectional_attention(),gelu_mlp)");
    CHECK(Qwen3<>::architecture() == "token>pre_norm(rms_norm,causal_attention(qk_norm,rope),swiglu)");
    const Qwen3<> encoder(kSizes, options(false));
    CHECK(encoder.dim() == 6);
    CHECK_FALSE(encoder.options().normalize);
  }
}
