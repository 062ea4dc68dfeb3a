#include <reasonembed/model/memory_plan.hpp>
#include <reasonembed/model/registry.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::model::MemoryPlan;
using re::model::plan_memory;
using Cpu16 = re::backend::Cpu<re::bf16>;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;

namespace {

constexpr re::nn::EncoderConfig kSizes{
    .vocab = 300, .dim = 48, .layers = 3, .heads = 4, .kv_heads = 2, .head_dim = 20, .mlp_dim = 130, .max_length = 400};

/// Bytes of what an encoder's parameters hold, one by one.
template <class B, class Encoder>
std::size_t held_bytes(const Encoder& encoder) {
  auto weights = re::model::random_weights<B>(encoder, 1, 0.02, re::model::Residency::kServe);
  std::size_t bytes = 0;
  encoder.visit_weights(weights, [&](const auto& weight) {
    using Store = typename std::remove_cvref_t<decltype(weight)>::Store;
    const re::simd::PackedMatrix<Store> like(weight.rows(), weight.cols());
    bytes += like.bytes();
  });
  encoder.visit(weights, [&](const auto& slice) {
    using T = typename decltype(slice.values)::Element;
    bytes += (static_cast<std::size_t>(slice.values.size()) * sizeof(T) + 63) / 64 * 64;
  });
  return bytes;
}

/// What the arena of one thread takes when the real backend computes a chunk of `texts` texts of `length` tokens.
template <class B, class Encoder>
std::size_t arena_bytes(const Encoder& encoder, Index texts, Index length) {
  const auto weights = re::model::random_weights<B>(encoder, 1, 0.02, re::model::Residency::kServe);
  re::Arena arena;
  {
    const re::ArenaScope scope(arena);
    const auto tokens = arena.allocate<std::int32_t>(texts * length);
    const auto offsets = arena.allocate<std::int32_t>(texts + 1);
    std::fill(tokens.begin(), tokens.end(), 7);
    for (Index i = 0; i <= texts; ++i) {
      offsets[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i * length);
    }
    re::nn::Context<B> context{.arena = arena, .batch = {.tokens = tokens, .offsets = offsets}};
    re::Matrix<typename B::Scalar> embeddings(texts, encoder.dim());
    re::nn::Nothing nothing;
    encoder.forward(context, weights, embeddings.view(), nothing);
  }
  return arena.peak();
}

}  // namespace

TEST_SUITE("model/memory_plan") {
  TEST_CASE_TEMPLATE("plan_memory: is what weights and one chunk take, to the byte", B, Cpu32, Cpu16, Cpu64) {
    const auto check = [](const auto& encoder) {
      for (const Index chunk : {1, 400, 800}) {
        CAPTURE(chunk);
        const MemoryPlan plan = plan_memory<B>(encoder, 1, chunk);
        CHECK(plan.weights == held_bytes<B>(encoder));
        CHECK(plan.activations ==
              arena_bytes<B>(encoder, std::max<Index>(chunk / 400, 1), std::min<Index>(chunk, 400)));
        CHECK(plan.total() == plan.weights + plan.activations);
      }
    };
    check(re::model::Qwen3Encoder<>(kSizes));
    re::nn::EncoderConfig bert = kSizes;
    bert.kv_heads = 4;
    bert.type_vocab = 2;
    bert.qkv_bias = true;
    bert.linear_bias = true;
    check(re::model::BertEncoder<>(bert));
  }
  TEST_CASE("plan_memory: every thread has a chunk of its own, and weights are there once") {
    const re::model::Qwen3Encoder<> encoder(kSizes);
    const MemoryPlan one = plan_memory<Cpu16>(encoder, 1, 512);
    const MemoryPlan four = plan_memory<Cpu16>(encoder, 4, 512);
    CHECK(four.weights == one.weights);
    CHECK(four.activations == 4 * one.activations);
    CHECK(plan_memory<Cpu32>(encoder, 1, 512).activations == one.activations);  // computed in float in both
  }
  TEST_CASE("plan_memory: of published sizes needs no weights, and bf16 takes half of float32") {
    const re::model::Qwen3Encoder<> encoder(re::model::kQwen3_0_6B);
    const MemoryPlan narrow = plan_memory<Cpu16>(encoder, 1, 512);
    const MemoryPlan wide = plan_memory<Cpu32>(encoder, 1, 512);
    const double parameters = 596049920.0;
    CHECK(double(narrow.weights) > 2.0 * parameters);
    CHECK(double(narrow.weights) < 2.02 * parameters);  // panels are padded to 48 rows
    CHECK(double(wide.weights) < 4.04 * parameters);
    CHECK(narrow.activations < std::size_t{80} << 20);
  }
  TEST_CASE("plan_memory: plans for whatever a directory describes, in every published architecture") {
    for (const std::string_view json : {test::kBertConfigJson,
                                        test::kQwen3ConfigJson,
                                        test::kQwen2ConfigJson,
                                        test::kLlamaConfigJson,
                                        test::kXlmRobertaConfigJson}) {
      const test::Scratch scratch;
      scratch.write("config.json", json);
      const auto description = re::model::read_encoder_description(scratch.path());
      CAPTURE(description.family.model_type);
      const auto wide = plan_memory<Cpu32>(description, 1, 16);
      const auto narrow = plan_memory<Cpu16>(description, 1, 16);
      REQUIRE(wide);
      REQUIRE(narrow);
      CHECK(narrow->weights < wide->weights);
      CHECK(narrow->weights > 0);
    }
    const test::Scratch scratch;
    scratch.write("config.json", test::kQwen3ConfigJson);
    auto description = re::model::read_encoder_description(scratch.path());
    description.family.architecture = "of one's own";
    CHECK_FALSE(plan_memory<Cpu32>(description, 1, 16));
  }
  TEST_CASE("plan_memory: no thread, no token and a chunk that fits nowhere are refused") {
    const re::model::Qwen3Encoder<> encoder(kSizes);
    CHECK_THROWS_WITH_AS((void)plan_memory<Cpu32>(encoder, 0, 512),
                         "model::plan_memory: threads is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS((void)plan_memory<Cpu32>(encoder, 1, 0),
                         "model::plan_memory: chunk_tokens is 0, expected at least 1",
                         re::ConfigError);
  }
}
