#include <reasonembed/model/byte_decoder.hpp>

#include <doctest/doctest.h>

#include <support/training.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::model::kByteDecoder;
using re::model::Qwen3;
using re::model::random_byte_decoder;

namespace {
constexpr re::nn::EncoderConfig kTiny{
    .vocab = 258, .dim = 16, .layers = 1, .heads = 2, .kv_heads = 1, .head_dim = 8, .mlp_dim = 24, .max_length = 16};
}

TEST_SUITE("model/byte_decoder") {
  TEST_CASE("random_byte_decoder: has the size that is stated, half a million parameters") {
    const Qwen3 model = random_byte_decoder(1, {.threads = 1, .residency = re::model::Residency::kTrain});
    CHECK(model.dim() == 128);
    CHECK(model.encoder().config() == kByteDecoder);
    CHECK(model.query_role().max_tokens == 1024);
    CHECK(model.query_role().prompt.empty());
    CHECK(model.document_role().prompt.empty());
    const std::size_t count = test::weights_of(model).size();
    CHECK(count > 400'000);
    CHECK(count < 600'000);
  }
  TEST_CASE("random_byte_decoder: the weights are a function of the seed alone") {
    const auto weights = [](std::uint64_t seed, int threads) {
      return test::weights_of(
          random_byte_decoder(seed, {.threads = threads, .residency = re::model::Residency::kTrain}, kTiny));
    };
    const std::vector<float> first = weights(1, 1);
    CHECK(test::same_bits(weights(1, 2), first));
    CHECK_FALSE(test::same_bits(weights(2, 1), first));
    CHECK_FALSE(test::same_bits(weights(0, 1), first));
  }
  TEST_CASE("random_byte_decoder: a text's vector has unit length and is that of its last token") {
    const Qwen3 model = random_byte_decoder(1, {.threads = 1}, kTiny);
    const Matrix<float> vectors = model.encode_document({"", "a", "salt water", "\xE2\x82\xAC"});
    for (Index i = 0; i < vectors.rows(); ++i) {
      CAPTURE(i);
      double norm = 0.0;
      for (const float value : vectors.row(i)) {
        norm += double(value) * double(value);
      }
      CHECK(std::abs(norm - 1.0) <= 16 * 1.2e-7);  // 16 products of relative error eps
    }
    CHECK_FALSE(test::same_bits<float>(vectors.row(1), vectors.row(2)));
  }
  TEST_CASE("random_byte_decoder: a long text keeps its beginning and the token that ends it") {
    const Qwen3 model = random_byte_decoder(1, {.threads = 1}, kTiny);
    const Matrix<float> vectors = model.encode_query({"0123456789abcdefgh", "0123456789abcde"});
    CHECK(test::same_bits<float>(vectors.row(0), vectors.row(1)));  // 16 tokens with [END]
  }
  TEST_CASE("random_byte_decoder: sizes that can't be are refused") {
    re::nn::EncoderConfig few = kTiny;
    few.vocab = 257;
    CHECK_THROWS_WITH_AS((void)random_byte_decoder(1, {.threads = 1}, few),
                         "model::TextEncoder: size of the tokenizer's vocabulary is 258, expected at most vocab 257",
                         re::ConfigError);
    re::nn::EncoderConfig odd = kTiny;
    odd.kv_heads = 3;
    CHECK_THROWS_AS((void)random_byte_decoder(1, {.threads = 1}, odd), re::ConfigError);
  }
  TEST_CASE("random_byte_decoder: without options it is one that serves, and can be made trainable") {
    Qwen3 model = random_byte_decoder(3, {.threads = 1}, kTiny);
    const std::vector<float> want =
        test::weights_of(random_byte_decoder(3, {.threads = 1, .residency = re::model::Residency::kTrain}, kTiny));
    CHECK(test::weights_of(model).size() < want.size());
    model.make_trainable();
    CHECK(test::same_bits(test::weights_of(model), want));
  }
}
