#pragma once
/// @file Tiny models over bytes and rows to train them on.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/data/training_dataset.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/loss/contrastive.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>
#include <reasonembed/train/trainer.hpp>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace test {

namespace re = reasonembed;

inline constexpr re::nn::EncoderConfig kByteBert{.vocab = 258,
                                                 .dim = 16,
                                                 .layers = 2,
                                                 .heads = 2,
                                                 .kv_heads = 2,
                                                 .head_dim = 8,
                                                 .mlp_dim = 24,
                                                 .max_length = 64,
                                                 .qkv_bias = true,
                                                 .linear_bias = true};
inline constexpr re::nn::EncoderConfig kByteQwen3{
    .vocab = 258, .dim = 16, .layers = 2, .heads = 2, .kv_heads = 1, .head_dim = 8, .mlp_dim = 24, .max_length = 64};

template <class B = re::backend::Cpu<float>>
using ByteBert = re::model::TextEncoder<re::model::BertEncoder<>, B>;
template <class B = re::backend::Cpu<float>>
using ByteQwen3 = re::model::TextEncoder<re::model::Qwen3Encoder<>, B>;

/// A tiny model with random weights.
template <class Model>
Model random_model(const re::nn::EncoderConfig& config,
                   const re::nn::EncoderOptions& options = {},
                   const re::model::TextEncoderOptions& run = {.threads = 1},
                   double deviation = 0.2) {
  const typename Model::Description encoder(config, options);
  auto weights = re::model::random_weights<typename Model::Backend>(encoder, 5, deviation, run.residency);
  return {encoder, std::move(weights), re::text::ByteTokenizer(), {}, {}, run};
}
inline ByteBert<> byte_bert(double dropout = 0.1, const re::model::TextEncoderOptions& run = {.threads = 1}) {
  return random_model<ByteBert<>>(kByteBert, {.norm_eps = 1e-12, .dropout = dropout}, run);
}
inline ByteQwen3<> byte_qwen3(const re::model::TextEncoderOptions& run = {.threads = 1}) {
  return random_model<ByteQwen3<>>(kByteQwen3, {}, run);
}

/// `count` rows of three negatives each; every fifth has no reasoning query.
inline re::data::TrainingRows tiny_rows(int count = 24) {
  static constexpr const char* kThings[] = {"salt", "light", "iron", "money", "fear", "water", "prime", "steam"};
  re::data::TrainingRows rows;
  re::data::TrainingDataset dataset("tiny");
  for (int i = 0; i < count; ++i) {
    const std::string thing = kThings[i % 8];
    const std::string other = kThings[(i + 3) % 8];
    const std::string number = std::to_string(i);
    dataset.add({.query = "why " + number + " " + thing + "?",
                 .pos = {thing + " because of " + number},
                 .neg = {other + " never " + number, "no " + thing, "a text on " + other},
                 .reasoning_query = i % 5 == 4 ? "" : "it is " + thing + " because of " + number + ", so it is"});
  }
  rows.datasets.push_back(std::move(dataset));
  return rows;
}

using InfoNce = re::loss::Contrastive<re::loss::Uniform>;
using Redapter = re::loss::Contrastive<re::loss::ReasoningIntensity>;

/// All weights of a model, one after another.
template <class Model>
std::vector<typename Model::Scalar> weights_of(const Model& model) {
  std::vector<typename Model::Scalar> all;
  model.encoder().visit(model.weights(), [&](const auto& slice) {
    for (re::Index row = 0; row < slice.values.rows(); ++row) {
      const auto values = slice.values.row(row);
      all.insert(all.end(), values.begin(), values.end());
    }
  });
  return all;
}

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return same_bits(std::span<const T>(a), std::span<const T>(b));
}

}  // namespace test
