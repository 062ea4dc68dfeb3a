#include <reasonembed/nn/embedding.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/parameter_check.hpp>
#include <support/reference_layers.hpp>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace reference = test::reference;
using re::Index;
using re::Matrix;
using re::nn::EncoderConfig;
using re::nn::TokenEmbedding;
using re::nn::TokenPositionTypeEmbedding;
using test::Cpu32;
using test::Cpu64;

namespace {

EncoderConfig sizes(int vocab, int dim, int type_vocab = 2, int position_offset = 0) {
  EncoderConfig config = test::tiny_config();
  config.vocab = vocab;
  config.dim = dim;
  config.max_length = 6;
  config.type_vocab = type_vocab;
  config.position_offset = position_offset;
  return config;
}

/// sum(cotangent * embedding(tokens)) as a function of the tables.
template <class Embedding>
auto weighed_rows(const Embedding& embedding,
                  const std::vector<std::int32_t>& tokens,
                  const std::vector<std::int32_t>& offsets,
                  const re::nn::DropoutState& dropout = {}) {
  const auto shared = std::make_shared<re::Arena>();  // warm memory keeps thousands of calls quick
  return [&embedding, &tokens, &offsets, dropout, shared](const auto& weights, auto* gradients) {
    const Index width = weights.token.cols();
    re::Arena& arena = *shared;
    const re::ArenaScope scope(arena);
    re::nn::Context<Cpu64> context{.arena = arena, .batch = {tokens, offsets}, .dropout = dropout};
    Matrix<double> y(offsets.back(), width);
    const auto cotangent = test::random_values(y.flat().size(), 5);
    if (gradients != nullptr) {
      typename Embedding::template Saved<Cpu64> saved{};
      embedding.forward(context, weights, y.view(), saved);
      Matrix<double> dy(offsets.back(), width);
      std::copy(cotangent.begin(), cotangent.end(), dy.flat().begin());
      embedding.vjp(context, weights, saved, dy.view(), *gradients);
    } else {
      re::nn::Nothing nothing;
      embedding.forward(context, weights, y.view(), nothing);
      CHECK(arena.used() == 0);
    }
    double sum = 0.0;
    for (std::size_t i = 0; i < cotangent.size(); ++i) {
      sum += cotangent[i] * y.flat()[i];
    }
    return sum;
  };
}

/// The rows of one batch, as in serving and as in training.
template <class B, class Embedding>
void check_rows(const Embedding& embedding,
                const std::vector<std::int32_t>& tokens,
                const std::vector<std::int32_t>& offsets,
                const auto& want,
                double factor) {
  using S = typename B::Scalar;
  const auto weights = test::random_parameters<B>(embedding, 3);
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = {tokens, offsets}};
  Matrix<S> served(offsets.back(), weights.token.cols());
  re::nn::Nothing nothing;
  embedding.forward(context, weights, served.view(), nothing);
  CHECK(arena.used() == 0);
  Matrix<S> trained(offsets.back(), weights.token.cols());
  typename Embedding::template Saved<B> saved{};
  embedding.forward(context, weights, trained.view(), saved);
  CHECK(test::same_bits_of(served, trained));
  test::check_close(served, want(weights), factor);
}

const std::vector<std::int32_t> kTokens = {4, 0, 4, 10, 7, 4};
const std::vector<std::int32_t> kOffsets = {0, 1, 3, 6};

}  // namespace

TEST_SUITE("nn/embedding") {
  TEST_CASE_TEMPLATE("TokenEmbedding::forward: copies the rows of the tokens", B, Cpu32, Cpu64) {
    for (const int dim : {1, 8, 17}) {
      CAPTURE(dim);
      const TokenEmbedding embedding(sizes(11, dim), {});
      check_rows<B>(
          embedding,
          kTokens,
          kOffsets,
          [&](const auto& weights) {
            Matrix<double> want(6, dim);
            for (Index t = 0; t < 6; ++t) {
              const auto row = weights.token.row(kTokens[static_cast<std::size_t>(t)]);
              std::copy(row.begin(), row.end(), want.row(t).begin());
            }
            return want;
          },
          0.0);
    }
  }
  TEST_CASE_TEMPLATE("TokenPositionTypeEmbedding::forward: equals the equation", B, Cpu32, Cpu64) {
    for (const int dim : {2, 8, 17}) {
      for (const int types : {0, 1, 2}) {
        const Index offset = types == 1 ? 2 : 0;
        CAPTURE(dim);
        CAPTURE(types);
        const TokenPositionTypeEmbedding embedding(sizes(11, dim, types, int(offset)), {.norm_eps = 1e-2});
        check_rows<B>(
            embedding,
            kTokens,
            kOffsets,
            [&](const auto& weights) {
              test::Tensors tensors;
              embedding.visit(weights, std::string("e"), [&](const auto& slice) {
                tensors.emplace(slice.name, test::widen(slice.values));
              });
              const std::vector<Index> positions = {0, 0, 1, 0, 1, 2};
              Matrix<double> sum(6, dim);
              for (Index t = 0; t < 6; ++t) {
                for (Index d = 0; d < dim; ++d) {
                  const auto i = static_cast<std::size_t>(t);
                  sum(t, d) = tensors.at("e.token.weight")(kTokens[i], d) +
                              tensors.at("e.position.weight")(offset + positions[i], d) +
                              (types > 0 ? tensors.at("e.type.weight")(0, d) : 0.0);
                }
              }
              return reference::layer_norm(sum, tensors, "e.norm", 1e-2);
            },
            10.0 * (dim + 6));  // eps 1e-2 magnifies the roundings of the sum by up to 10
      }
    }
  }
  TEST_CASE("vjp: is the gradient of every table, for tokens that repeat") {
    const TokenEmbedding tokens_only(sizes(11, 4), {});
    const auto report = test::check_parameters(tokens_only, weighed_rows(tokens_only, kTokens, kOffsets));
    CHECK_MESSAGE(report.passed, report.message());
    for (const int types : {0, 2}) {
      const TokenPositionTypeEmbedding all(sizes(11, 4, types, types), {.norm_eps = 0.5});
      const auto of_all = test::check_parameters(all, weighed_rows(all, kTokens, kOffsets));
      CHECK_MESSAGE(of_all.passed, of_all.message());
    }
  }
  TEST_CASE("vjp: is the gradient of every table behind a dropout") {
    const TokenPositionTypeEmbedding all(sizes(11, 4), {.norm_eps = 0.5, .dropout = 0.3});
    const auto report =
        test::check_parameters(all, weighed_rows(all, kTokens, kOffsets, {.training = true, .seed = 4}));
    CHECK_MESSAGE(report.passed, report.message());
  }
  TEST_CASE("vjp: adds to gradients that are there") {
    const TokenPositionTypeEmbedding embedding(sizes(11, 4), {.norm_eps = 0.5});
    const auto weights = test::random_parameters<Cpu64>(embedding, 1);
    const auto loss = weighed_rows(embedding, kTokens, kOffsets);
    Index count = 0;
    embedding.visit(weights, std::string("e"), [&](const auto& slice) { count += slice.values.size(); });
    re::AlignedBuffer<double> once(count);
    re::AlignedBuffer<double> twice(count);
    re::nn::GradientAllocator<double> first(once.span());
    re::nn::GradientAllocator<double> second(twice.span());
    auto gradients = embedding.allocate(first);
    loss(weights, &gradients);
    auto doubled = embedding.allocate(second);
    loss(weights, &doubled);
    loss(weights, &doubled);
    double largest = 0.0;
    for (const double g : once.span()) {
      largest = std::max(largest, std::abs(g));
    }
    CHECK(largest > 0.0);
    for (std::size_t i = 0; i < once.span().size(); ++i) {
      CHECK(std::abs(twice.span()[i] - 2.0 * once.span()[i]) <= 12 * 2.3e-16 * largest);  // 12 terms added
    }
  }
  TEST_CASE("forward: a token without a row is refused by position and id") {
    const TokenEmbedding embedding(sizes(11, 4), {});
    const auto weights = test::random_parameters<Cpu32>(embedding, 1);
    for (const std::int32_t bad : {11, -1}) {
      const std::vector<std::int32_t> tokens = {3, bad};
      const std::vector<std::int32_t> offsets = {0, 2};
      re::Arena arena;
      re::nn::Context<Cpu32> context{.arena = arena, .batch = {tokens, offsets}};
      Matrix<float> y(2, 4);
      re::nn::Nothing nothing;
      const std::string message = "simd::embedding: ids[1] is " + std::to_string(bad) + ", expected 0 <= row < 11";
      CHECK_THROWS_WITH_AS(embedding.forward(context, weights, y.view(), nothing), message.c_str(), re::ShapeError);
    }
  }
  TEST_CASE("forward: a sequence longer than the position table is refused") {
    for (const int offset : {0, 2}) {
      const TokenPositionTypeEmbedding embedding(sizes(11, 4, 2, offset), {});
      const auto weights = test::random_parameters<Cpu32>(embedding, 1);
      const std::vector<std::int32_t> tokens(7, 1);
      const std::vector<std::int32_t> offsets = {0, 7};
      re::Arena arena;
      re::nn::Context<Cpu32> context{.arena = arena, .batch = {tokens, offsets}};
      Matrix<float> y(7, 4);
      re::nn::Nothing nothing;
      CHECK_THROWS_AS(embedding.forward(context, weights, y.view(), nothing), re::ShapeError);
      CHECK(arena.used() == 0);
    }
  }
  TEST_CASE("visit: names tables and norm, and leaves out types a model does not have") {
    CHECK(test::visited_slices(TokenEmbedding(sizes(11, 4), {})) ==
          std::vector<std::string>{"layer.token.weight (11, 4) table"});
    CHECK(test::visited_slices(TokenPositionTypeEmbedding(sizes(11, 4), {})) ==
          std::vector<std::string>{"layer.token.weight (11, 4) table",
                                   "layer.position.weight (6, 4) table",
                                   "layer.type.weight (2, 4) table",
                                   "layer.norm.gain (1, 4) gain",
                                   "layer.norm.bias (1, 4) bias"});
    CHECK(test::visited_slices(TokenPositionTypeEmbedding(sizes(11, 4, 0), {})).size() == 4);
    CHECK(test::visited_slices(TokenPositionTypeEmbedding(sizes(11, 4, 1, 2), {}))[1] ==
          "layer.position.weight (8, 4) table");
  }
  TEST_CASE("architecture: names the components") {
    CHECK(TokenEmbedding::architecture() == "token");
    CHECK(TokenPositionTypeEmbedding::architecture() == "token_position_type");
  }
}
