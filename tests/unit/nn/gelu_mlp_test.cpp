#include <reasonembed/nn/gelu_mlp.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::nn::GeluMlp;
using test::Cpu32;
using test::Cpu64;

namespace {

GeluMlp mlp(int dim, int inner, bool bias) {
  re::nn::EncoderConfig config = test::tiny_config();
  config.dim = dim;
  config.mlp_dim = inner;
  config.linear_bias = bias;
  return GeluMlp(config, {});
}
test::LayerCase batch_of(std::initializer_list<int> lengths, int dim) {
  return {.offsets = test::offsets_of(lengths), .inputs = dim, .outputs = dim};
}

}  // namespace

TEST_SUITE("nn/gelu_mlp") {
  TEST_CASE_TEMPLATE("forward: equals the equation", B, Cpu32, Cpu64) {
    for (const int width : {1, 3, 8, 16, 17, 33}) {
      for (const bool bias : {true, false}) {
        CAPTURE(width);
        CAPTURE(bias);
        const GeluMlp layer = mlp(width, 2 * width + 1, bias);
        test::LayerRun<GeluMlp, B> run(layer, batch_of({1, 5, 3}, width));
        // two products of up to 67 terms, and gelu whose slope is below 1.13
        test::check_close(run.serve(), test::reference::gelu_mlp(run.x(), run.tensors(), "layer"), 4.0 * 67);
      }
    }
  }
  TEST_CASE("vjp: is the gradient of forward, with and without bias") {
    for (const bool bias : {true, false}) {
      for (const auto& lengths : {std::vector<int>{1}, std::vector<int>{3, 1, 2}}) {
        CAPTURE(bias);
        const auto report =
            test::check_layer(mlp(5, 7, bias), {.offsets = test::offsets_of(lengths), .inputs = 5, .outputs = 5});
        CHECK_MESSAGE(report.passed, report.message());
      }
    }
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    test::check_layer_contract_everywhere(mlp(19, 37, true), batch_of({4, 1, 9}, 19));
    test::check_layer_contract_everywhere(mlp(8, 16, false), batch_of({1}, 8));
  }
  TEST_CASE("visit: names up before down, each weight before its bias") {
    CHECK(test::visited_slices(mlp(6, 5, true)) == std::vector<std::string>{"layer.up.weight (5, 6) weight",
                                                                            "layer.up.bias (1, 5) bias",
                                                                            "layer.down.weight (6, 5) weight",
                                                                            "layer.down.bias (1, 6) bias"});
    CHECK(test::visited_slices(mlp(6, 5, false)) ==
          std::vector<std::string>{"layer.up.weight (5, 6) weight", "layer.down.weight (6, 5) weight"});
  }
  TEST_CASE("visit_weights: visits every projection, to pack it") {
    re::nn::WeightAllocator<Cpu32> allocator;
    auto parameters = mlp(6, 5, true).allocate(allocator);
    std::vector<re::Index> rows;
    GeluMlp::visit_weights(parameters, [&](auto& weight) { rows.push_back(weight.rows()); });
    CHECK(rows == std::vector<re::Index>{5, 6});
  }
  TEST_CASE("architecture: names the component") {
    CHECK(GeluMlp::architecture() == "gelu_mlp");
    static_assert(re::nn::SubLayer<GeluMlp> && re::nn::DifferentiableLayer<GeluMlp>);
    static_assert(!re::nn::TokenMixer<GeluMlp>);  // it has nothing to prepare: no attention
  }
}
