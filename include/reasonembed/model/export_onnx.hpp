#pragma once
/// @file Text encoders as ONNX files, for foreign runtimes.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/dtype.hpp>
#include <reasonembed/io/onnx_graph.hpp>
#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/model/onnx_encoder_graph.hpp>
#include <reasonembed/model/onnx_form.hpp>
#include <reasonembed/model/registry.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <concepts>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// How an ONNX file is written.
struct OnnxOptions {
  /// Bytes from which on the weights go into a file beside it, PATH.data; 0: always. At most io::kLargestOnnxFile.
  std::uint64_t largest_file = io::kLargestOnnxFile;
};

namespace detail {

/// The checkpoint's name of a parameter, or the library's own where no published family has this architecture.
inline std::string onnx_tensor_name(const std::string& architecture,
                                    const nn::EncoderConfig& config,
                                    const std::string& parameter) {
  for (const Family& family : families()) {
    if (family.architecture == architecture && family.writes(config)) {
      return family.tensor_name(parameter);
    }
  }
  return parameter;
}

/// @throws ConfigError if weights were dropped
template <class Encoder, class Weights>
void require_values(const std::string& where, const Encoder& encoder, const Weights& weights) {
  encoder.visit_weights(weights, [&](const auto& weight) {
    if (weight.view().size() != weight.rows() * weight.cols()) {
      throw ConfigError::invalid(where,
                                 "an unpacked weight",
                                 "dropped after loading",
                                 "an encoder loaded or made with Residency::kTrain, or make_trainable() called");
    }
  });
}

/// Adds every parameter as float32; those of another type are converted into `converted`.
template <class Model>
void add_onnx_parameters(const Model& model, OnnxEncoderGraph& to, std::deque<Matrix<float>>& converted) {
  const std::string architecture = Model::Description::architecture();
  require_values("model::export_onnx", model.encoder(), model.weights());
  model.encoder().visit(model.weights(), [&]<class S>(const nn::ParameterSlice<S>& slice) {
    const std::string name = onnx_tensor_name(architecture, to.config, slice.name);
    require_finite<S>("model::export_onnx", name, slice.values);
    MatrixView<const float> values;
    if constexpr (std::same_as<S, const float>) {
      values = slice.values;
    } else {
      Matrix<float>& narrow = converted.emplace_back(slice.values.rows(), slice.values.cols());
      for (Index row = 0; row < slice.values.rows(); ++row) {
        for (Index col = 0; col < slice.values.cols(); ++col) {
          narrow(row, col) = static_cast<float>(slice.values(row, col));
        }
      }
      values = narrow.view();
    }
    to.add_parameter(
        slice.name,
        slice.one_dimensional() ? io::NamedTensor::of(name, values.row(0)) : io::NamedTensor::of(name, values));
  });
}

}  // namespace detail

/// Writes a text encoder as an ONNX file: what any ONNX runtime needs to turn token ids into the model's vectors.
///
///   input_ids, attention_mask: int64 (batch, sequence)
///   sentence_embedding: float32 (batch, D), pooled and normalised as the model does
///   token_embeddings: float32 (batch, sequence, D)
///
/// The names are those of Optimum's exports of sentence-transformers. Ordinary operators of opset 17; weights under
/// their names in checkpoints. Texts are padded by whoever calls, on the right or the left, with any id whose
/// attention_mask is 0. Tokenizer and prompts are not in it: they lie in the directory that save_encoder writes, and
/// the prompts and limits of both roles are in the file's metadata, under "reasonembed.".
///
/// @tparam Model   TextEncoder whose components have an OnnxForm: all of the library's
/// @param encoder  with Residency::kTrain, or made trainable
/// @throws         ConfigError if the weights were dropped; NonFiniteError naming a weight that is no number; IoError
///                 if the file can't be written, the old one is then unchanged
/// @note  not safe while another thread changes the weights; float weights are not copied; the same encoder gives the
///        same bytes. A text longer than max_length is an error for BERT's position table, and none for rotary
///        positions: whoever calls cuts it.
template <class Model>
void export_onnx(const std::filesystem::path& path, const Model& encoder, const OnnxOptions& options = {}) {
  using Encoder = typename Model::Description;
  if (options.largest_file > io::kLargestOnnxFile) {
    throw ConfigError::invalid("model::export_onnx",
                               "largest_file",
                               std::to_string(options.largest_file),
                               "at most " + std::to_string(io::kLargestOnnxFile) + ", where protobuf ends");
  }
  OnnxEncoderGraph to(encoder.encoder().config(), encoder.encoder().options());
  std::deque<Matrix<float>> converted;
  detail::add_onnx_parameters(encoder, to, converted);
  auto [rows, pooled] = OnnxForm<Encoder>::forward(to);
  to.graph.enter("output");
  if (encoder.dim() < to.config.dim) {  // truncate_dim
    pooled = to.graph.add("Slice", {pooled, to.graph.ints({0}), to.graph.ints({encoder.dim()}), to.graph.ints({1})});
    pooled = to.options.normalize ? to.unit_length(pooled) : pooled;
  }
  to.graph.add_output("token_embeddings",
                      io::DType::kF32,
                      {std::string("batch"), std::string("sequence"), std::int64_t{to.config.dim}},
                      to.by_text(rows, {to.config.dim}));
  to.graph.add_output("sentence_embedding", io::DType::kF32, {std::string("batch"), encoder.dim()}, pooled);
  std::map<std::string, std::string> metadata = {{"reasonembed.architecture", Encoder::architecture()},
                                                 {"reasonembed.pooling", Encoder::Pooling::name},
                                                 {"reasonembed.normalize", to.options.normalize ? "true" : "false"}};
  const auto add_role = [&](const std::string& name, const Role& role) {
    metadata["reasonembed." + name + "_prompt"] = role.prompt;
    metadata["reasonembed." + name + "_max_tokens"] = std::to_string(role.max_tokens);
  };
  add_role("query", encoder.query_role());
  add_role("document", encoder.document_role());
  to.graph.write(path, metadata, options.largest_file);
}

}  // namespace reasonembed::model
