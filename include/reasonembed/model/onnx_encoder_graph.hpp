#pragma once
/// @file What the ONNX forms of an encoder's components share: parameters by name, and what a batch gives them all.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/dtype.hpp>
#include <reasonembed/io/onnx_graph.hpp>
#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/rope.hpp>

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// The name of a value in an ONNX graph.
using OnnxValue = std::string;

/// The graph of one encoder while it is built: token ids in, rows of hidden states through it, as in a packed batch.
///
/// Foreign runtimes want one matrix, so here alone in the library texts are padded. Tokens whose mask is 0 are not
/// seen, count as no position and are not pooled, wherever they stand: left or right padding gives the same vectors.
/// Hidden states are rows (B T, D), which all but attention and pooling take one by one.
///
/// @note  parameters are borrowed until the graph is written
class OnnxEncoderGraph {
 public:
  OnnxEncoderGraph(const nn::EncoderConfig& sizes, const nn::EncoderOptions& numbers)
      : graph("encoder"), config(sizes), options(numbers) {
    graph.add_input("input_ids", io::DType::kI64, {std::string("batch"), std::string("sequence")});
    graph.add_input("attention_mask", io::DType::kI64, {std::string("batch"), std::string("sequence")});
    graph.enter("batch");
    shape_ = graph.add("Shape", {ids()});
    numbers_ = graph.add("CumSum", {mask(), graph.integer(1)});  // the first token of a text has number 1
    const OnnxValue from_zero = graph.add("Sub", {numbers_, graph.integer(1)});
    positions_ = graph.add("Max", {from_zero, graph.integer(0)});  // padding on the left has number 0
  }
  OnnxEncoderGraph(const OnnxEncoderGraph&) = delete;
  OnnxEncoderGraph& operator=(const OnnxEncoderGraph&) = delete;
  OnnxEncoderGraph(OnnxEncoderGraph&&) = delete;
  OnnxEncoderGraph& operator=(OnnxEncoderGraph&&) = delete;
  ~OnnxEncoderGraph() = default;

  /// @param name    the library's, such as "blocks.0.attention.q.weight"
  /// @param tensor  under its name in a checkpoint, F32; outlives this
  void add_parameter(const std::string& name, io::NamedTensor tensor) {
    parameters_.emplace(name, tensor.name);
    graph.add_tensor(std::move(tensor));
  }
  [[nodiscard]] bool has_parameter(const std::string& name) const { return parameters_.contains(name); }
  /// @throws ConfigError if the encoder has no such parameter
  [[nodiscard]] const OnnxValue& parameter(const std::string& name) const {
    const auto found = parameters_.find(name);
    if (found == parameters_.end()) {
      throw ConfigError::invalid("model::OnnxEncoderGraph", "parameter", name, "one that the encoder visits");
    }
    return found->second;
  }

  /// @return  token ids and their mask, int64 (B, T)
  [[nodiscard]] static OnnxValue ids() { return "input_ids"; }
  [[nodiscard]] static OnnxValue mask() { return "attention_mask"; }
  /// @return  int64 (B, T), from 0; anything where the mask is 0
  [[nodiscard]] const OnnxValue& positions() const { return positions_; }
  /// @return  int64 (B, T), tokens up to here, this one included
  [[nodiscard]] const OnnxValue& numbers() const { return numbers_; }
  /// @return  int64 (2): B and T
  [[nodiscard]] const OnnxValue& shape() const { return shape_; }

  /// @return  `rows` as (B, T, extents...)
  OnnxValue by_text(const OnnxValue& rows, std::initializer_list<std::int64_t> extents) {
    return graph.add("Reshape", {rows, graph.add("Concat", {shape_, graph.ints(extents)}, {{"axis", 0}})});
  }
  /// @return  any value as rows of `width`
  OnnxValue by_row(const OnnxValue& value, std::int64_t width) {
    return graph.add("Reshape", {value, graph.ints({-1, width})});
  }
  /// @return  x W^T + b, with the bias if the encoder has one
  OnnxValue linear(const std::string& name, const OnnxValue& rows) {
    const OnnxValue bias = has_parameter(name + ".bias") ? parameter(name + ".bias") : "";
    if (bias.empty()) {
      return graph.add("Gemm", {rows, parameter(name + ".weight")}, {{"transB", 1}});
    }
    return graph.add("Gemm", {rows, parameter(name + ".weight"), bias}, {{"transB", 1}});
  }
  /// @return  x / sqrt(mean(x^2) + eps) gain, over the last axis
  OnnxValue rms_norm(const OnnxValue& gain, const OnnxValue& x) {
    const OnnxValue square = graph.add("ReduceMean", {graph.add("Mul", {x, x})}, {{"axes", std::vector{last()}}});
    const OnnxValue shifted = graph.add("Add", {square, graph.number(static_cast<float>(options.norm_eps))});
    return graph.add("Mul", {graph.add("Div", {x, graph.add("Sqrt", {shifted})}), gain});
  }
  /// @return  rows of length 1, those shorter than 1e-12 as they are divided by that
  OnnxValue unit_length(const OnnxValue& rows) {
    const OnnxValue length = graph.add("ReduceL2", {rows}, {{"axes", std::vector{last()}}});
    return graph.add("Div", {rows, graph.add("Max", {length, graph.number(1e-12F)})});
  }

  /// Which tokens a token sees, once for all blocks.
  ///
  /// @param head_axes  axes of attention scores between batch and tokens
  /// @return           bool, broadcasts to (B, head axes, T, T)
  const OnnxValue& visible(bool causal, int head_axes) {
    if (visible_.empty()) {
      const io::OnnxScope scope(graph, "batch");
      std::vector<std::int64_t> axes;
      for (int axis = 1; axis <= head_axes + 1; ++axis) {
        axes.push_back(axis);
      }
      const OnnxValue real = graph.add("Cast", {mask()}, {{"to", kOnnxBool}});
      visible_ = graph.add("Unsqueeze", {real, graph.ints(axes)});
      if (causal) {
        const OnnxValue length = graph.add("Gather", {shape_, graph.integer(1)});
        const OnnxValue index = graph.add("Range", {graph.integer(0), length, graph.integer(1)});
        const OnnxValue not_behind = graph.add(
            "LessOrEqual", {index, graph.add("Unsqueeze", {index, graph.ints({1})})});  // (T, T): key <= query
        visible_ = graph.add("And", {visible_, not_behind});
      }
    }
    return visible_;
  }

  /// Cosine and sine of every token's angles, once for all blocks. @return two of (B, T, 1, head_dim / 2)
  const std::pair<OnnxValue, OnnxValue>& rotary() {
    if (rotary_.first.empty()) {
      const io::OnnxScope scope(graph, "rotary");
      for (int i = 0; i < config.head_dim / 2; ++i) {
        frequencies_.push_back(
            nn::scaled_frequency(nn::rope_frequency(i, config.head_dim, options.rope_theta), options.rope_scaling));
      }
      const OnnxValue frequencies = "rotary/frequencies";
      graph.add_tensor(io::NamedTensor::of(frequencies, std::span<const float>(frequencies_)));
      const OnnxValue column = graph.add("Unsqueeze", {positions_, graph.ints({2, 3})});
      const OnnxValue angles = graph.add("Mul", {graph.add("Cast", {column}, {{"to", kOnnxFloat}}), frequencies});
      rotary_ = {graph.add("Cos", {angles}), graph.add("Sin", {angles})};
    }
    return rotary_;
  }

  static constexpr std::int64_t kOnnxFloat = 1;  ///< TensorProto.DataType, for Cast
  static constexpr std::int64_t kOnnxBool = 9;

  io::OnnxGraph graph;
  const nn::EncoderConfig& config;    ///< the encoder's own; outlives this
  const nn::EncoderOptions& options;  ///< the same

 private:
  static constexpr std::int64_t last() { return -1; }

  std::map<std::string, OnnxValue> parameters_;
  OnnxValue shape_;
  OnnxValue numbers_;
  OnnxValue positions_;
  OnnxValue visible_;
  std::pair<OnnxValue, OnnxValue> rotary_;
  std::vector<float> frequencies_;
};

}  // namespace reasonembed::model
