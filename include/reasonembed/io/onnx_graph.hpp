#pragma once
/// @file Computations as ONNX files describe them.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/dtype.hpp>
#include <reasonembed/io/onnx_messages.hpp>
#include <reasonembed/io/protobuf_message.hpp>
#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// A graph of ONNX operators, built from its inputs to its outputs.
///
/// Values are known by their names. A node's name is the scope it was added in, a slash, its operator, and a number
/// from the second of its kind on, so that a viewer shows the graph as the model is put together.
///
/// @note  tensors are borrowed until the graph is written; everything else is copied. The same calls give the same
///        bytes.
class OnnxGraph {
 public:
  explicit OnnxGraph(std::string name) : name_(std::move(name)) {}

  /// Nodes added from now on belong to `scope`. @return the scope before it
  std::string enter(std::string scope) { return std::exchange(scope_, std::move(scope)); }

  void add_input(const std::string& name, DType dtype, std::initializer_list<OnnxAxis> shape) {
    graph_.add_message(detail::OnnxField::kGraphInput,
                       detail::onnx_value(name, dtype, std::span(shape.begin(), shape.size())));
    take_name(name);
  }
  /// Makes `value` an output called `name`.
  void add_output(const std::string& name,
                  DType dtype,
                  std::initializer_list<OnnxAxis> shape,
                  const std::string& value) {
    take_name(name);
    append_node("Identity", name, std::array{value}, std::array{name}, {});
    graph_.add_message(detail::OnnxField::kGraphOutput,
                       detail::onnx_value(name, dtype, std::span(shape.begin(), shape.size())));
  }

  /// Adds a tensor under its own name; its elements stay where they are until the graph is written.
  /// @throws DataError for a name that is taken, or an element type other than F32 and I64
  void add_tensor(NamedTensor tensor) {
    (void)detail::onnx_type(tensor.tensor.dtype);
    take_name(tensor.name);
    tensors_.push_back(std::move(tensor));
  }

  /// Adds a node with one output.
  ///
  /// @param op      operator of ONNX, such as "MatMul"
  /// @param inputs  values that exist; "" leaves an optional one out
  /// @return        its output
  std::string add(std::string_view op,
                  std::initializer_list<std::string> inputs,
                  std::initializer_list<OnnxAttribute> attributes = {}) {
    return add(op, std::span(inputs.begin(), inputs.size()), 1, attributes).front();
  }
  /// Adds a node with several outputs.
  std::vector<std::string> add(std::string_view op,
                               std::span<const std::string> inputs,
                               int outputs,
                               std::initializer_list<OnnxAttribute> attributes = {}) {
    const std::string node = free_name((scope_.empty() ? "" : scope_ + "/") + std::string(op));
    std::vector<std::string> values;
    for (int i = 0; i < outputs; ++i) {
      values.push_back(outputs == 1 ? node : node + ":" + std::to_string(i));
    }
    append_node(op, node, inputs, values, attributes);
    return values;
  }

  /// @return  a constant vector of integers; equal ones are one tensor
  std::string ints(std::span<const std::int64_t> values) {
    std::string name = "ints";
    for (const std::int64_t value : values) {
      name += (name == "ints" ? "[" : ",") + std::to_string(value);
    }
    return constant(
        values.empty() ? "ints[]" : name + "]", DType::kI64, std::array{std::ssize(values)}, std::as_bytes(values));
  }
  std::string ints(std::initializer_list<std::int64_t> values) {
    return ints(std::span(values.begin(), values.size()));
  }
  /// @return  a constant integer without an axis
  std::string integer(std::int64_t value) {
    return constant("int " + std::to_string(value), DType::kI64, {}, std::as_bytes(std::span(&value, 1)));
  }
  /// @return  a constant number without an axis
  std::string number(float value) {
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    return constant("float " + std::string(text.data(), end), DType::kF32, {}, std::as_bytes(std::span(&value, 1)));
  }

  /// Writes the graph as a model.
  ///
  /// Tensors of more than 1 KiB go into PATH.data, as ONNX's external data, if the file would be longer than
  /// `largest_file`. Both files are complete before either takes its place; the old model is removed first, so that
  /// after a crash there may be no model, but never one with the tensors of another.
  ///
  /// @param metadata      pairs that runtimes show
  /// @param largest_file  at most kLargestOnnxFile
  /// @throws IoError if a file can't be written
  void write(const std::filesystem::path& path,
             const std::map<std::string, std::string>& metadata,
             std::uint64_t largest_file = kLargestOnnxFile) const {
    const ProtobufMessage whole = model(metadata, tensor_messages());
    if (whole.size() <= largest_file) {
      write_file_atomically(path, [&](AtomicFile& file) { whole.write([&](std::string_view b) { file.write(b); }); });
      return;
    }
    std::filesystem::path data_path = path;
    data_path += ".data";
    AtomicFile data(data_path);
    AtomicFile file(path);
    const auto tensors = external_tensor_messages(data_path.filename().string(), data);
    model(metadata, tensors).write([&](std::string_view bytes) { file.write(bytes); });
    std::error_code ignored;  // what can not be removed can not be replaced either, which commit() says
    std::filesystem::remove(std::filesystem::weakly_canonical(path, ignored), ignored);  // a link stays
    data.commit();
    file.commit();
  }

 private:
  static constexpr std::size_t kInFile = 1024;       // bytes of a tensor that is never external
  static constexpr std::uint64_t kAlignment = 4096;  // a page, so that runtimes can map the file

  void take_name(const std::string& name) {
    if (!names_.insert(name).second) {
      throw DataError::invalid("io::OnnxGraph", "name", in_quotes(name, 120) + ", given twice", "a name of its own");
    }
  }
  std::string free_name(const std::string& wish) {
    std::string name = wish;
    for (int& count = uses_[wish]; !names_.insert(name).second;) {
      name = wish + "_" + std::to_string(++count);
    }
    return name;
  }

  void append_node(std::string_view op,
                   const std::string& name,
                   std::span<const std::string> inputs,
                   std::span<const std::string> outputs,
                   std::initializer_list<OnnxAttribute> attributes) {
    ProtobufMessage node;
    for (const std::string& input : inputs) {
      node.add_bytes(detail::OnnxField::kNodeInput, input);
    }
    for (const std::string& output : outputs) {
      node.add_bytes(detail::OnnxField::kNodeOutput, output);
    }
    node.add_bytes(detail::OnnxField::kNodeName, name);
    node.add_bytes(detail::OnnxField::kNodeOperator, op);
    for (const OnnxAttribute& attribute : attributes) {
      node.add_message(detail::OnnxField::kNodeAttribute, detail::onnx_attribute(attribute));
    }
    graph_.add_message(detail::OnnxField::kGraphNode, node);
  }

  std::string constant(const std::string& name,
                       DType dtype,
                       std::span<const Index> shape,
                       std::span<const std::byte> bytes) {
    if (names_.insert(name).second) {
      ProtobufMessage tensor = detail::onnx_tensor(name, dtype, shape);
      tensor.add_bytes(detail::OnnxField::kTensorRaw, detail::characters(bytes));
      graph_.add_message(detail::OnnxField::kGraphTensor, tensor);
    }
    return name;
  }

  static ProtobufMessage inside(const NamedTensor& tensor) {
    ProtobufMessage message = detail::onnx_tensor(tensor.name, tensor.tensor.dtype, tensor.tensor.shape);
    message.add_borrowed(detail::OnnxField::kTensorRaw, detail::characters(tensor.tensor.bytes));
    return message;
  }
  [[nodiscard]] std::vector<ProtobufMessage> tensor_messages() const {
    std::vector<ProtobufMessage> messages;
    for (const NamedTensor& tensor : tensors_) {
      messages.push_back(inside(tensor));
    }
    return messages;
  }
  /// Writes the large tensors to `data`, which the model will call `location`.
  [[nodiscard]] std::vector<ProtobufMessage> external_tensor_messages(const std::string& location,
                                                                      AtomicFile& data) const {
    std::vector<ProtobufMessage> messages;
    std::uint64_t end = 0;
    for (const NamedTensor& tensor : tensors_) {
      const std::string_view bytes = detail::characters(tensor.tensor.bytes);
      if (bytes.size() <= kInFile) {
        messages.push_back(inside(tensor));
        continue;
      }
      const std::uint64_t offset = (end + kAlignment - 1) / kAlignment * kAlignment;
      data.write(std::string(static_cast<std::size_t>(offset - end), '\0'));
      data.write(bytes);
      end = offset + bytes.size();
      ProtobufMessage message = detail::onnx_tensor(tensor.name, tensor.tensor.dtype, tensor.tensor.shape);
      message.add_message(detail::OnnxField::kTensorExternal, detail::onnx_pair("location", location));
      message.add_message(detail::OnnxField::kTensorExternal, detail::onnx_pair("offset", std::to_string(offset)));
      message.add_message(detail::OnnxField::kTensorExternal,
                          detail::onnx_pair("length", std::to_string(bytes.size())));
      message.add_int(detail::OnnxField::kTensorLocation, detail::OnnxField::kExternal);
      messages.push_back(std::move(message));
    }
    return messages;
  }

  [[nodiscard]] ProtobufMessage model(const std::map<std::string, std::string>& metadata,
                                      std::span<const ProtobufMessage> tensors) const {
    ProtobufMessage graph = graph_;
    graph.add_bytes(detail::OnnxField::kGraphName, name_);
    for (const ProtobufMessage& tensor : tensors) {
      graph.add_message(detail::OnnxField::kGraphTensor, tensor);
    }
    ProtobufMessage opset;
    opset.add_int(detail::OnnxField::kOpsetVersion, kOnnxOpset);
    ProtobufMessage message;
    message.add_int(detail::OnnxField::kModelIrVersion, kOnnxIrVersion);
    message.add_bytes(detail::OnnxField::kModelProducer, "reasonembed");
    message.add_message(detail::OnnxField::kModelOpset, opset);
    for (const auto& [key, value] : metadata) {
      message.add_message(detail::OnnxField::kModelMetadata, detail::onnx_pair(key, value));
    }
    message.add_message(detail::OnnxField::kModelGraph, graph);
    return message;
  }

  std::string name_;
  std::string scope_;
  std::set<std::string> names_;
  std::map<std::string, int> uses_;
  ProtobufMessage graph_;
  std::vector<NamedTensor> tensors_;
};

/// Nodes added during its life belong to a scope within the present one.
class OnnxScope {
 public:
  OnnxScope(OnnxGraph& graph, const std::string& name) : graph_(graph), before_(graph.enter(name)) {}
  OnnxScope(const OnnxScope&) = delete;
  OnnxScope& operator=(const OnnxScope&) = delete;
  OnnxScope(OnnxScope&&) = delete;
  OnnxScope& operator=(OnnxScope&&) = delete;
  ~OnnxScope() { (void)graph_.enter(std::move(before_)); }

 private:
  OnnxGraph& graph_;
  std::string before_;
};

}  // namespace reasonembed::io
