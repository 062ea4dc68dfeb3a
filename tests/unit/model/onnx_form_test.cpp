#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/onnx_form.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <support/onnx_models.hpp>

#include <string>

namespace re = reasonembed;
using re::nn::kDynamic;
using test::kOnnxSizes;
using test::onnx_difference;
using test::onnx_model;

namespace {

// A few hundred roundings of 6e-8 each; the file is computed in double, the encoder in float.
constexpr double kTolerance = 2e-6;

re::nn::EncoderConfig bert_sizes(int type_vocab = 2, int position_offset = 0) {
  re::nn::EncoderConfig config = kOnnxSizes;
  config.kv_heads = config.heads;
  config.head_dim = 4;
  config.type_vocab = type_vocab;
  config.position_offset = position_offset;
  config.qkv_bias = true;
  config.linear_bias = true;
  return config;
}

}  // namespace

TEST_SUITE("model/onnx_form") {
  TEST_CASE("BERT: with token types, without them, and with positions that begin later") {
    using Bert = re::model::BertEncoder<>;
    CHECK(onnx_difference(onnx_model<Bert>(bert_sizes())) <= kTolerance);
    CHECK(onnx_difference(onnx_model<Bert>(bert_sizes(0))) <= kTolerance);
    CHECK(onnx_difference(onnx_model<Bert>(bert_sizes(1, 3))) <= kTolerance);
  }
  TEST_CASE("BERT: first and last token, and vectors of any length") {
    using re::model::BertEncoder;
    CHECK(onnx_difference(onnx_model<BertEncoder<kDynamic, re::nn::Cls>>(bert_sizes())) <= kTolerance);
    CHECK(onnx_difference(onnx_model<BertEncoder<kDynamic, re::nn::LastToken>>(
              bert_sizes(), {.norm_eps = 1e-12, .normalize = false})) <= kTolerance);
  }
  TEST_CASE("Qwen3: heads in groups, their norms and a wide or narrow head") {
    using Qwen3 = re::model::Qwen3Encoder<>;
    for (const int kv_heads : {1, 2, 4}) {
      CAPTURE(kv_heads);
      re::nn::EncoderConfig config = kOnnxSizes;
      config.kv_heads = kv_heads;
      config.head_dim = kv_heads == 4 ? 2 : 6;
      CHECK(onnx_difference(onnx_model<Qwen3>(config, {.norm_eps = 1e-6, .rope_theta = 1e6})) <= kTolerance);
    }
  }
  TEST_CASE("Qwen2: causal and seeing the whole text, with biases") {
    re::nn::EncoderConfig config = kOnnxSizes;
    config.qkv_bias = true;
    CHECK(onnx_difference(onnx_model<re::model::Qwen2Encoder<>>(config)) <= kTolerance);
    CHECK(onnx_difference(onnx_model<re::model::BidirectionalQwen2Encoder<kDynamic, re::nn::Mean>>(config)) <=
          kTolerance);
    CHECK(onnx_difference(onnx_model<re::model::BidirectionalQwen2Encoder<>>(config)) <= kTolerance);
  }
  TEST_CASE("Llama: scaled frequencies, and every pooling") {
    const re::nn::EncoderOptions scaled{
        .norm_eps = 1e-5, .rope_theta = 100.0, .rope_scaling = {.factor = 8.0, .original_max_length = 16}};
    CHECK(onnx_difference(onnx_model<re::model::LlamaEncoder<>>(kOnnxSizes, scaled)) <= kTolerance);
    CHECK(onnx_difference(onnx_model<re::model::LlamaEncoder<kDynamic, re::nn::Mean>>(kOnnxSizes, scaled)) <=
          kTolerance);
    CHECK(onnx_difference(onnx_model<re::model::LlamaEncoder<kDynamic, re::nn::Cls>>(kOnnxSizes, scaled)) <=
          kTolerance);
  }
  TEST_CASE("one's own composition of the library's parts has a form, too") {
    using Block = re::nn::
        PreNormBlock<re::nn::LayerNorm, re::nn::BidirectionalAttention<re::nn::Rope, re::nn::QkNorm>, re::nn::GeluMlp>;
    using Encoder = re::nn::Encoder<kDynamic, Block, re::nn::Mean>;
    re::nn::EncoderConfig config = kOnnxSizes;
    config.linear_bias = true;
    const auto model = onnx_model<Encoder>(config);
    CHECK(onnx_difference(model) <= kTolerance);
    const std::string bytes = test::onnx_bytes(model);
    CHECK(test::OnnxFile(bytes).tensor("blocks.1.attention.q.weight").shape ==
          std::vector<std::int64_t>{24, 12});  // no published family has other names for it
  }
  TEST_CASE("the comparison finds a wrong form: another epsilon, theta or pooling is seen") {
    const auto model = onnx_model<re::model::LlamaEncoder<>>(kOnnxSizes);
    const std::string bytes = test::onnx_bytes(model);
    const test::OnnxFile file(bytes);
    const auto texts = test::id_texts(40);
    const auto got = test::OnnxInterpreter(file).run(test::padded(texts, false)).at("sentence_embedding");
    const auto differs = [&](const auto& other) {
      const auto expected = test::own_vectors(other, texts);
      double worst = 0.0;
      for (std::size_t i = 0; i < got.values.size(); ++i) {
        worst = std::max(worst, std::abs(got.values[i] - expected.flat()[i]));
      }
      return worst;
    };
    CHECK(differs(onnx_model<re::model::LlamaEncoder<>>(kOnnxSizes, {.norm_eps = 1e-3})) > 1e-4);
    CHECK(differs(onnx_model<re::model::LlamaEncoder<>>(kOnnxSizes, {.norm_eps = 1e-5, .rope_theta = 9999.0})) > 1e-6);
    CHECK(differs(onnx_model<re::model::LlamaEncoder<kDynamic, re::nn::Mean>>(kOnnxSizes)) > 1e-2);
  }
}
