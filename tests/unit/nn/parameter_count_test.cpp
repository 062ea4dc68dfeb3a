#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/nn/parameter_count.hpp>

#include <doctest/doctest.h>

namespace re = reasonembed;
using re::nn::parameter_count;

TEST_SUITE("nn/parameter_count") {
  TEST_CASE("parameter_count: published models have the published numbers") {
    // As transformers counts them: sum(p.numel() for p in model.parameters()), BERT's pooler left out.
    CHECK(parameter_count(re::model::BertEncoder<>(re::model::kMiniLmL6)) == 22'565'376);
    CHECK(parameter_count(re::model::BertEncoder<>(re::model::kBertBase)) == 108'891'648);
    CHECK(parameter_count(re::model::Qwen3Encoder<>(re::model::kQwen3_0_6B)) == 596'049'920);
  }
  TEST_CASE("parameter_count: every tensor of the smallest encoder is counted once") {
    constexpr re::nn::EncoderConfig kSizes{
        .vocab = 3, .dim = 2, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 2, .mlp_dim = 1, .max_length = 1};
    // token table 6; norms 2 + 2 + 2; q, k, v, output 4 each; head norms 2 + 2; gate, up, down 2 each
    CHECK(parameter_count(re::model::Qwen3Encoder<>(kSizes)) == 6 + 6 + 16 + 4 + 6);
    re::nn::EncoderConfig deeper = kSizes;
    deeper.layers = 3;
    CHECK(parameter_count(re::model::Qwen3Encoder<>(deeper)) == 6 + 2 + 3 * (4 + 16 + 4 + 6));
    deeper.qkv_bias = true;
    deeper.linear_bias = true;  // biases of q, k, v: 6; of output 2, gate, up 1 each, down 2
    CHECK(parameter_count(re::model::Qwen3Encoder<>(deeper)) == 6 + 2 + 3 * (4 + 16 + 4 + 6 + 6 + 6));
  }
}
