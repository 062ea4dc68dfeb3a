// What PyTorch computes for the tiny encoders when their weights are bfloat16, made by bfloat16.py. Pinned, because a
// store that loses more than its rounding still gives vectors that look right. May change only with the generator.
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/xlm_roberta.hpp>

#include <doctest/doctest.h>

#include <support/golden_model.hpp>
#include <support/mistral.hpp>
#include <support/tiny_encoder.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::model::Residency;
using Cpu16 = re::backend::Cpu<re::bf16>;
using test::least_cosine;

template <class Encoder, class B = Cpu16>
using Tiny = test::TinyEncoder<Encoder, B>;

namespace {

/// Texts of 1, 2, 7, the most and about half of the most tokens, in one batch and each by itself.
template <class Encoder>
void check_family(const std::string& name, const re::model::DirectoryOptions& said = {}) {
  const Tiny<Encoder> family(name, Residency::kServe, said);
  CAPTURE(name);
  REQUIRE(family.offsets.size() == 6);
  CHECK(family.offsets[4] - family.offsets[3] == family.encoder.config().max_length);
  const Matrix<float> got = family.embed(family.tokens, family.offsets);
  CHECK(test::largest_difference(got, family.read("stored")) <= 1e-6);  // a few hundred roundings of 6e-8, as in f32
  CHECK(least_cosine(got, family.read("float32")) >= 0.9999);
  // That model rounds every activation too: its own cosine with float32 is down to 0.99987.
  CHECK(least_cosine(got, family.read("bfloat16")) >= 0.9998);
  for (std::size_t b = 0; b + 1 < family.offsets.size(); ++b) {
    const std::int32_t length = family.offsets[b + 1] - family.offsets[b];
    const std::vector<std::int32_t> ends = {0, length};
    const auto ids =
        std::span(family.tokens).subspan(static_cast<std::size_t>(family.offsets[b]), static_cast<std::size_t>(length));
    const Matrix<float> alone = family.embed(ids, ends);
    CHECK(std::equal(alone.flat().begin(), alone.flat().end(), got.row(static_cast<Index>(b)).begin()));
  }
  // Rounded activations: as far from float32 as PyTorch's, and the same vector alone.
  const Tiny<Encoder, re::backend::Cpu<re::bf16, re::bf16>> rounding(name, Residency::kServe, said);
  const Matrix<float> rounded = rounding.embed(family.tokens, family.offsets);
  CHECK(least_cosine(rounded, family.read("float32")) >= 0.9997);
  CHECK(least_cosine(rounded, family.read("bfloat16")) >= 0.9997);
  CHECK(least_cosine(rounded, got) < 1.0);
  const std::vector<std::int32_t> first = {0, family.offsets[1]};
  const Matrix<float> alone = rounding.embed(std::span(family.tokens).first(static_cast<std::size_t>(first[1])), first);
  CHECK(std::equal(alone.flat().begin(), alone.flat().end(), rounded.row(0).begin()));
  const Tiny<Encoder> unpacked(name, Residency::kTrain, said);
  const Matrix<float> same = unpacked.embed(family.tokens, family.offsets);
  CHECK(std::equal(same.flat().begin(), same.flat().end(), got.flat().begin()));
}

}  // namespace

TEST_SUITE("golden/bfloat16") {
  TEST_CASE(
      "BERT and XLM-R: vectors are PyTorch's for rounded weights, and those of float32 within a cosine of 0.9999") {
    check_family<re::model::BertEncoder<>>("bert");
    check_family<re::model::XlmRobertaEncoder<>>("xlm_roberta");
  }
  TEST_CASE("Qwen3 and Qwen2: the same, causal and bidirectional") {
    check_family<re::model::Qwen3Encoder<>>("qwen3");
    check_family<re::model::Qwen2Encoder<>>("qwen2");
    check_family<re::model::BidirectionalQwen2Encoder<re::nn::kDynamic, re::nn::Mean>>("qwen2_bidirectional");
  }
  TEST_CASE("Llama: the same, with scaled rotary frequencies, and in a family of one's own") {
    check_family<re::model::LlamaEncoder<>>("llama");
    check_family<re::model::LlamaEncoder<>>("llama3");
    check_family<mistral::Encoder<>>("mistral", {.families = {mistral::family()}});
  }
}
