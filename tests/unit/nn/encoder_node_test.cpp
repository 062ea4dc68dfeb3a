#include <reasonembed/autograd/ops.hpp>
#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/encoder.hpp>
#include <reasonembed/nn/encoder_node.hpp>
#include <reasonembed/nn/pre_norm_block.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rms_norm.hpp>
#include <reasonembed/nn/rope.hpp>
#include <reasonembed/nn/swiglu.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/parameter_check.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::autograd::Tape;
using re::autograd::Var;
using test::Cpu64;

namespace {

using Encoder = re::nn::Encoder<
    re::nn::kDynamic,
    re::nn::PreNormBlock<re::nn::RmsNorm, re::nn::CausalAttention<re::nn::QkNorm, re::nn::Rope>, re::nn::SwiGlu>,
    re::nn::LastToken>;
using Weights = Encoder::Parameters<re::nn::WeightLeaf<Cpu64>>;
using Gradients = Encoder::Parameters<re::nn::GradientLeaf<double>>;

Encoder tiny_encoder(double dropout = 0.0) {
  re::nn::EncoderConfig config = test::tiny_config();
  config.layers = 1;
  config.head_dim = 2;
  return Encoder(config, {.norm_eps = 0.3, .dropout = dropout});
}

const std::vector<std::int32_t> kQueryTokens = {1, 4, 2, 9, 9};
const std::vector<std::int32_t> kQueryOffsets = {0, 2, 5};
const std::vector<std::int32_t> kDocumentTokens = {3, 0, 4, 2, 10, 10, 7};
const std::vector<std::int32_t> kDocumentOffsets = {0, 1, 4, 7};

/// The contrastive loss of two queries over three documents, whose relevant documents are 1 and 0, in plain tape code.
Var<double> contrastive(Var<double> queries, Var<double> documents) {
  const std::vector<Index> relevant = {1, 0};
  const Var<double> scores = re::autograd::matmul_nt(queries, documents) * 5.0;
  return -re::autograd::mean(re::autograd::pick(re::autograd::log_softmax_rows(scores), relevant));
}

/// Number of parameters.
Index size_of(const Encoder& encoder, const Weights& weights) {
  Index count = 0;
  encoder.visit(weights, [&](const auto& slice) { count += slice.values.size(); });
  return count;
}

}  // namespace

TEST_SUITE("nn/encoder_node") {
  TEST_CASE("backward: a tape loss over two encodings is the gradient of the parameters") {
    for (const double dropout : {0.0, 0.2}) {
      CAPTURE(dropout);
      const Encoder encoder = tiny_encoder(dropout);
      Tape<double> tape;
      re::Arena arena;
      std::vector<double> unused(1000);
      const auto loss = [&](const Weights& weights, Gradients* gradients) {
        tape.clear();
        const re::ArenaScope scope(arena);
        re::nn::GradientAllocator<double> allocator(unused);
        Gradients ignored = encoder.allocate(allocator);
        Gradients& target = gradients == nullptr ? ignored : *gradients;
        const re::nn::DropoutState state{.training = dropout > 0.0, .seed = 2};
        const auto queries = re::nn::encoder_node<Encoder, Cpu64>(
            tape, encoder, weights, {kQueryTokens, kQueryOffsets}, arena, target, state);
        const auto documents = re::nn::encoder_node<Encoder, Cpu64>(
            tape, encoder, weights, {kDocumentTokens, kDocumentOffsets, 2}, arena, target, state);
        const Var<double> value = contrastive(queries, documents);
        if (gradients != nullptr) {
          tape.backward(value);
        }
        return value.value()(0, 0);
      };
      const auto report = test::check_parameters(encoder, loss, {.max_coordinates = 250});
      CHECK_MESSAGE(report.passed, report.message());
    }
  }
  TEST_CASE("forward: embeddings are those of the encoder, bit for bit") {
    const Encoder encoder = tiny_encoder();
    const Weights weights = test::random_parameters<Cpu64>(encoder, 1);
    Matrix<double> want(3, encoder.dim());
    re::Arena arena;
    const re::nn::PackedBatch batch{kDocumentTokens, kDocumentOffsets};
    re::nn::Context<Cpu64> context{.arena = arena, .batch = batch};
    re::nn::Nothing nothing;
    encoder.forward(context, weights, want.view(), nothing);

    Tape<double> tape;
    re::AlignedBuffer<double> flat(size_of(encoder, weights));
    re::nn::GradientAllocator<double> allocator(flat.span());
    Gradients gradients = encoder.allocate(allocator);
    const auto node = re::nn::encoder_node<Encoder, Cpu64>(tape, encoder, weights, batch, arena, gradients);
    CHECK(node.differentiated());
    CHECK(node.rows() == 3);
    CHECK(node.cols() == encoder.dim());
    CHECK(test::same_bits_of(test::widen(node.value()), want));
    CHECK(arena.used() > 0);  // activations wait for backward
    CHECK(std::all_of(flat.span().begin(), flat.span().end(), [](double g) { return g == 0.0; }));
  }
  TEST_CASE("backward: gradients add up over nodes and over tapes") {
    const Encoder encoder = tiny_encoder();
    const Weights weights = test::random_parameters<Cpu64>(encoder, 1);
    const auto gradient_of = [&](int passes) {
      re::AlignedBuffer<double> flat(size_of(encoder, weights));
      re::nn::GradientAllocator<double> allocator(flat.span());
      Gradients gradients = encoder.allocate(allocator);
      for (int pass = 0; pass < passes; ++pass) {
        Tape<double> tape;
        re::Arena arena;
        const auto node = re::nn::encoder_node<Encoder, Cpu64>(
            tape, encoder, weights, {kQueryTokens, kQueryOffsets}, arena, gradients);
        const std::vector<Index> first_column = {0, 0};
        tape.backward(re::autograd::sum(re::autograd::pick(node, first_column)));
      }
      return std::vector<double>(flat.span().begin(), flat.span().end());
    };
    const std::vector<double> once = gradient_of(1);
    const std::vector<double> thrice = gradient_of(3);
    double largest = 0.0;
    double error = 0.0;
    for (std::size_t i = 0; i < once.size(); ++i) {
      largest = std::max(largest, std::abs(once[i]));
      error = std::max(error, std::abs(thrice[i] - 3.0 * once[i]));
    }
    CHECK(largest > 0.0);
    CHECK(error <= 30.0 * 2.3e-16 * largest);  // a rounding for each of 5 tokens and 3 passes, twice
  }
  TEST_CASE("backward: an encoding the loss does not use adds nothing") {
    const Encoder encoder = tiny_encoder();
    const Weights weights = test::random_parameters<Cpu64>(encoder, 1);
    re::AlignedBuffer<double> flat(size_of(encoder, weights));
    re::nn::GradientAllocator<double> allocator(flat.span());
    Gradients gradients = encoder.allocate(allocator);
    Tape<double> tape;
    re::Arena arena;
    const auto node =
        re::nn::encoder_node<Encoder, Cpu64>(tape, encoder, weights, {kQueryTokens, kQueryOffsets}, arena, gradients);
    const Matrix<double> one = test::widen(node.value());
    const Var<double> unrelated = re::autograd::sum(tape.leaf(one.view()));
    tape.backward(unrelated);
    CHECK(std::all_of(flat.span().begin(), flat.span().end(), [](double g) { return g == 0.0; }));
  }
  TEST_CASE("forward: errors of the encoder pass through") {
    const Encoder encoder = tiny_encoder();
    const Weights weights = test::random_parameters<Cpu64>(encoder, 1);
    re::AlignedBuffer<double> flat(size_of(encoder, weights));
    re::nn::GradientAllocator<double> allocator(flat.span());
    Gradients gradients = encoder.allocate(allocator);
    Tape<double> tape;
    re::Arena arena;
    const std::vector<std::int32_t> tokens = {1, 99};
    const std::vector<std::int32_t> offsets = {0, 2};
    CHECK_THROWS_WITH_AS(
        (void)(re::nn::encoder_node<Encoder, Cpu64>(tape, encoder, weights, {tokens, offsets}, arena, gradients)),
        "simd::embedding: ids[1] is 99, expected 0 <= row < 11",
        re::ShapeError);
    CHECK(tape.size() == 0);
  }
}
