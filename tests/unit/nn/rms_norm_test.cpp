#include <reasonembed/nn/concepts.hpp>
#include <reasonembed/nn/rms_norm.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::nn::RmsNorm;
using test::Cpu32;
using test::Cpu64;

namespace {

test::LayerCase batch_of(std::initializer_list<int> lengths, int width) {
  return {.offsets = test::offsets_of(lengths), .inputs = width, .outputs = width};
}

}  // namespace

TEST_SUITE("nn/rms_norm") {
  TEST_CASE_TEMPLATE("forward: equals the equation", B, Cpu32, Cpu64) {
    for (const int width : {1, 2, 7, 8, 9, 16, 17, 65}) {
      CAPTURE(width);
      const RmsNorm layer(width, {.norm_eps = 1e-6});
      test::LayerRun<RmsNorm, B> run(layer, batch_of({1, 5, 3}, width));
      // a sum of `width` squares, a root and two products
      test::check_close(run.serve(),
                        test::reference::rms_norm(run.x(), run.tensor("layer.gain"), 1e-6),
                        static_cast<double>(width + 4));
    }
  }
  TEST_CASE_TEMPLATE("forward: takes eps from the options", B, Cpu32, Cpu64) {
    const RmsNorm layer(4, {.norm_eps = 100.0});
    test::LayerRun<RmsNorm, B> run(layer, batch_of({2}, 4));
    test::check_close(run.serve(), test::reference::rms_norm(run.x(), run.tensor("layer.gain"), 100.0), 8.0);
  }
  TEST_CASE("vjp: is the gradient of forward") {
    for (const int width : {1, 5, 9}) {
      for (const auto& lengths : {std::vector<int>{1}, std::vector<int>{3, 1, 2}}) {
        CAPTURE(width);
        const auto report =
            test::check_layer(RmsNorm(width, {.norm_eps = 0.5}),
                              {.offsets = test::offsets_of(lengths), .inputs = width, .outputs = width});
        CHECK_MESSAGE(report.passed, report.message());
      }
    }
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch, and gradients that add up") {
    test::check_layer_contract_everywhere(RmsNorm(19, {}), batch_of({4, 1, 9}, 19));
    test::check_layer_contract_everywhere(RmsNorm(1, {}), batch_of({1}, 1));
  }
  TEST_CASE_TEMPLATE("forward: may write over its input where nothing is saved", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const RmsNorm layer(9, {});
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
  TEST_CASE("visit: names the gain") {
    CHECK(test::visited_slices(RmsNorm(6, {})) == std::vector<std::string>{"layer.gain (1, 6) gain"});
  }
  TEST_CASE("architecture: names the component") {
    CHECK(RmsNorm::architecture() == "rms_norm");
    static_assert(re::nn::Normalization<RmsNorm> && re::nn::DifferentiableLayer<RmsNorm>);
  }
}
