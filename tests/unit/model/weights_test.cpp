#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/model/xlm_roberta.hpp>

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

/// An encoder of one layer of each family.
template <class Encoder, re::model::Family (*Make)()>
struct OneLayer {
  re::model::Family family = Make();
  Encoder encoder = Encoder([] {
    re::nn::EncoderConfig config = kSizes;
    config.layers = 1;
    const bool bert = std::string(Make().optional_prefix) != "model.";
    config.type_vocab = bert ? 1 : 0;
    config.linear_bias = bert;
    config.qkv_bias = bert || Make().model_type == "qwen2";
    config.position_offset = Make().model_type == "xlm-roberta" ? 2 : 0;
    return config;
  }());
};
using Bert = OneLayer<BertEncoder<>, re::model::bert_family>;
using XlmRoberta = OneLayer<re::model::XlmRobertaEncoder<>, re::model::xlm_roberta_family>;
using Qwen3 = OneLayer<Qwen3Encoder<>, re::model::qwen3_family>;
using Qwen2 = OneLayer<re::model::Qwen2Encoder<>, re::model::qwen2_family>;
using BidirectionalQwen2 = OneLayer<re::model::BidirectionalQwen2Encoder<>, re::model::bidirectional_qwen2_family>;
using Llama = OneLayer<re::model::LlamaEncoder<>, re::model::llama_family>;
#define ALL_CASES Bert, XlmRoberta, Qwen3, Qwen2, BidirectionalQwen2, Llama

/// What loading a checkpoint into the encoder throws, the directory's name cut out.
template <class Error, class Case>
std::string refusal(const Case& one, const Checkpoint& checkpoint) {
  const test::Scratch scratch;
  test::write_checkpoint(scratch / "model.safetensors", checkpoint);
  try {
    (void)load<Cpu32>(one.encoder, one.family, scratch);
  } catch (const Error& error) {
    return std::string(error.what()).substr(scratch.path().string().size() + 1);
  }
  return "nothing thrown";
}

}  // namespace

TEST_SUITE("model/weights") {
  TEST_CASE_TEMPLATE("load_weights: reads every tensor, with the family's prefix or without", Case, ALL_CASES) {
    for (const bool prefixed : {false, true}) {
      const Case one;
      CAPTURE(one.family.model_type);
      CAPTURE(prefixed);
      const test::Scratch directory;
      const std::string prefix = prefixed ? std::string(one.family.optional_prefix) : "";
      const Checkpoint checkpoint = test::random_checkpoint(one.encoder, one.family, prefix);
      test::write_checkpoint(directory / "model.safetensors", checkpoint);
      check_same<float>(one.encoder, one.family, load<Cpu32>(one.encoder, one.family, directory), checkpoint, prefix);
      check_same<double>(one.encoder, one.family, load<Cpu64>(one.encoder, one.family, directory), checkpoint, prefix);
    }
  }
  TEST_CASE_TEMPLATE("load_weights: of every family, a missing, extra or misshapen tensor is named", Case, ALL_CASES) {
    const Case one;
    CAPTURE(one.family.model_type);
    const std::string prefix(one.family.optional_prefix);
    const Checkpoint good = test::random_checkpoint(one.encoder, one.family, prefix);
    for (const auto& [name, tensor] : good) {
      CAPTURE(name);
      Checkpoint missing = good;
      missing.erase(name);
      CHECK(refusal<re::DataError>(one, missing)
                .starts_with("model.safetensors: tensor \"" + name + "\" with shape " +
                             re::io::shape_text(tensor.shape) + " is missing, expected "));
      Checkpoint misshapen = good;
      misshapen[name].shape.back() += 1;
      misshapen[name].values.resize(tensor.values.size() / std::size_t(tensor.shape.back()) *
                                    std::size_t(tensor.shape.back() + 1));
      const std::vector<Index> want = tensor.shape.size() == 1 ? std::vector<Index>{1, tensor.shape[0]} : tensor.shape;
      CHECK(refusal<re::ShapeError>(one, misshapen) == "model.safetensors: tensor \"" + name + "\": shape is " +
                                                           re::io::shape_text(misshapen[name].shape) + ", expected " +
                                                           re::io::shape_text(want));
    }
    Checkpoint extra = good;
    extra.emplace(prefix + "adapter.weight", test::StoredTensor{{2}, {1, 2}});
    CHECK(refusal<re::DataError>(one, extra) ==
          "model.safetensors: tensor \"" + prefix +
              "adapter.weight\" with shape [2] is present, expected only tensors of a " +
              std::string(one.family.model_type) + " of 1 layers");
  }
  TEST_CASE_TEMPLATE("load_weights: of every family, a checkpoint in several files is read", Case, ALL_CASES) {
    const Case one;
    CAPTURE(one.family.model_type);
    const Checkpoint all = test::random_checkpoint(one.encoder, one.family);
    const test::Scratch scratch;
    Checkpoint parts[2];
    std::string map;
    for (const auto& [name, tensor] : all) {
      const std::size_t part = parts[0].size() < all.size() / 2 ? 0 : 1;
      parts[part].emplace(name, tensor);
      map += (map.empty() ? "\"" : ", \"") + name + "\": \"part" + std::to_string(part) + ".safetensors\"";
    }
    test::write_checkpoint(scratch / "part0.safetensors", parts[0]);
    test::write_checkpoint(scratch / "part1.safetensors", parts[1]);
    scratch.write("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
    check_same<float>(one.encoder, one.family, load<Cpu32>(one.encoder, one.family, scratch), all, "");
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
    CHECK(message.find("tensor \"encoder.layer.1.output.dense.bias\" with shape [8] is missing, expected ") !=
          std::string::npos);
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
                                            "model.safetensors: tensor \"encoder.layer.2.output.dense.bias\" "
                                            "with shape [8] is present, expected only tensors of a bert of 2 layers");
    checkpoint = test::random_checkpoint(BertEncoder<>(kSizes), kBert);
    checkpoint.emplace("bert.embeddings.LayerNorm.bias", test::StoredTensor{{8}, std::vector<float>(8)});
    check_checkpoint_refused<re::DataError>(checkpoint,
                                            "model.safetensors: tensor \"bert.embeddings.LayerNorm.bias\" "
                                            "with shape [8] is present, expected only tensors of a bert of 2 layers");
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
