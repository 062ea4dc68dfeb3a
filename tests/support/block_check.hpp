#pragma once
/// @file What the tests of both transformer blocks share: sizes, batches, and the checks every block passes.
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/gelu_mlp.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>
#include <support/layer_run.hpp>

#include <vector>

namespace test::block {

inline const re::nn::EncoderOptions kOptions{.norm_eps = 0.5};  // third derivatives grow as norm_eps shrinks
inline const re::nn::EncoderOptions kDropping{.norm_eps = 0.5, .dropout = 0.3};

inline re::nn::EncoderConfig sizes(int kv_heads, bool bias) {
  re::nn::EncoderConfig config = tiny_config();
  config.kv_heads = kv_heads;
  config.qkv_bias = bias;
  config.linear_bias = bias;
  return config;
}

inline LayerCase batch_of(std::vector<int> lengths, bool training = false) {
  return {.offsets = offsets_of(lengths), .inputs = 6, .outputs = 6, .dropout = {.training = training, .seed = 5}};
}

/// A feed-forward layer that only serves.
class Untrainable : public re::nn::GeluMlp {
 public:
  using re::nn::GeluMlp::GeluMlp;
  template <class... Arguments>
  void vjp(Arguments&&...) const = delete;
};

/// The vjp is the gradient of forward: grouped heads, with and without bias, while dropout is active.
template <class Block>
void check_gradients() {
  struct Case {
    int kv_heads;
    bool bias;
    std::vector<int> lengths;
  };
  for (const Case& one : {Case{2, true, {2, 1}}, {1, false, {1}}, {4, false, {3}}}) {
    CAPTURE(one.kv_heads);
    CAPTURE(one.bias);
    const auto report = check_layer(Block(sizes(one.kv_heads, one.bias), kOptions), batch_of(one.lengths));
    CHECK_MESSAGE(report.passed, report.message());
  }
  const auto report = check_layer(Block(sizes(2, true), kDropping), batch_of({3, 1}, true));
  CHECK_MESSAGE(report.passed, report.message());
}

/// Same bits saved or not, alone or in a batch, and gradients that add up, while dropout is active too.
template <class Block>
void check_contract() {
  check_layer_contract_everywhere(Block(sizes(2, true), kOptions), batch_of({4, 1, 9}));
  check_layer_contract_everywhere(Block(sizes(1, false), kOptions), batch_of({1}));
  check_layer_contract_everywhere(Block(sizes(2, true), kDropping), batch_of({4, 1, 9}, true));
}

/// Dropout changes a training pass alone.
template <class Block>
void check_dropout_trains_only() {
  const Block dropping(sizes(2, true), kDropping);
  const Block undropped(sizes(2, true), kOptions);
  LayerRun<Block, Cpu32> serving(dropping, batch_of({3}));
  LayerRun<Block, Cpu32> without(undropped, batch_of({3}));
  LayerRun<Block, Cpu32> training(dropping, batch_of({3}, true));
  const auto want = without.serve();
  CHECK(same_bits_of(serving.serve(), want));
  CHECK_FALSE(same_bits_of(training.serve(), want));
}

}  // namespace test::block
