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

#include <bit>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
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
using Cpu16 = re::backend::Cpu<re::bf16>;

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

/// Checks that loaded weights are the checkpoint's, rounded to what they are stored in.
template <class Encoder, class Weights>
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
        using T = std::remove_const_t<typename decltype(slice.values)::Element>;
        same = same && slice.values(row, col) == T(want[static_cast<std::size_t>(row * slice.values.cols() + col)]);
      }
    }
    CHECK(same);
    ++count;
  });
  CHECK(count > 10);
}

/// Writes the tensors in 16 bits, and puts what their numbers are then into the checkpoint.
void write_checkpoint_as(re::io::DType dtype, const test::Scratch& scratch, Checkpoint& checkpoint) {
  std::vector<re::io::NamedTensor> tensors;
  std::deque<std::vector<std::uint16_t>> words;
  for (auto& [name, tensor] : checkpoint) {
    std::vector<std::uint16_t>& patterns = words.emplace_back();
    for (float& value : tensor.values) {
      if (dtype == re::io::DType::kBf16) {
        patterns.push_back(re::bf16(value).bits);
        value = static_cast<float>(re::bf16(value));
      } else {  // the leading bits of the fraction, and any exponent that halves have
        const auto pattern = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 13 & 0xB7FFU);
        patterns.push_back(pattern);
        value = re::io::float_from_half(pattern);
      }
    }
    tensors.push_back({name, {dtype, tensor.shape, std::as_bytes(std::span(patterns))}});
  }
  re::io::write_safetensors(scratch / "model.safetensors", tensors);
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
      check_same(one.encoder, one.family, load<Cpu32>(one.encoder, one.family, directory), checkpoint, prefix);
      check_same(one.encoder, one.family, load<Cpu64>(one.encoder, one.family, directory), checkpoint, prefix);
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
    check_same(one.encoder, one.family, load<Cpu32>(one.encoder, one.family, scratch), all, "");
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
  TEST_CASE_TEMPLATE("load_weights: rounds float32 to bf16, and takes 16 bits as they are", Case, Bert, Qwen3, Llama) {
    const Case one;
    CAPTURE(one.family.model_type);
    const test::Scratch single;
    Checkpoint checkpoint = test::random_checkpoint(one.encoder, one.family);
    test::write_checkpoint(single / "model.safetensors", checkpoint);
    check_same(one.encoder, one.family, load<Cpu16>(one.encoder, one.family, single), checkpoint, "");
    for (const re::io::DType dtype : {re::io::DType::kBf16, re::io::DType::kF16}) {
      CAPTURE(re::io::dtype_name(dtype));
      const test::Scratch half;
      write_checkpoint_as(dtype, half, checkpoint);
      check_same(one.encoder, one.family, load<Cpu16>(one.encoder, one.family, half), checkpoint, "");
      check_same(one.encoder, one.family, load<Cpu32>(one.encoder, one.family, half), checkpoint, "");
    }
  }
  TEST_CASE("load_weights: bf16 has the vectors of float32 over the rounded checkpoint, to the bit") {
    const Qwen3Encoder<> encoder(kQwen3Sizes);
    const test::Scratch rounded;
    Checkpoint checkpoint = test::random_checkpoint(encoder, kQwen3);
    const test::Scratch single;
    test::write_checkpoint(single / "model.safetensors", checkpoint);
    for (auto& [name, tensor] : checkpoint) {
      if (tensor.shape.size() == 2) {  // gains stay float
        for (float& value : tensor.values) {
          value = static_cast<float>(re::bf16(value));
        }
      }
    }
    test::write_checkpoint(rounded / "model.safetensors", checkpoint);
    const auto want = embed<Qwen3Encoder<>, Cpu32>(encoder, load<Cpu32>(encoder, kQwen3, rounded));
    for (const Residency residency : {Residency::kServe, Residency::kTrain}) {
      CHECK(test::same_bits_of((embed<Qwen3Encoder<>, Cpu16>(encoder, load<Cpu16>(encoder, kQwen3, single, residency))),
                               want));
    }
  }
  TEST_CASE_TEMPLATE(
      "load_weights: what only serves is packed from the file, to the bits of packed values", B, Cpu32, Cpu64, Cpu16) {
    // more rows than are read at once, and projections that begin and end within panels
    re::nn::EncoderConfig sizes = kQwen3Sizes;
    sizes.vocab = 401;
    sizes.mlp_dim = 203;
    sizes.heads = 6;
    sizes.head_dim = 10;
    const Qwen3Encoder<> encoder(sizes);
    const test::Scratch scratch;
    const Checkpoint checkpoint = test::random_checkpoint(encoder, kQwen3, "model.");
    test::write_checkpoint(scratch / "model.safetensors", checkpoint);
    const auto serve = load<B>(encoder, kQwen3, scratch, Residency::kServe);
    CHECK(serve.blocks[0].mlp.gate_up.weight.view().empty());
    CHECK(test::same_bits_of((embed<Qwen3Encoder<>, B>(encoder, serve)),
                             (embed<Qwen3Encoder<>, B>(encoder, load<B>(encoder, kQwen3, scratch)))));
    auto restored = load<B>(encoder, kQwen3, scratch, Residency::kServe);
    encoder.visit_weights(restored, [](auto& weight) { weight.restore_values(); });
    check_same(encoder, kQwen3, restored, checkpoint, "model.");
  }
  TEST_CASE("load_weights: what only serves is refused by the same names") {
    const Qwen3Encoder<> encoder(kQwen3Sizes);
    const std::string name = "layers.0.mlp.up_proj.weight";
    const auto refused = [&]<class Error>(std::type_identity<Error>, const Checkpoint& checkpoint) {
      const test::Scratch scratch;
      test::write_checkpoint(scratch / "model.safetensors", checkpoint);
      try {
        (void)load<Cpu16>(encoder, kQwen3, scratch, Residency::kServe);
      } catch (const Error& error) {
        return std::string(error.what()).substr(scratch.path().string().size() + 1);
      }
      return std::string("nothing thrown");
    };
    const Checkpoint good = test::random_checkpoint(encoder, kQwen3);
    Checkpoint bad = good;
    bad.erase(name);
    CHECK(refused(std::type_identity<re::DataError>(), bad)
              .starts_with("model.safetensors: tensor \"" + name + "\" with shape [10, 8] is missing, expected "));
    bad = good;
    bad[name] = {{8, 10}, std::vector<float>(80)};
    CHECK(refused(std::type_identity<re::ShapeError>(), bad) ==
          "model.safetensors: tensor \"" + name + "\": shape is [8, 10], expected [10, 8]");
    bad = good;
    bad[name].values[79] = std::numeric_limits<float>::infinity();
    CHECK(refused(std::type_identity<re::NonFiniteError>(), bad) ==
          "model.safetensors: tensor \"" + name + "\"[79] is inf, expected a finite number");
    bad = good;
    bad["embed_tokens.weight"].values[13] = std::numeric_limits<float>::quiet_NaN();
    CHECK(refused(std::type_identity<re::NonFiniteError>(), bad) ==
          "model.safetensors: tensor \"embed_tokens.weight\"[13] is nan, expected a finite number");
    bad = good;
    bad[name].values[3] = -3.4e38F;
    CHECK(refused(std::type_identity<re::DataError>(), bad)
              .starts_with("model.safetensors: tensor \"" + name + "\": element 3 is -3.39"));
    bad = good;
    bad["layers.0.mlp.gate_proj.weight"].values[3] = 3.3e38F;  // of bf16, though not of float16
    CHECK(refused(std::type_identity<re::Error>(), bad) == "nothing thrown");
  }
  TEST_CASE("random_weights: in bf16 are those of float32, rounded, whether they have values or not") {
    const BertEncoder<> encoder(kSizes);
    const auto wide = re::model::random_weights<Cpu32>(encoder, 4, 0.3, Residency::kTrain);
    auto narrow = re::model::random_weights<Cpu16>(encoder, 4, 0.3, Residency::kServe);
    encoder.visit_weights(narrow, [](auto& weight) { weight.restore_values(); });
    std::map<std::string, std::vector<float>> values;
    encoder.visit(wide, [&](const auto& slice) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        values[slice.name].insert(values[slice.name].end(), slice.values.row(row).begin(), slice.values.row(row).end());
      }
    });
    std::size_t count = 0;
    encoder.visit(narrow, [&](const auto& slice) {
      using T = typename decltype(slice.values)::Element;
      bool same = true;
      for (Index row = 0; row < slice.values.rows(); ++row) {
        for (Index col = 0; col < slice.values.cols(); ++col) {
          const float want = values.at(slice.name)[static_cast<std::size_t>(row * slice.values.cols() + col)];
          same = same && slice.values(row, col) == T(want);
        }
      }
      CAPTURE(slice.name);
      CHECK(same);
      ++count;
    });
    CHECK(count == values.size());
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
