#include <reasonembed/model/any_text_encoder.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>
#include <support/training.hpp>

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::model::AnyTextEncoder;
using Cpu = re::backend::Cpu<float>;
template <class Encoder>
using Model = re::model::TextEncoder<Encoder, Cpu>;

static_assert(re::retrieval::TextEmbedder<AnyTextEncoder<>>);
static_assert(re::retrieval::TextEmbedder<AnyTextEncoder<re::backend::Cpu<re::bf16>>>);
static_assert(std::is_nothrow_move_constructible_v<AnyTextEncoder<>> &&
              !std::is_copy_constructible_v<AnyTextEncoder<>>);

namespace {

const std::vector<std::string> kTexts = {"a", "why does salt draw water?", "two words"};

template <class Encoder>
Model<Encoder> saved(const std::filesystem::path& place, const re::nn::EncoderConfig& config) {
  auto model = test::random_model<Model<Encoder>>(
      config, {.norm_eps = 1e-6}, {.threads = 1, .residency = re::model::Residency::kTrain});
  model.save(place);
  return model;
}

/// Whether the directory of a model gives its vectors when nobody names its type.
template <class Encoder>
void check_family(const re::nn::EncoderConfig& config) {
  const test::Scratch scratch;
  const auto model = saved<Encoder>(scratch / "model", config);
  const auto any = AnyTextEncoder<>::load(scratch / "model", {.threads = 2});
  const std::vector<std::string_view> views(kTexts.begin(), kTexts.end());
  CHECK(any.dim() == model.dim());
  CHECK(any.pool().size() == 2);
  CHECK(test::same_bits<float>(any.encode_query(views).flat(), model.encode_query(kTexts).flat()));
  CHECK(test::same_bits<float>(any.encode_document(kTexts).flat(), model.encode_document(kTexts).flat()));
  re::Matrix<float> out(3, any.dim());
  re::Progress progress("encode", 3, {.silent = true});
  CHECK(any.encode(any.document_role(), views, out.view(), &progress) == (1 + 25 + 9) + 3);  // bytes, and three ends
  CHECK(progress.done() == 3);
}

}  // namespace

TEST_SUITE("model/any_text_encoder") {
  TEST_CASE("load: every family and pooling gives the vectors of its TextEncoder, to the bit") {
    constexpr auto kDynamic = re::nn::kDynamic;
    check_family<re::model::BertEncoder<>>(test::kByteBert);
    check_family<re::model::BertEncoder<kDynamic, re::nn::Cls>>(test::kByteBert);
    check_family<re::model::Qwen3Encoder<>>(test::kByteQwen3);
    check_family<re::model::BidirectionalQwen3Encoder<kDynamic, re::nn::Mean>>(test::kByteQwen3);
    check_family<re::model::LlamaEncoder<>>(test::kByteQwen3);
    check_family<re::model::BidirectionalLlamaEncoder<kDynamic, re::nn::Mean>>(test::kByteQwen3);
  }
  TEST_CASE("load: a directory that does not say its pooling needs a word of the caller") {
    const test::Scratch scratch;
    const auto model = saved<re::model::Qwen3Encoder<>>(scratch / "model", test::kByteQwen3);
    std::filesystem::remove(scratch / "model/reasonembed_contract.json");
    std::filesystem::remove(scratch / "model/modules.json");
    std::filesystem::remove_all(scratch / "model/1_Pooling");
    CHECK_THROWS_WITH_AS(
        (void)AnyTextEncoder<>::load(scratch / "model"),
        ((scratch / "model").string() + ": pooling is said by nobody, expected mean, cls or lasttoken").c_str(),
        re::ConfigError);
    CHECK_THROWS_WITH_AS((void)AnyTextEncoder<>::load(scratch / "model", {}, {}, "max"),
                         ((scratch / "model").string() + ": pooling is max, expected mean, cls or lasttoken").c_str(),
                         re::ConfigError);
    const auto any = AnyTextEncoder<>::load(scratch / "model", {.threads = 1}, {}, "lasttoken");
    CHECK(test::same_bits<float>(any.encode_document(kTexts).flat(), model.encode_document(kTexts).flat()));
  }
  TEST_CASE("load: the caller and the directory must agree on the pooling") {
    const test::Scratch scratch;
    (void)saved<re::model::Qwen3Encoder<>>(scratch / "model", test::kByteQwen3);
    CHECK_THROWS_WITH_AS((void)AnyTextEncoder<>::load(scratch / "model", {}, {}, "mean"),
                         ((scratch / "model").string() + ": pooling is lasttoken, expected mean").c_str(),
                         re::ConfigError);
    CHECK(AnyTextEncoder<>::load(scratch / "model", {.threads = 1}, {}, "lasttoken").dim() == 16);
  }
  TEST_CASE("load: an unknown family, and no directory, are refused as by TextEncoder") {
    const test::Scratch scratch;
    (void)saved<re::model::Qwen3Encoder<>>(scratch / "model", test::kByteQwen3);
    test::replace_in(scratch / "model/config.json", "\"qwen3\"", "\"gpt9\"");
    CHECK_THROWS_AS((void)AnyTextEncoder<>::load(scratch / "model"), re::ConfigError);
    CHECK_THROWS_AS((void)AnyTextEncoder<>::load(scratch / "nowhere"), re::IoError);
  }
  TEST_CASE("load: a pooling that no published model of the family has is refused") {
    const test::Scratch scratch;
    (void)saved<re::model::BertEncoder<re::nn::kDynamic, re::nn::LastToken>>(scratch / "model", test::kByteBert);
    CHECK_THROWS_WITH_AS((void)AnyTextEncoder<>::load(scratch / "model"),
                         ((scratch / "model").string() +
                          ": pooling is lasttoken of a bert, expected mean; cls of the BERT family, lasttoken of "
                          "decoders")
                             .c_str(),
                         re::ConfigError);
  }
  TEST_CASE("load: static embeddings give the vectors of StaticEncoder, to the bit") {
    const auto place = test::source_path("tests/golden/tiny_static");
    const auto model = re::model::StaticEncoder::load(place, {.threads = 1});
    const auto any = AnyTextEncoder<>::load(place, {.threads = 2});
    const std::vector<std::string_view> views(kTexts.begin(), kTexts.end());
    CHECK(any.dim() == 6);
    CHECK(any.pool().size() == 2);
    CHECK(test::same_bits<float>(any.encode_query(views).flat(), model.encode_query(kTexts).flat()));
    CHECK(test::same_bits<float>(any.encode_document(kTexts).flat(), model.encode_document(kTexts).flat()));
    CHECK(AnyTextEncoder<>::load(place, {.threads = 1, .truncate_dim = 2}, {}, "mean").dim() == 2);
    const auto prompted = AnyTextEncoder<>::load(place, {.threads = 1}, {.query_prompt = "salt "});
    CHECK(prompted.query_role().prompt == "salt ");
    CHECK(prompted.query_role().max_tokens == 0);
  }
  TEST_CASE("load: what static embeddings don't have is refused") {
    const auto place = test::source_path("tests/golden/tiny_static");
    CHECK_THROWS_WITH_AS(
        (void)AnyTextEncoder<>::load(place, {}, {}, "cls"),
        (place.string() + ": pooling is cls, expected mean, the only one of static embeddings").c_str(),
        re::ConfigError);
    CHECK_THROWS_AS((void)AnyTextEncoder<>::load(place, {}, {.query_max_tokens = 5}), re::ConfigError);
    CHECK(AnyTextEncoder<>::load(place, {.threads = 1}, {.query_max_tokens = 5, .document_max_tokens = 5})
              .document_role()
              .max_tokens == 5);
    CHECK_THROWS_AS((void)AnyTextEncoder<>::load(place, {.verify = re::model::Verify::kFull}),
                    re::model::ContractError);
  }
}
