#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rope.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace reference = test::reference;
using re::nn::BidirectionalAttention;
using re::nn::CausalAttention;
using re::nn::EncoderConfig;
using re::nn::EncoderOptions;
using re::nn::QkNorm;
using re::nn::Rope;
using test::Cpu32;
using test::Cpu64;
using Bert = BidirectionalAttention<>;
using Qwen3 = CausalAttention<QkNorm, Rope>;
using Qwen2 = CausalAttention<Rope>;
using BidirectionalQwen2 = BidirectionalAttention<Rope>;

namespace {

const EncoderOptions kOptions{.norm_eps = 0.1};

EncoderConfig sizes(int heads, int kv_heads, int head_dim, bool bias = true) {
  EncoderConfig config = test::tiny_config();
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = head_dim;
  config.qkv_bias = bias;
  config.linear_bias = bias;
  return config;
}

test::LayerCase batch_of(std::vector<int> lengths, int dim = 6) {
  return {.offsets = test::offsets_of(lengths), .inputs = dim, .outputs = dim};
}

/// Compares one kind of attention with the equation.
template <class B, class Layer>
void check_equation(const EncoderConfig& config, const std::vector<int>& lengths, reference::AttentionKind kind) {
  CAPTURE(Layer::architecture());
  const Layer layer(config, kOptions);
  const auto batch = batch_of(lengths);
  test::LayerRun<Layer, B> run(layer, batch);
  const reference::Mat want =
      reference::attention(run.x(), run.tensors(), "layer", batch.offsets, config, kOptions, kind);
  // Scores reach about 30, and exp passes their absolute error of 30 eps a term on as a relative one.
  test::check_close(run.serve(), want, 1000.0);
}

}  // namespace

TEST_SUITE("nn/attention") {
  TEST_CASE_TEMPLATE("forward: equals the equation, for all kinds and groups of heads", B, Cpu32, Cpu64) {
    for (const int kv_heads : {1, 2, 4}) {
      for (const int head_dim : {2, 8, 18}) {
        CAPTURE(kv_heads);
        CAPTURE(head_dim);
        const EncoderConfig config = sizes(4, kv_heads, head_dim);
        check_equation<B, Bert>(config, {1, 5, 3}, {});
        check_equation<B, CausalAttention<>>(config, {1, 5, 3}, {.causal = true});
        check_equation<B, Qwen3>(config, {1, 5, 3}, {.causal = true, .qk_norm = true, .rope = true});
        check_equation<B, BidirectionalAttention<Rope>>(config, {1, 5, 3}, {.rope = true});
      }
    }
  }
  TEST_CASE_TEMPLATE("forward: equals the equation beyond one block of queries", B, Cpu32, Cpu64) {
    check_equation<B, Bert>(sizes(4, 2, 4), {64, 131, 2}, {});
    check_equation<B, Qwen3>(sizes(4, 2, 4), {64, 131, 2}, {.causal = true, .qk_norm = true, .rope = true});
  }
  TEST_CASE("vjp: is the gradient of forward, for every group of heads, with and without bias") {
    struct Case {
      int kv_heads;
      bool bias;
      std::vector<int> lengths;
    };
    for (const Case& one : {Case{1, true, {3, 1}}, {2, false, {2, 2}}, {2, true, {1}}, {4, false, {3}}}) {
      CAPTURE(one.kv_heads);
      CAPTURE(one.bias);
      const EncoderConfig config = sizes(4, one.kv_heads, 2, one.bias);
      for (const auto& report : {test::check_layer(Bert(config, kOptions), batch_of(one.lengths)),
                                 test::check_layer(CausalAttention<>(config, kOptions), batch_of(one.lengths)),
                                 test::check_layer(Qwen3(config, kOptions), batch_of(one.lengths))}) {
        CHECK_MESSAGE(report.passed, report.message());
      }
    }
  }
  TEST_CASE("vjp: is the gradient of forward with biases of queries, keys and values alone, and scaled angles") {
    EncoderConfig config = sizes(4, 2, 4);
    config.linear_bias = false;
    const EncoderOptions scaled{.norm_eps = 0.1, .rope_scaling = {.factor = 4.0, .original_max_length = 20}};
    for (const auto& report : {test::check_layer(Qwen2(config, kOptions), batch_of({3, 1, 4})),
                               test::check_layer(Qwen2(config, scaled), batch_of({3, 1, 4})),
                               test::check_layer(BidirectionalQwen2(config, kOptions), batch_of({3, 1, 4})),
                               test::check_layer(BidirectionalQwen2(config, scaled), batch_of({3, 1, 4}))}) {
      CHECK_MESSAGE(report.passed, report.message());
    }
  }
  TEST_CASE("vjp: is the gradient of forward beyond one block of queries") {
    const auto report = test::check_layer(Qwen3(sizes(2, 1, 2), kOptions), batch_of({70, 2}), {.max_coordinates = 20});
    CHECK_MESSAGE(report.passed, report.message());
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    const EncoderConfig config = sizes(4, 2, 18);
    test::check_layer_contract_everywhere(Bert(config, kOptions), batch_of({4, 1, 9}));
    test::check_layer_contract_everywhere(Qwen3(config, kOptions), batch_of({4, 1, 9}));
    test::check_layer_contract_everywhere(Qwen3(config, kOptions), batch_of({1}));
    test::check_layer_contract_everywhere(CausalAttention<>(config, kOptions), batch_of({70, 3}));
  }
  TEST_CASE_TEMPLATE("forward: a causal token's bits don't depend on what follows it", B, Cpu32, Cpu64) {
    const EncoderConfig config = sizes(4, 2, 8);
    const Qwen3 layer(config, kOptions);
    test::LayerRun<Qwen3, B> whole(layer, batch_of({9}));
    test::LayerRun<Qwen3, B> beginning(layer, batch_of({6}));  // the same weights, and the same first rows of x
    const auto all = whole.serve();
    const auto first = beginning.serve();
    for (re::Index t = 0; t < 6; ++t) {
      CHECK(std::memcmp(all.row(t).data(), first.row(t).data(), all.row(t).size_bytes()) == 0);
    }
    const Bert both_ways(config, kOptions);
    test::LayerRun<Bert, B> whole_seen(both_ways, batch_of({9}));
    test::LayerRun<Bert, B> beginning_seen(both_ways, batch_of({6}));
    const auto seen = whole_seen.serve();
    const auto unseen = beginning_seen.serve();
    CHECK(std::memcmp(seen.row(0).data(), unseen.row(0).data(), seen.row(0).size_bytes()) != 0);
  }
  TEST_CASE("forward: one token alone gets its own value, whatever its query and key") {
    const EncoderConfig config = sizes(4, 2, 8);
    const Qwen3 layer(config, kOptions);
    test::LayerRun<Qwen3, Cpu64> run(layer, batch_of({1, 1, 1}));
    const reference::Mat v = reference::linear(run.x(), run.tensors(), "layer.v");
    reference::Mat heads(3, 32);
    for (re::Index t = 0; t < 3; ++t) {
      for (re::Index i = 0; i < 32; ++i) {
        heads(t, i) = v(t, i / 16 * 8 + i % 8);  // heads 0 and 1 read key head 0
      }
    }
    test::check_close(run.serve(), reference::linear(heads, run.tensors(), "layer.output"), 100.0);
  }
  TEST_CASE("visit: shows the fused projection as queries, keys and values") {
    const EncoderConfig config = sizes(4, 2, 8);
    CHECK(test::visited_slices(Qwen3(config, kOptions)) ==
          std::vector<std::string>{"layer.q.weight (32, 6) weight",
                                   "layer.q.bias (1, 32) bias",
                                   "layer.k.weight (16, 6) weight",
                                   "layer.k.bias (1, 16) bias",
                                   "layer.v.weight (16, 6) weight",
                                   "layer.v.bias (1, 16) bias",
                                   "layer.q_norm.gain (1, 8) gain",
                                   "layer.k_norm.gain (1, 8) gain",
                                   "layer.output.weight (6, 32) weight",
                                   "layer.output.bias (1, 6) bias"});
    CHECK(test::visited_slices(Bert(sizes(4, 2, 8, false), kOptions)) ==
          std::vector<std::string>{"layer.q.weight (32, 6) weight",
                                   "layer.k.weight (16, 6) weight",
                                   "layer.v.weight (16, 6) weight",
                                   "layer.output.weight (6, 32) weight"});
  }
  TEST_CASE("visit: queries, keys and values lie below each other in one matrix") {
    const Bert layer(sizes(4, 2, 8), kOptions);
    re::nn::WeightAllocator<Cpu32> allocator;
    auto parameters = layer.allocate(allocator);
    const auto fused = parameters.qkv.weight.view();
    REQUIRE(fused.rows() == 64);
    layer.visit(parameters, std::string("a"), [&](const auto& slice) {
      const re::Index row = slice.name == "a.q.weight"   ? 0
                            : slice.name == "a.k.weight" ? 32
                            : slice.name == "a.v.weight" ? 48
                                                         : -1;
      if (row >= 0) {
        CHECK(slice.values.data() == fused.row(row).data());
      }
    });
    std::vector<re::Index> rows;
    Bert::visit_weights(parameters, [&](auto& weight) { rows.push_back(weight.rows()); });
    CHECK(rows == std::vector<re::Index>{64, 6});
  }
  TEST_CASE("architecture: names the visibility and the transforms in order") {
    CHECK(Bert::architecture() == "bidirectional_attention()");
    CHECK(Qwen3::architecture() == "causal_attention(qk_norm,rope)");
    CHECK(CausalAttention<Rope>::architecture() == "causal_attention(rope)");
    static_assert(re::nn::TokenMixer<Bert> && re::nn::DifferentiableLayer<Bert>);
    static_assert(re::nn::TokenMixer<Qwen3> && re::nn::DifferentiableLayer<Qwen3>);
  }
}
