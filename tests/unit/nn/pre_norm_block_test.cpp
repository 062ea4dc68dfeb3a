#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/gelu_mlp.hpp>
#include <reasonembed/nn/layer_norm.hpp>
#include <reasonembed/nn/pre_norm_block.hpp>
#include <reasonembed/nn/qk_norm.hpp>
#include <reasonembed/nn/rms_norm.hpp>
#include <reasonembed/nn/rope.hpp>
#include <reasonembed/nn/swiglu.hpp>

#include <doctest/doctest.h>

#include <support/block_check.hpp>
#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <concepts>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::nn::BidirectionalAttention;
using re::nn::CausalAttention;
using re::nn::EncoderConfig;
using re::nn::EncoderOptions;
using re::nn::GeluMlp;
using re::nn::LayerNorm;
using re::nn::PreNormBlock;
using re::nn::QkNorm;
using re::nn::RmsNorm;
using re::nn::Rope;
using re::nn::SwiGlu;
using test::Cpu32;
using test::Cpu64;
using test::block::batch_of;
using test::block::kDropping;
using test::block::kOptions;
using test::block::sizes;
using test::block::Untrainable;
using Qwen3 = PreNormBlock<RmsNorm, CausalAttention<QkNorm, Rope>, SwiGlu>;
using Other = PreNormBlock<LayerNorm, BidirectionalAttention<>, GeluMlp>;

TEST_SUITE("nn/pre_norm_block") {
  TEST_CASE_TEMPLATE("forward: equals the equation", B, Cpu32, Cpu64) {
    for (const bool bias : {true, false}) {
      CAPTURE(bias);
      const EncoderConfig config = sizes(2, bias);
      const Qwen3 block(config, kOptions);
      const auto batch = batch_of({1, 5, 3});
      test::LayerRun<Qwen3, B> run(block, batch);
      // some ten steps, each of up to 16 terms
      test::check_close(run.serve(),
                        test::reference::qwen3_block(run.x(), run.tensors(), "layer", batch.offsets, config, kOptions),
                        300.0);
    }
  }
  TEST_CASE("vjp: is the gradient of forward, whatever the components, with dropout too") {
    test::block::check_gradients<Qwen3>();
    const auto report = test::check_layer(Other(sizes(2, true), kOptions), batch_of({2, 1}));
    CHECK_MESSAGE(report.passed, report.message());
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    test::block::check_contract<Qwen3>();
    test::check_layer_contract_everywhere(Other(sizes(2, true), kOptions), batch_of({4, 1, 9}));
  }
  TEST_CASE("forward: dropout changes a training pass alone") {
    test::block::check_dropout_trains_only<Qwen3>();
  }
  TEST_CASE("visit: names the parameters of all four layers, in the order of the equation") {
    CHECK(test::visited_slices(Qwen3(sizes(2, false), kOptions)) ==
          std::vector<std::string>{"layer.attention_norm.gain (1, 6) gain",
                                   "layer.attention.q.weight (16, 6) weight",
                                   "layer.attention.k.weight (8, 6) weight",
                                   "layer.attention.v.weight (8, 6) weight",
                                   "layer.attention.q_norm.gain (1, 4) gain",
                                   "layer.attention.k_norm.gain (1, 4) gain",
                                   "layer.attention.output.weight (6, 16) weight",
                                   "layer.mlp_norm.gain (1, 6) gain",
                                   "layer.mlp.gate.weight (5, 6) weight",
                                   "layer.mlp.up.weight (5, 6) weight",
                                   "layer.mlp.down.weight (6, 5) weight"});
  }
  TEST_CASE("visit_weights: visits every projection, attention first") {
    re::nn::WeightAllocator<Cpu32> allocator;
    auto parameters = Qwen3(sizes(2, true), kOptions).allocate(allocator);
    std::vector<re::Index> rows;
    Qwen3::visit_weights(parameters, [&](auto& weight) { rows.push_back(weight.rows()); });
    CHECK(rows == std::vector<re::Index>{32, 6, 10, 6});
  }
  TEST_CASE("architecture: names the components in order") {
    CHECK(Qwen3::architecture() == "pre_norm(rms_norm,causal_attention(qk_norm,rope),swiglu)");
    CHECK(Other::architecture() == "pre_norm(layer_norm,bidirectional_attention(),gelu_mlp)");
    static_assert(std::same_as<Qwen3::FinalNorm, RmsNorm>);
  }
  TEST_CASE("concept: a block is trainable if all its layers are") {
    using NoGradient = PreNormBlock<RmsNorm, CausalAttention<Rope>, Untrainable>;
    static_assert(re::nn::TransformerBlock<Qwen3> && re::nn::DifferentiableLayer<Qwen3>);
    static_assert(re::nn::TransformerBlock<NoGradient> && !re::nn::DifferentiableLayer<NoGradient>);
    CHECK(NoGradient::architecture().ends_with("gelu_mlp)"));
  }
}
