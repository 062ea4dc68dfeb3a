#pragma once
/// @file Tiny text encoders of any composition, and what their ONNX files make of padded ids.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/model/export_onnx.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/text/byte_tokenizer.hpp>

#include <doctest/doctest.h>

#include <support/onnx_interpreter.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace test {

namespace re = reasonembed;

inline constexpr re::nn::EncoderConfig kOnnxSizes{
    .vocab = 258, .dim = 12, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 6, .mlp_dim = 10, .max_length = 40};

template <class Encoder, class B = re::backend::Cpu<float>>
re::model::TextEncoder<Encoder, B> onnx_model(const re::nn::EncoderConfig& config,
                                              const re::nn::EncoderOptions& options = {.norm_eps = 1e-5},
                                              const re::model::TextEncoderOptions& run = {
                                                  .threads = 1, .residency = re::model::Residency::kTrain}) {
  Encoder encoder(config, options);
  auto weights = re::model::random_weights<B>(encoder, 3, 0.3, run.residency);
  encoder.visit(weights, [](const auto& slice) {  // biases and gains that a form can't forget unseen
    if (slice.one_dimensional()) {
      for (re::Index i = 0; i < slice.values.cols(); ++i) {
        slice.values(0, i) += static_cast<float>(0.05 * static_cast<double>(i % 5 - 1));
      }
    }
  });
  return {std::move(encoder), std::move(weights), re::text::ByteTokenizer(), {"query: ", 20}, {"", 30}, run};
}

/// The bytes of a model's ONNX file.
template <class Model>
std::string onnx_bytes(const Model& model, const re::model::OnnxOptions& options = {}) {
  const Scratch scratch;
  re::model::export_onnx(scratch / "model.onnx", model, options);
  return re::io::read_text_file(scratch / "model.onnx");
}

/// Texts of ids, padded with any ids.
inline OnnxInterpreter::Tensors padded(const std::vector<std::vector<std::int32_t>>& texts, bool left) {
  std::size_t longest = 0;
  for (const auto& text : texts) {
    longest = std::max(longest, text.size());
  }
  OnnxTensor ids{{std::ssize(texts), static_cast<std::int64_t>(longest)}, {}};
  OnnxTensor mask = ids;
  for (const auto& text : texts) {
    for (std::size_t i = 0; i < longest; ++i) {
      const std::size_t begin = left ? longest - text.size() : 0;
      const bool real = i >= begin && i < begin + text.size();
      ids.values.push_back(real ? text[i - begin] : static_cast<double>(7 * i % 251));
      mask.values.push_back(real ? 1.0 : 0.0);
    }
  }
  return {{"input_ids", ids}, {"attention_mask", mask}};
}

/// Texts of 1, 2, an odd number, a mixed number and the most ids.
inline std::vector<std::vector<std::int32_t>> id_texts(int longest) {
  std::vector<std::vector<std::int32_t>> texts;
  for (const int length : {1, 2, 7, longest, 4}) {
    texts.emplace_back();
    for (int i = 0; i < length; ++i) {
      texts.back().push_back((31 * length + 17 * i) % 256);
    }
  }
  return texts;
}

/// The encoder's own vectors, whole.
template <class Model>
re::Matrix<double> own_vectors(const Model& model, const std::vector<std::vector<std::int32_t>>& texts) {
  using B = typename Model::Backend;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> offsets = {0};
  for (const auto& text : texts) {
    tokens.insert(tokens.end(), text.begin(), text.end());
    offsets.push_back(static_cast<std::int32_t>(tokens.size()));
  }
  re::Arena arena;
  re::nn::Context<B> context{.arena = arena, .batch = {.tokens = tokens, .offsets = offsets}};
  re::Matrix<typename B::Scalar> got(std::ssize(texts), model.encoder().dim());
  re::nn::Nothing nothing;
  model.encoder().forward(context, model.weights(), got.view(), nothing);
  re::Matrix<double> wide(got.rows(), got.cols());
  std::copy(got.flat().begin(), got.flat().end(), wide.flat().begin());
  return wide;
}

/// @return  the largest difference between the file's vectors and the encoder's, in units of the largest number
template <class Model>
double onnx_difference(const Model& model) {
  const std::string bytes = onnx_bytes(model);
  const OnnxFile file(bytes);
  const OnnxInterpreter interpreter(file);
  const auto texts = id_texts(model.encoder().config().max_length);
  const re::Matrix<double> expected = own_vectors(model, texts);
  double largest = 0.0;
  double worst = 0.0;
  for (const bool left : {false, true}) {
    const auto values = interpreter.run(padded(texts, left));
    const OnnxTensor& got = values.at("sentence_embedding");
    REQUIRE(got.shape == std::vector<std::int64_t>{expected.rows(), expected.cols()});
    for (std::size_t i = 0; i < got.values.size(); ++i) {
      REQUIRE(std::isfinite(got.values[i]));
      largest = std::max(largest, std::abs(expected.flat()[i]));
      worst = std::max(worst, std::abs(got.values[i] - expected.flat()[i]));
    }
    CHECK(values.at("token_embeddings").shape ==
          std::vector<std::int64_t>{std::ssize(texts), model.encoder().config().max_length, expected.cols()});
  }
  REQUIRE(largest > 0.0);
  return worst / largest;
}

}  // namespace test
