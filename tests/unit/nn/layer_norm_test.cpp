#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/layer_norm.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::nn::LayerNorm;
using test::Cpu32;
using test::Cpu64;

namespace {

test::LayerCase batch_of(std::initializer_list<int> lengths, int width) {
  return {.offsets = test::offsets_of(lengths), .inputs = width, .outputs = width};
}

}  // namespace

TEST_SUITE("nn/layer_norm") {
  TEST_CASE_TEMPLATE("forward: equals the equation", B, Cpu32, Cpu64) {
    for (const int width : {1, 2, 7, 8, 9, 16, 17, 65}) {
      CAPTURE(width);
      const LayerNorm layer(width, {.norm_eps = 1e-3});
      test::LayerRun<LayerNorm, B> run(layer, batch_of({1, 5, 3}, width));
      // at eps 1e-3 a small variance magnifies the rounding of x - mean by up to 1 / sqrt(eps) = 32
      test::check_close(
          run.serve(), test::reference::layer_norm(run.x(), run.tensors(), "layer", 1e-3), 32.0 * (width + 4));
    }
  }
  TEST_CASE_TEMPLATE("forward: takes eps from the options", B, Cpu32, Cpu64) {
    const LayerNorm small(4, {.norm_eps = 1e-6});
    const LayerNorm large(4, {.norm_eps = 100.0});
    test::LayerRun<LayerNorm, B> with_small(small, batch_of({2}, 4));
    test::LayerRun<LayerNorm, B> with_large(large, batch_of({2}, 4));
    CHECK_FALSE(test::same_bits_of(with_small.serve(), with_large.serve()));
    test::check_close(
        with_large.serve(), test::reference::layer_norm(with_large.x(), with_large.tensors(), "layer", 100.0), 32.0);
  }
  TEST_CASE("vjp: is the gradient of forward") {
    for (const int width : {2, 5, 9}) {
      for (const auto& lengths : {std::vector<int>{1}, std::vector<int>{3, 1, 2}}) {
        CAPTURE(width);
        // the third derivatives grow with 1 / (variance + eps): a large eps keeps the differences accurate
        const auto report =
            test::check_layer(LayerNorm(width, {.norm_eps = 0.5}),
                              {.offsets = test::offsets_of(lengths), .inputs = width, .outputs = width});
        CHECK_MESSAGE(report.passed, report.message());
      }
    }
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    test::check_layer_contract_everywhere(LayerNorm(19, {}), batch_of({4, 1, 9}, 19));
    test::check_layer_contract_everywhere(LayerNorm(1, {}), batch_of({1}, 1));
  }
  TEST_CASE_TEMPLATE("forward: may write over its input where nothing is saved", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const LayerNorm layer(9, {});
    re::nn::WeightAllocator<B> allocator;
    auto weights = layer.allocate(allocator);
    re::Matrix<S> x(3, 9);
    for (std::size_t i = 0; i < x.flat().size(); ++i) {
      x.flat()[i] = static_cast<S>((i * 7) % 11);
      weights.gain.span()[i % 9] = S{2};
    }
    re::Arena arena;
    re::nn::Context<B> context{.arena = arena, .batch = {}};
    re::Matrix<S> y(3, 9);
    re::nn::Nothing nothing;
    layer.forward(context, weights, x.view(), y.view(), nothing);
    layer.forward(context, weights, x.view(), x.view(), nothing);
    CHECK(test::same_bits_of(x, y));
    CHECK(arena.used() == 0);
  }
  TEST_CASE("visit: names gain and bias") {
    CHECK(test::visited_slices(LayerNorm(6, {})) ==
          std::vector<std::string>{"layer.gain (1, 6) gain", "layer.bias (1, 6) bias"});
  }
  TEST_CASE("architecture: names the component") {
    CHECK(LayerNorm::architecture() == "layer_norm");
    static_assert(re::nn::Normalization<LayerNorm> && re::nn::DifferentiableLayer<LayerNorm>);
    static_assert(!re::nn::SubLayer<LayerNorm>);
  }
}
