#include <reasonembed/nn/rope.hpp>

#include <doctest/doctest.h>

#include <support/head_layer.hpp>
#include <support/layer_run.hpp>
#include <support/reference_layers.hpp>

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::nn::Rope;
using test::Cpu32;
using test::Cpu64;
using Layer = test::HeadLayer<Rope>;

namespace {

Layer layer_with(int heads, int kv_heads, int head_dim, double theta = 10000.0) {
  re::nn::EncoderConfig config = test::tiny_config();
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = head_dim;
  return Layer(config, {.rope_theta = theta});
}

}  // namespace

TEST_SUITE("nn/rope") {
  TEST_CASE("rope_frequency: is the power of theta, rounded as published checkpoints have it") {
    CHECK(re::nn::rope_frequency(0, 128, 5e5) == 1.0F);
    for (const int head_dim : {2, 16, 96, 128}) {
      for (const double theta : {10000.0, 1e6, 5e5}) {
        for (int i = 0; i < head_dim / 2; ++i) {
          const double want = std::pow(theta, -2.0 * i / head_dim);
          // Three roundings of 6e-8; that of the exponent counts ln(theta) < 14 times.
          CHECK(std::abs(double(re::nn::rope_frequency(i, head_dim, theta)) / want - 1.0) < 16 * 6e-8);
        }
      }
    }
  }
  TEST_CASE("scaled_frequency: Llama 3.1's frequencies are those of transformers") {
    const re::nn::RopeScaling scaling{
        .factor = 8.0, .low_freq_factor = 1.0, .high_freq_factor = 4.0, .original_max_length = 8192};
    // transformers 5.24, head_dim 128, theta 500000: the 20th to the 44th, of all three kinds
    constexpr float kWant[] = {0.0165604409F,   0.0134904198F,   0.0109895291F,   0.00895225909F,  0.00729266508F,
                               0.00594073068F,  0.00483942125F,  0.00394227589F,  0.00321144611F,  0.00216657063F,
                               0.00137189368F,  0.00085675146F,  0.000524846022F, 0.00031269365F,  0.000178507791F,
                               9.55621217e-05F, 7.78465546e-05F, 6.34151438e-05F, 5.16590699e-05F, 4.20823671e-05F,
                               3.42810235e-05F, 2.79259093e-05F, 2.2748929e-05F,  1.85316694e-05F, 1.50962178e-05F};
    for (int i = 0; i < 25; ++i) {
      CAPTURE(i);
      const float frequency = re::nn::rope_frequency(20 + i, 128, 500000.0);
      CHECK(re::nn::scaled_frequency(frequency, scaling) == kWant[i]);
    }
  }
  TEST_CASE("scaled_frequency: quick frequencies stay, slow ones are divided, and those between lie between") {
    const re::nn::RopeScaling scaling{
        .factor = 5.0, .low_freq_factor = 2.0, .high_freq_factor = 8.0, .original_max_length = 1000};
    const auto turns = [](double n) { return static_cast<float>(n * 2.0 * std::numbers::pi / 1000.0); };
    CHECK(re::nn::scaled_frequency(1.0F, scaling) == 1.0F);
    CHECK(re::nn::scaled_frequency(turns(8.01), scaling) == turns(8.01));
    CHECK(re::nn::scaled_frequency(turns(1.99), scaling) == turns(1.99) / 5.0F);
    CHECK(re::nn::scaled_frequency(1e-8F, scaling) == 1e-8F / 5.0F);
    for (const double n : {2.01, 3.0, 5.0, 7.99}) {
      CAPTURE(n);
      const double share = (n - 2.0) / 6.0;
      const double want = double(turns(n)) * ((1.0 - share) / 5.0 + share);
      CHECK(std::abs(double(re::nn::scaled_frequency(turns(n), scaling)) / want - 1.0) < 1e-6);
    }
  }
  TEST_CASE("scaled_frequency: without a scaling nothing changes") {
    for (const float frequency : {1.0F, 0.3F, 1e-9F}) {
      CHECK(re::nn::scaled_frequency(frequency, {}) == frequency);
      CHECK(re::nn::scaled_frequency(frequency, {.factor = 8.0}) == frequency);  // no original length: not enabled
    }
  }
  TEST_CASE("forward: a scaling reaches the angles") {
    re::nn::EncoderConfig config = test::tiny_config();
    config.head_dim = 8;
    const re::nn::RopeScaling scaling{.factor = 4.0, .original_max_length = 64};
    const Rope rope(config, {.rope_scaling = scaling});
    const std::vector<std::int32_t> offsets = {0, 3};
    const std::vector<std::int32_t> tokens(3, 0);
    re::Arena arena;
    re::nn::Context<Cpu64> context{.arena = arena, .batch = {tokens, offsets}};
    rope.prepare(context);
    for (int i = 0; i < 4; ++i) {
      const float frequency = re::nn::scaled_frequency(re::nn::rope_frequency(i, 8, 10000.0), scaling);
      CHECK(context.rotary.sine(2, i) == std::sin(double(2.0F * frequency)));
    }
    CHECK(context.rotary.sine(2, 3) != std::sin(double(2.0F * re::nn::rope_frequency(3, 8, 10000.0))));
  }
  TEST_CASE("vjp: is the gradient of forward under a scaling") {
    re::nn::EncoderConfig config = test::tiny_config();
    const Layer layer(config, {.rope_scaling = {.factor = 4.0, .original_max_length = 20}});
    const auto report = test::check_layer(layer, layer.batch_of({2, 1, 4}));
    CHECK_MESSAGE(report.passed, report.message());
  }
  TEST_CASE_TEMPLATE("forward: equals the equation, positions counted from each sequence's start", B, Cpu32, Cpu64) {
    for (const int head_dim : {2, 8, 16, 18, 32}) {
      for (const double theta : {10000.0, 1e6}) {
        CAPTURE(head_dim);
        CAPTURE(theta);
        const Layer layer = layer_with(4, 2, head_dim, theta);
        const auto batch = layer.batch_of({3, 1, 40});
        test::LayerRun<Layer, B> run(layer, batch);
        // cosine, sine, two products and a sum: 1 rounding each
        test::check_close(run.serve(), test::reference::rope(run.x(), batch.offsets, head_dim, theta), 4.0);
      }
    }
  }
  TEST_CASE("forward: the first token of a sequence stays as it is") {
    const Layer layer = layer_with(4, 4, 8);
    const auto batch = layer.batch_of({1, 1, 1});
    test::LayerRun<Layer, Cpu64> run(layer, batch);
    CHECK(test::same_bits_of(run.serve(), run.x()));
  }
  TEST_CASE("forward: a product of query and key depends on their distance alone") {
    const Layer layer = layer_with(1, 1, 8);
    const Rope& rope = layer.transform();
    const std::vector<std::int32_t> offsets = {0, 9};
    const std::vector<std::int32_t> tokens(9, 0);
    re::Arena arena;
    re::nn::Context<Cpu64> context{.arena = arena, .batch = {tokens, offsets}};
    rope.prepare(context);
    re::Matrix<double> q(9, 8);
    re::Matrix<double> k(9, 8);
    const auto row_q = test::random_values(8, 1);
    const auto row_k = test::random_values(8, 2);
    for (re::Index t = 0; t < 9; ++t) {
      std::copy(row_q.begin(), row_q.end(), q.row(t).begin());
      std::copy(row_k.begin(), row_k.end(), k.row(t).begin());
    }
    re::nn::Nothing nothing;
    rope.forward(context, {}, q.view(), k.view(), q.view(), k.view(), nothing);
    const auto product = [&](re::Index s, re::Index t) {
      double sum = 0.0;
      for (re::Index d = 0; d < 8; ++d) {
        sum += q(s, d) * k(t, d);
      }
      return sum;
    };
    for (re::Index shift = 1; shift < 6; ++shift) {
      // angles are rounded to float: 8 of them at most, each wrong by 6e-8 of it
      CHECK(std::abs(product(3, 1) - product(3 + shift, 1 + shift)) < 1e-5);
    }
    CHECK(std::abs(product(3, 1) - product(1, 3)) > 1e-3);
  }
  TEST_CASE("vjp: is the gradient of forward, for grouped heads too") {
    for (const int kv_heads : {1, 2, 4}) {
      for (const auto& lengths : {std::vector<int>{1}, std::vector<int>{2, 1, 4}}) {
        CAPTURE(kv_heads);
        const Layer layer = layer_with(4, kv_heads, 4);
        const auto report = test::check_layer(layer, layer.batch_of(lengths));
        CHECK_MESSAGE(report.passed, report.message());
      }
    }
  }
  TEST_CASE("contract: same bits saved or not, alone or in a batch") {
    const Layer layer = layer_with(4, 2, 18);
    test::check_layer_contract_everywhere(layer, layer.batch_of({4, 1, 9}));
  }
  TEST_CASE("prepare: tables are as long as the batch, whatever position is reached") {
    const Layer layer = layer_with(1, 1, 4);
    const std::vector<std::int32_t> offsets = {0, 2, 5000};
    const std::vector<std::int32_t> tokens(5000, 0);
    re::Arena arena;
    re::nn::Context<Cpu32> context{.arena = arena, .batch = {tokens, offsets}};
    layer.transform().prepare(context);
    CHECK(context.rotary.cosine.rows() == 5000);
    CHECK(context.rotary.sine.cols() == 2);
    CHECK(context.rotary.cosine(2, 0) == 1.0F);  // position 0 of the second sequence
    CHECK(context.rotary.sine(4999, 0) == static_cast<float>(std::sin(4997.0)));
  }
  TEST_CASE("visit: there is nothing to visit") {
    CHECK(test::visited_slices(layer_with(4, 2, 8)).empty());
  }
  TEST_CASE("architecture: names the component") {
    CHECK(Rope::architecture() == "rope");
    static_assert(re::nn::HeadTransform<Rope>);
  }
}
