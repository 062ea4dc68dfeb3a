#pragma once
/// @file The messages an ONNX file is made of, without the graph that ties them together.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/dtype.hpp>
#include <reasonembed/io/protobuf_message.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// The operators' version: that of ONNX 1.12 (2022), the first with LayerNormalization.
inline constexpr int kOnnxOpset = 17;
/// The file format's version that came with it.
inline constexpr int kOnnxIrVersion = 8;
/// A protobuf message ends at 2 GiB; larger models keep their tensors in a file beside it.
inline constexpr std::uint64_t kLargestOnnxFile = (std::uint64_t{1} << 31) - 1;

namespace detail {

/// Field numbers and enumerators of onnx.proto, by message.
struct OnnxField {
  static constexpr std::uint32_t kModelIrVersion = 1, kModelProducer = 2, kModelGraph = 7, kModelOpset = 8,
                                 kModelMetadata = 14;
  static constexpr std::uint32_t kOpsetVersion = 2;
  static constexpr std::uint32_t kPairKey = 1, kPairValue = 2;
  static constexpr std::uint32_t kGraphNode = 1, kGraphName = 2, kGraphTensor = 5, kGraphInput = 11, kGraphOutput = 12;
  static constexpr std::uint32_t kNodeInput = 1, kNodeOutput = 2, kNodeName = 3, kNodeOperator = 4, kNodeAttribute = 5;
  static constexpr std::uint32_t kAttributeName = 1, kAttributeFloat = 2, kAttributeInt = 3, kAttributeInts = 8,
                                 kAttributeType = 20;
  static constexpr std::uint32_t kTensorDims = 1, kTensorType = 2, kTensorName = 8, kTensorRaw = 9,
                                 kTensorExternal = 13, kTensorLocation = 14;
  static constexpr std::uint32_t kValueName = 1, kValueType = 2, kTypeTensor = 1, kTypeElement = 1, kTypeShape = 2;
  static constexpr std::uint32_t kShapeAxis = 1, kAxisSize = 1, kAxisName = 2;
  static constexpr std::int64_t kIsFloat = 1, kIsInt = 2, kIsInts = 7;  // AttributeProto.AttributeType
  static constexpr std::int64_t kExternal = 1;                          // TensorProto.DataLocation
};

/// @return  TensorProto.DataType of the element types that graphs here have
inline std::int64_t onnx_type(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 1;
    case DType::kI64:
      return 7;
    default:
      throw DataError::invalid("io::OnnxGraph", "dtype", dtype_name(dtype), "F32 or I64");
  }
}

inline ProtobufMessage onnx_pair(std::string_view key, std::string_view value) {
  ProtobufMessage pair;
  pair.add_bytes(OnnxField::kPairKey, key);
  pair.add_bytes(OnnxField::kPairValue, value);
  return pair;
}

/// A tensor without its elements.
inline ProtobufMessage onnx_tensor(std::string_view name, DType dtype, std::span<const Index> shape) {
  ProtobufMessage tensor;
  for (const Index extent : shape) {
    tensor.add_int(OnnxField::kTensorDims, extent);
  }
  tensor.add_int(OnnxField::kTensorType, onnx_type(dtype));
  tensor.add_bytes(OnnxField::kTensorName, name);
  return tensor;
}

inline std::string_view characters(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace detail

/// An attribute of an operator.
struct OnnxAttribute {
  std::string_view name;
  std::variant<std::int64_t, float, std::vector<std::int64_t>> value;
};

/// One axis of an input or output: a size, or a name for one that changes from call to call.
using OnnxAxis = std::variant<std::int64_t, std::string>;

namespace detail {

/// The description of an input or output.
inline ProtobufMessage onnx_value(const std::string& name, DType dtype, std::span<const OnnxAxis> shape) {
  ProtobufMessage axes;
  for (const OnnxAxis& axis : shape) {
    ProtobufMessage one;
    if (const auto* size = std::get_if<std::int64_t>(&axis)) {
      one.add_int(OnnxField::kAxisSize, *size);
    } else {
      one.add_bytes(OnnxField::kAxisName, std::get<std::string>(axis));
    }
    axes.add_message(OnnxField::kShapeAxis, one);
  }
  ProtobufMessage tensor;
  tensor.add_int(OnnxField::kTypeElement, onnx_type(dtype));
  tensor.add_message(OnnxField::kTypeShape, axes);
  ProtobufMessage type;
  type.add_message(OnnxField::kTypeTensor, tensor);
  ProtobufMessage value;
  value.add_bytes(OnnxField::kValueName, name);
  value.add_message(OnnxField::kValueType, type);
  return value;
}

inline ProtobufMessage onnx_attribute(const OnnxAttribute& attribute) {
  ProtobufMessage message;
  message.add_bytes(OnnxField::kAttributeName, attribute.name);
  if (const auto* integer = std::get_if<std::int64_t>(&attribute.value)) {
    message.add_int(OnnxField::kAttributeInt, *integer);
    message.add_int(OnnxField::kAttributeType, OnnxField::kIsInt);
  } else if (const auto* number = std::get_if<float>(&attribute.value)) {
    message.add_float(OnnxField::kAttributeFloat, *number);
    message.add_int(OnnxField::kAttributeType, OnnxField::kIsFloat);
  } else {
    for (const std::int64_t element : std::get<std::vector<std::int64_t>>(attribute.value)) {
      message.add_int(OnnxField::kAttributeInts, element);
    }
    message.add_int(OnnxField::kAttributeType, OnnxField::kIsInts);
  }
  return message;
}

}  // namespace detail

}  // namespace reasonembed::io
