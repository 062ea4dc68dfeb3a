// What PyTorch computes for tiny random encoders of further families, made by families.py, and a small trained Llama.
// Pinned as in tiny_models_test.cpp; may change only with the generator.
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/xlm_roberta.hpp>

#include <doctest/doctest.h>

#include <support/golden_model.hpp>
#include <support/mistral.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::nn::kDynamic;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;

namespace {

using Qwen2 = re::model::Qwen2Encoder<>;
using BidirectionalQwen2 = re::model::BidirectionalQwen2Encoder<kDynamic, re::nn::Mean>;
using Llama = re::model::LlamaEncoder<>;
using XlmRoberta = re::model::XlmRobertaEncoder<>;

/// @param double_tolerance  of our f64: 1e-6 where the reference ran in f32
template <class Encoder>
void check_family(const std::string& name, double double_tolerance) {
  test::check_forward<Encoder, Cpu32>(name, 1e-6);
  test::check_forward<Encoder, Cpu64>(name, double_tolerance);
  test::check_alone<Encoder, Cpu32>(name);
  test::check_gradients<Encoder, Cpu32>(name, 1e-4);
  test::check_gradients<Encoder, Cpu64>(name, std::max(1e-11, 100 * double_tolerance));
}

/// Every pooling of the last hidden states.
template <class Mean, class Cls, class Last>
void check_poolings(const std::string& name) {
  test::check_pooled<Mean, Cpu32>(name, 1e-5);
  test::check_pooled<Cls, Cpu32>(name, 1e-5);
  test::check_pooled<Last, Cpu32>(name, 1e-5);
}

/// How far the first token's state moves when the third and last token becomes another.
template <class Encoder>
double first_state_changes(const std::string& name) {
  const test::Golden<Encoder, Cpu64> golden(name);
  const std::vector<std::int32_t> tokens = {3, 4, 5, 3, 4, 6};
  const std::vector<std::int32_t> offsets = {0, 3, 6};
  const Matrix<double> states = test::embed(golden, {.tokens = tokens, .offsets = offsets});
  double change = 0.0;
  for (Index d = 0; d < states.cols(); ++d) {
    change = std::max(change, std::abs(states(0, d) - states(1, d)));
  }
  return change;
}

}  // namespace

TEST_SUITE("golden/families") {
  TEST_CASE("Qwen2: vectors, states and gradients are PyTorch's") {
    check_family<Qwen2>("tiny_qwen2", 1e-6);
    using re::model::Qwen2Encoder;
    check_poolings<Qwen2Encoder<kDynamic, re::nn::Mean>, Qwen2Encoder<kDynamic, re::nn::Cls>, Qwen2>("tiny_qwen2");
  }
  TEST_CASE("Qwen2 seeing the whole text: vectors, states and gradients are PyTorch's") {
    check_family<BidirectionalQwen2>("tiny_qwen2_bidirectional", 1e-6);
    using re::model::BidirectionalQwen2Encoder;
    check_poolings<BidirectionalQwen2,
                   BidirectionalQwen2Encoder<kDynamic, re::nn::Cls>,
                   BidirectionalQwen2Encoder<kDynamic, re::nn::LastToken>>("tiny_qwen2_bidirectional");
  }
  TEST_CASE("Qwen2: what stands behind a token changes it in the bidirectional form alone") {
    CHECK(first_state_changes<re::model::Qwen2Encoder<kDynamic, re::nn::Cls>>("tiny_qwen2") == 0.0);
    CHECK(first_state_changes<re::model::BidirectionalQwen2Encoder<kDynamic, re::nn::Cls>>("tiny_qwen2_bidirectional") >
          1e-3);
  }
  TEST_CASE("Llama: vectors, states and gradients are PyTorch's") {
    check_family<Llama>("tiny_llama", 1e-6);
    using re::model::LlamaEncoder;
    check_poolings<LlamaEncoder<kDynamic, re::nn::Mean>, LlamaEncoder<kDynamic, re::nn::Cls>, Llama>("tiny_llama");
  }
  TEST_CASE("Llama 3.1: vectors, states and gradients are PyTorch's, three times beyond the original length") {
    const test::Golden<Llama, Cpu32> golden("tiny_llama3");
    CHECK(golden.description.options.rope_scaling.original_max_length == 64);
    CHECK(golden.offsets[4] - golden.offsets[3] == 200);
    check_family<Llama>("tiny_llama3", 2e-6);
    using re::model::LlamaEncoder;
    check_poolings<LlamaEncoder<kDynamic, re::nn::Mean>, LlamaEncoder<kDynamic, re::nn::Cls>, Llama>("tiny_llama3");
  }
  TEST_CASE("Llama 3.1: without its scaling the vectors would be others") {
    test::Golden<Llama, Cpu32> golden("tiny_llama3");
    re::nn::EncoderOptions options = golden.description.options;
    options.rope_scaling = {};
    golden.encoder = Llama(golden.description.config, options);
    const Matrix<float> got = test::embed(golden, golden.batch());
    CHECK(test::largest_difference(got, golden.read("embeddings", got.rows(), got.cols())) > 1e-3);
  }
  TEST_CASE("XLM-R: vectors, states and gradients are PyTorch's") {
    check_family<XlmRoberta>("tiny_xlm_roberta", 1e-13);
    using re::model::XlmRobertaEncoder;
    check_poolings<XlmRoberta,
                   XlmRobertaEncoder<kDynamic, re::nn::Cls>,
                   XlmRobertaEncoder<kDynamic, re::nn::LastToken>>("tiny_xlm_roberta");
  }
  TEST_CASE("Mistral, added by a program of one's own: vectors and gradients are PyTorch's") {
    const re::model::DirectoryOptions said{.families = {mistral::family()}};
    test::check_forward<mistral::Encoder<>, Cpu32>("tiny_mistral", 1e-6, said);
    test::check_gradients<mistral::Encoder<>, Cpu32>("tiny_mistral", 1e-4, said);
    CHECK(re::model::read_encoder_description(test::source_path("tests/golden/tiny_mistral"), said).config.max_length ==
          16);
    CHECK_THROWS_AS((void)re::model::read_encoder_description(test::source_path("tests/golden/tiny_mistral")),
                    re::ConfigError);
  }
  TEST_CASE("BERT and Qwen3: states are PyTorch's") {
    using re::model::BertEncoder;
    check_poolings<BertEncoder<>, BertEncoder<kDynamic, re::nn::Cls>, BertEncoder<kDynamic, re::nn::LastToken>>(
        "tiny_bert");
    using re::model::Qwen3Encoder;
    check_poolings<Qwen3Encoder<kDynamic, re::nn::Mean>, Qwen3Encoder<kDynamic, re::nn::Cls>, Qwen3Encoder<>>(
        "tiny_qwen3");
    test::check_alone<BertEncoder<>, Cpu32>("tiny_bert");
    test::check_alone<Qwen3Encoder<>, Cpu32>("tiny_qwen3");
  }
}

TEST_SUITE("golden/llama_files") {
  TEST_CASE("load_weights: a Llama in bfloat16 with its language model's head loads, and computes numbers") {
    const auto directory = test::find_data("tiny-models/verl-arithmetic-llama-random");
    if (!directory) {
      return;
    }
    const auto description = re::model::read_encoder_description(*directory);
    CHECK(description.family.model_type == "llama");
    CHECK(description.config.layers == 4);
    const Llama encoder(description.config, description.options);
    const auto file = re::io::ShardedSafeTensors::open(*directory);
    CHECK(file.tensor("lm_head.weight").dtype == re::io::DType::kBf16);
    const auto weights =
        re::model::load_weights<Cpu32>(encoder, description.family, file, re::model::Residency::kServe);
    const std::vector<std::int32_t> tokens = {0, 5, 15, 7, 7};
    const std::vector<std::int32_t> offsets = {0, 1, 5};
    re::Arena arena;
    re::nn::Context<Cpu32> context{.arena = arena, .batch = {tokens, offsets}};
    Matrix<float> vectors(2, encoder.dim());
    re::nn::Nothing nothing;
    encoder.forward(context, weights, vectors.view(), nothing);
    CHECK(re::simd::first_non_finite(vectors.row(0)) < 0);
    CHECK(re::simd::first_non_finite(vectors.row(1)) < 0);
  }
  TEST_CASE("baby llama: the arg-max of 200 positions is transformers'") {
    const auto checkpoint = test::find_data("tiny-models/babyllama-tok105/model5000.bin");
    if (!checkpoint) {
      return;
    }
    const test::Scratch scratch;
    const std::string command = "PYTHONDONTWRITEBYTECODE=1 python3 '" +
                                test::source_path("tests/golden/llama2c_to_hf.py").string() + "' '" +
                                checkpoint->string() + "' '" + (scratch / "model").string() + "'";
    if (std::system("python3 -c pass") != 0) {
      MESSAGE("SKIPPED: there is no python3 to convert the checkpoint");
      return;
    }
    REQUIRE(std::system(command.c_str()) == 0);
    const auto description = re::model::read_encoder_description(scratch / "model", {.normalize = false});
    const Llama encoder(description.config, description.options);
    const auto file = re::io::ShardedSafeTensors::open(scratch / "model");
    const auto weights =
        re::model::load_weights<Cpu32>(encoder, description.family, file, re::model::Residency::kServe);
    const re::io::Json golden = re::io::read_json(test::source_path("tests/golden/baby_llama.json"));
    const auto tokens = golden["tokens"].get<std::vector<std::int32_t>>();
    const auto want = golden["argmax"].get<std::vector<Index>>();
    REQUIRE(tokens.size() == 200);

    // The last state of every beginning of the text: 200 sequences of 1 to 200 tokens.
    std::vector<std::int32_t> all;
    std::vector<std::int32_t> offsets = {0};
    for (std::size_t length = 1; length <= tokens.size(); ++length) {
      all.insert(all.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(length));
      offsets.push_back(static_cast<std::int32_t>(all.size()));
    }
    re::Arena arena;
    re::nn::Context<Cpu32> context{.arena = arena, .batch = {all, offsets}};
    Matrix<float> states(200, encoder.dim());
    re::nn::Nothing nothing;
    encoder.forward(context, weights, states.view(), nothing);

    Matrix<float> head(encoder.config().vocab, encoder.dim());
    file.read("lm_head.weight", head.view());
    std::vector<Index> got;
    for (Index t = 0; t < states.rows(); ++t) {
      std::vector<double> logits;
      for (Index token = 0; token < head.rows(); ++token) {
        double logit = 0.0;
        for (Index d = 0; d < head.cols(); ++d) {
          logit += double(head(token, d)) * double(states(t, d));
        }
        logits.push_back(logit);
      }
      got.push_back(std::max_element(logits.begin(), logits.end()) - logits.begin());
    }
    CHECK(got == want);
  }
}
