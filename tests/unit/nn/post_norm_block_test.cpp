#include <reasonembed/nn/attention.hpp>
#include <reasonembed/nn/gelu_mlp.hpp>
#include <reasonembed/nn/layer_norm.hpp>
#include <reasonembed/nn/post_norm_block.hpp>
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
using re::nn::PostNormBlock;
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
using Bert = PostNormBlock<LayerNorm, BidirectionalAttention<>, GeluMlp>;
using Other = PostNormBlock<RmsNorm, CausalAttention<Rope>, SwiGlu>;

TEST_SUITE("nn/post_norm_block") {
  TEST_CASE_TEMPLATE("forward: equals the equation", B, Cpu32, Cpu64) {
    for (const bool bias : {true, false}) {
      CAPTURE(bias);
      const EncoderConfig config = sizes(2, bias);
      const Bert block(config, kOptions);
      const auto batch = batch_of({1, 5, 3});
      test::LayerRun<Bert, B> run(block, batch);
      // some ten steps, each of up to 16 terms
      test::check_close(run.serve(),
                        test::reference::bert_block(run.x(), run.tensors(), "layer", batch.offsets, config, kOptions),
                        300.0);
    }
  }
  TEST_CASE("vjp: is the gradient of forward, whatever the components, with dropout too") {
    test::block::check_gradients<Bert>();
    const auto report = test::check_layer(Other(sizes(2, true), kOptions), batch_of({2, 1}));
    CHECK_MESSAGE(report.passed, report.message());
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    test::block::check_contract<Bert>();
    test::check_layer_contract_everywhere(Other(sizes(2, true), kOptions), batch_of({4, 1, 9}));
  }
  TEST_CASE("forward: dropout changes a training pass alone") {
    test::block::check_dropout_trains_only<Bert>();
  }
  TEST_CASE("visit: names the parameters of all four layers, in the order of the equation") {
    CHECK(test::visited_slices(Bert(sizes(2, false), kOptions)) ==
          std::vector<std::string>{"layer.attention.q.weight (16, 6) weight",
                                   "layer.attention.k.weight (8, 6) weight",
                                   "layer.attention.v.weight (8, 6) weight",
                                   "layer.attention.output.weight (6, 16) weight",
                                   "layer.attention_norm.gain (1, 6) gain",
                                   "layer.attention_norm.bias (1, 6) bias",
                                   "layer.mlp.up.weight (5, 6) weight",
                                   "layer.mlp.down.weight (6, 5) weight",
                                   "layer.mlp_norm.gain (1, 6) gain",
                                   "layer.mlp_norm.bias (1, 6) bias"});
  }
  TEST_CASE("visit_weights: visits every projection, attention first") {
    re::nn::WeightAllocator<Cpu32> allocator;
    auto parameters = Bert(sizes(2, true), kOptions).allocate(allocator);
    std::vector<re::Index> rows;
    Bert::visit_weights(parameters, [&](auto& weight) { rows.push_back(weight.rows()); });
    CHECK(rows == std::vector<re::Index>{32, 6, 5, 6});
  }
  TEST_CASE("architecture: names the components in order") {
    CHECK(Bert::architecture() == "post_norm(layer_norm,bidirectional_attention(),gelu_mlp)");
    CHECK(Other::architecture() == "post_norm(rms_norm,causal_attention(rope),swiglu)");
    static_assert(std::same_as<Bert::FinalNorm, re::nn::Identity>);
  }
  TEST_CASE("concept: a block is trainable if all its layers are") {
    using NoGradient = PostNormBlock<RmsNorm, CausalAttention<Rope>, Untrainable>;
    static_assert(re::nn::TransformerBlock<Bert> && re::nn::DifferentiableLayer<Bert>);
    static_assert(re::nn::TransformerBlock<NoGradient> && !re::nn::DifferentiableLayer<NoGradient>);
    CHECK(NoGradient::architecture().ends_with("gelu_mlp)"));
  }
}
