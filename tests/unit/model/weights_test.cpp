#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/weights.hpp>

#include <doctest/doctest.h>

#include <support/layer_run.hpp>
#include <support/model_directory.hpp>
#include <support/parameter_check.hpp>
#include <support/scratch.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::model::BertEncoder;
using re::model::Qwen3Encoder;
using re::model::Residency;
using test::Checkpoint;
using test::Cpu32;
using test::Cpu64;

namespace {

constexpr re::nn::EncoderConfig kSizes{.vocab = 12,
                                       .dim = 8,
                                       .layers = 2,
                                       .heads = 2,
                                       .kv_heads = 2,
                                       .head_dim = 4,
                                       .mlp_dim = 10,
                                       .max_length = 16,
                                       .type_vocab = 2,
                                       .qkv_bias = true,
                                       .linear_bias = true};
constexpr re::nn::EncoderConfig kQwen3Sizes{
    .vocab = 12, .dim = 8, .layers = 1, .heads = 4, .kv_heads = 2, .head_dim = 6, .mlp_dim = 10, .max_length = 16};

const re::model::Family kBert = re::model::bert_family();
const re::model::Family kQwen3 = re::model::qwen3_family();

template <class B, class Encoder>
auto load(const Encoder& encoder,
          const re::model::Family& family,
          const test::Scratch& scratch,
          Residency residency = Residency::kTrain) {
  return re::model::load_weights<B>(encoder, family, re::io::ShardedSafeTensors::open(scratch.path()), residency);
}

/// Checks that a BERT checkpoint is refused.
template <class Error>
void check_checkpoint_refused(const Checkpoint& checkpoint, const std::string& message) {
  const test::Scratch scratch;
  test::write_checkpoint(scratch / "model.safetensors", checkpoint);
  const BertEncoder<> encoder(kSizes);
  test::check_refused<Error>(scratch, [&] { (void)load<Cpu32>(encoder, kBert, scratch); }, message);
}

/// Checks that loaded weights are the checkpoint's.
template <class S, class Encoder, class Weights>
void check_same(const Encoder& encoder,
                const re::model::Family& family,
                const Weights& weights,
                const Checkpoint& checkpoint,
                const std::string& prefix) {
  std::size_t count = 0;
  encoder.visit(weights, [&](const auto& slice) {
    const std::string name = prefix + family.tensor_name(slice.name);
    CAPTURE(name);
    const std::vector<float>& want = checkpoint.at(name).values;
    REQUIRE(static_cast<std::size_t>(slice.values.size()) == want.size());
    bool same = true;
    for (Index row = 0; row < slice.values.rows(); ++row) {
      for (Index col = 0; col < slice.values.cols(); ++col) {
        same = same && slice.values(row, col) == S(want[static_cast<std::size_t>(row * slice.values.cols() + col)]);
      }
    }
    CHECK(same);
    ++count;
  });
  CHECK(count > 10);
}

template <class Encoder, class B>
Matrix<typename B::Scalar> embed(const Encoder& encoder,
                                 const typename Encoder::template Parameters<re::nn::WeightLeaf<B>>& weights) {
  const std::vector<std::int32_t> tokens = {3, 0, 6, 1, 1};
  const std::vector<std::int32_t> offsets = {0, 3, 5};
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = {tokens, offsets}};
  Matrix<typename B::Scalar> embeddings(2, encoder.dim());
  re::nn::Nothing nothing;
  encoder.forward(context, weights, embeddings.view(), nothing);
  return embeddings;
}

}  // namespace

TEST_SUITE("model/weights") {
  TEST_CASE_TEMPLATE("load_weights: reads every tensor, with the family's prefix or without", B, Cpu32, Cpu64) {
    using S = typename B::Scalar;
    const BertEncoder<> bert(kSizes);
    const Qwen3Encoder<> qwen3(kQwen3Sizes);
    for (const bool prefixed : {false, true}) {
      CAPTURE(prefixed);
      const test::Scratch bert_directory;
      const std::string bert_prefix = prefixed ? "bert." : "";
      const Checkpoint bert_checkpoint = test::random_checkpoint(bert, kBert, bert_prefix);
      test::write_checkpoint(bert_directory / "model.safetensors", bert_checkpoint);
      check_same<S>(bert, kBert, load<B>(bert, kBert, bert_directory), bert_checkpoint, bert_prefix);
      const test::Scratch qwen3_directory;
      const std::string qwen3_prefix = prefixed ? "model." : "";
      const Checkpoint qwen3_checkpoint = test::random_checkpoint(qwen3, kQwen3, qwen3_prefix);
      test::write_checkpoint(qwen3_directory / "model.safetensors", qwen3_checkpoint);
      check_same<S>(qwen3, kQwen3, load<B>(qwen3, kQwen3, qwen3_directory), qwen3_checkpoint, qwen3_prefix);
    }
  }
  TEST_CASE("load_weights: leaves out what has no part in an embedding") {
    const BertEncoder<> bert(kSizes);
    for (const std::string prefix : {"", "bert."}) {
      CAPTURE(prefix);
      const test::Scratch scratch;
      Checkpoint checkpoint = test::random_checkpoint(bert, kBert, prefix);
      checkpoint.emplace(prefix + "pooler.dense.weight", test::StoredTensor{{8, 8}, std::vector<float>(64)});
      checkpoint.emplace(prefix + "embeddings.position_ids", test::StoredTensor{{1, 16}, std::vector<float>(16)});
      checkpoint.emplace("cls.predictions.bias", test::StoredTensor{{12}, std::vector<float>(12)});
      test::write_checkpoint(scratch / "model.safetensors", checkpoint);
      CHECK_NOTHROW((void)load<Cpu32>(bert, kBert, scratch));
    }
    const Qwen3Encoder<> qwen3(kQwen3Sizes);
    const test::Scratch scratch;
    Checkpoint checkpoint = test::random_checkpoint(qwen3, kQwen3, "model.");
    checkpoint.emplace("lm_head.weight", test::StoredTensor{{12, 8}, std::vector<float>(96)});
    test::write_checkpoint(scratch / "model.safetensors", checkpoint);
    CHECK_NOTHROW((void)load<Cpu32>(qwen3, kQwen3, scratch));
  }
  TEST_CASE("load_weights: reads a checkpoint in several files") {
    const BertEncoder<> bert(kSizes);
    const Checkpoint all = test::random_checkpoint(bert, kBert);
    const test::Scratch scratch;
    Checkpoint parts[2];
    std::string map;
    for (const auto& [name, tensor] : all) {
      const std::size_t part = name.starts_with("embeddings") ? 0 : 1;
      parts[part].emplace(name, tensor);
      map += (map.empty() ? "\"" : ", \"") + name + "\": \"part" + std::to_string(part) + ".safetensors\"";
    }
    test::write_checkpoint(scratch / "part0.safetensors", parts[0]);
    test::write_checkpoint(scratch / "part1.safetensors", parts[1]);
    scratch.write("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
    check_same<float>(bert, kBert, load<Cpu32>(bert, kBert, scratch), all, "");
  }
  TEST_CASE("load_weights: a missing tensor is named") {
    Checkpoint checkpoint = test::random_checkpoint(BertEncoder<>(kSizes), kBert);
    checkpoint.erase("encoder.layer.1.output.dense.bias");
    const test::Scratch scratch;
    test::write_checkpoint(scratch / "model.safetensors", checkpoint);
    std::string message;
    try {
      (void)load<Cpu32>(BertEncoder<>(kSizes), kBert, scratch);
    } catch (const re::DataError& error) {
      message = error.what();
    }
    CAPTURE(message);
    CHECK(message.find("tensor \"encoder.layer.1.output.dense.bias\" is missing, expected ") != std::string::npos);
  }
  TEST_CASE("load_weights: a tensor of another shape is refused with both shapes") {
    Checkpoint checkpoint = test::random_checkpoint(BertEncoder<>(kSizes), kBert);
    checkpoint["encoder.layer.0.attention.self.query.weight"] = {{8, 9}, std::vector<float>(72)};
    check_checkpoint_refused<re::ShapeError>(
        checkpoint,
        "model.safetensors: tensor \"encoder.layer.0.attention.self.query.weight\": shape is [8, 9], expected [8, 8]");
    checkpoint = test::random_checkpoint(BertEncoder<>(kSizes), kBert);
    checkpoint["embeddings.LayerNorm.bias"] = {{4, 2}, std::vector<float>(8)};
    check_checkpoint_refused<re::ShapeError>(
        checkpoint, "model.safetensors: tensor \"embeddings.LayerNorm.bias\": shape is [4, 2], expected [1, 8]");
  }
  TEST_CASE("load_weights: a tensor nobody knows is refused, such as one of a layer too many") {
    Checkpoint checkpoint = test::random_checkpoint(BertEncoder<>(kSizes), kBert);
    checkpoint.emplace("encoder.layer.2.output.dense.bias", test::StoredTensor{{8}, std::vector<float>(8)});
    check_checkpoint_refused<re::DataError>(checkpoint,
                                            "model.safetensors: tensor \"encoder.layer.2.output.dense.bias\" is "
                                            "present, expected only tensors of a bert of 2 layers");
    checkpoint = test::random_checkpoint(BertEncoder<>(kSizes), kBert);
    checkpoint.emplace("bert.embeddings.LayerNorm.bias", test::StoredTensor{{8}, std::vector<float>(8)});
    check_checkpoint_refused<re::DataError>(checkpoint,
                                            "model.safetensors: tensor \"bert.embeddings.LayerNorm.bias\" is present, "
                                            "expected only tensors of a bert of 2 layers");
  }
  TEST_CASE("load_weights: a weight that is no number is refused by tensor and element") {
    for (const auto& [value, text] : {std::pair{std::numeric_limits<float>::quiet_NaN(), "nan"},
                                      std::pair{-std::numeric_limits<float>::infinity(), "-inf"}}) {
      Checkpoint checkpoint = test::random_checkpoint(BertEncoder<>(kSizes), kBert);
      checkpoint["encoder.layer.1.intermediate.dense.weight"].values[19] = value;
      check_checkpoint_refused<re::NonFiniteError>(
          checkpoint,
          "model.safetensors: tensor \"encoder.layer.1.intermediate.dense.weight\"[19] is " + std::string(text) +
              ", expected a finite number");
    }
  }
  TEST_CASE("pack_weights: weights that only serve give the same bits without their unpacked values") {
    const BertEncoder<> encoder(kSizes);
    const auto train = re::model::random_weights<Cpu32>(encoder, 4, 0.3, Residency::kTrain);
    const auto serve = re::model::random_weights<Cpu32>(encoder, 4, 0.3, Residency::kServe);
    CHECK(test::same_bits_of((embed<BertEncoder<>, Cpu32>(encoder, train)),
                             (embed<BertEncoder<>, Cpu32>(encoder, serve))));
    CHECK_FALSE(train.blocks[0].mlp.up.weight.view().empty());
    CHECK(serve.blocks[0].mlp.up.weight.view().empty());
    CHECK_FALSE(serve.embedding.token.view().empty());  // tables are looked up as they are
    CHECK_FALSE(serve.blocks[0].mlp.up.bias.span().empty());
  }
  TEST_CASE("random_weights: are a function of the seed, and every tensor has its own") {
    const BertEncoder<> encoder(kSizes);
    const auto a = re::model::random_weights<Cpu32>(encoder, 4);
    const auto b = re::model::random_weights<Cpu32>(encoder, 4);
    const auto c = re::model::random_weights<Cpu32>(encoder, 5);
    const auto first = [](const auto& weights, std::size_t layer) {
      return weights.blocks[layer].mlp.up.weight.view()(0, 0);
    };
    CHECK(first(a, 0) == first(b, 0));
    CHECK(first(a, 0) != first(c, 0));
    CHECK(first(a, 0) != first(a, 1));
    CHECK(std::abs(first(a, 0)) < 0.02F * 6);  // 6 deviations
    CHECK(a.blocks[0].mlp_norm.gain.span()[0] == 1.0F);
    CHECK(a.blocks[0].mlp.up.bias.span()[0] == 0.0F);
  }
}
