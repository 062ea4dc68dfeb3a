#include <reasonembed/io/onnx_messages.hpp>

#include <doctest/doctest.h>

#include <support/protobuf.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::io::DType;
using re::io::OnnxAttribute;
using re::io::OnnxAxis;
using test::Protobuf;

namespace {

std::string bytes_of(const re::io::ProtobufMessage& message) {
  std::string bytes;
  message.write([&](std::string_view piece) { bytes.append(piece); });
  return bytes;
}

}  // namespace

TEST_SUITE("io/onnx_messages") {
  TEST_CASE("onnx_type: floats and integers have ONNX's numbers, others are refused") {
    CHECK(re::io::detail::onnx_type(DType::kF32) == 1);
    CHECK(re::io::detail::onnx_type(DType::kI64) == 7);
    CHECK_THROWS_WITH_AS((void)re::io::detail::onnx_type(DType::kF64),
                         "io::OnnxGraph: dtype is F64, expected F32 or I64",
                         re::DataError);
  }
  TEST_CASE("onnx_pair: key and value") {
    const std::string bytes = bytes_of(re::io::detail::onnx_pair("location", "model.onnx.data"));
    CHECK(Protobuf(bytes).one(1) == "location");
    CHECK(Protobuf(bytes).one(2) == "model.onnx.data");
  }
  TEST_CASE("onnx_tensor: name, type and extents, none of them for a number") {
    const std::string matrix =
        bytes_of(re::io::detail::onnx_tensor("w", DType::kF32, std::array<re::Index, 2>{3, 200}));
    CHECK(Protobuf(matrix).integers(1) == std::vector<std::int64_t>{3, 200});
    CHECK(Protobuf(matrix).integers(2) == std::vector<std::int64_t>{1});
    CHECK(Protobuf(matrix).one(8) == "w");
    const std::string scalar = bytes_of(re::io::detail::onnx_tensor("s", DType::kI64, {}));
    CHECK(Protobuf(scalar).integers(1).empty());
    CHECK(Protobuf(scalar).integers(2) == std::vector<std::int64_t>{7});
  }
  TEST_CASE("onnx_value: named axes, sizes, and no axis at all") {
    const std::array<OnnxAxis, 3> shape = {std::string("batch"), std::int64_t{384}, std::int64_t{0}};
    const std::string bytes = bytes_of(re::io::detail::onnx_value("x", DType::kF32, shape));
    const Protobuf value(bytes);
    CHECK(value.one(1) == "x");
    const Protobuf tensor = value.message(2).message(1);
    CHECK(tensor.integers(1) == std::vector<std::int64_t>{1});
    const auto axes = tensor.message(2).all(1);
    REQUIRE(axes.size() == 3);
    CHECK(Protobuf(axes[0]).one(2) == "batch");
    CHECK(Protobuf(axes[1]).integers(1) == std::vector<std::int64_t>{384});
    CHECK(Protobuf(axes[2]).integers(1) == std::vector<std::int64_t>{0});
    const std::string scalar = bytes_of(re::io::detail::onnx_value("s", DType::kI64, {}));
    CHECK(Protobuf(scalar).message(2).message(1).message(2).fields().empty());
  }
  TEST_CASE("onnx_attribute: an integer, a number and a list say what they are") {
    const std::string axis = bytes_of(re::io::detail::onnx_attribute({"axis", -1}));
    CHECK(Protobuf(axis).one(1) == "axis");
    CHECK(Protobuf(axis).integers(3) == std::vector<std::int64_t>{-1});
    CHECK(Protobuf(axis).integers(20) == std::vector<std::int64_t>{2});
    const std::string epsilon = bytes_of(re::io::detail::onnx_attribute({"epsilon", 1e-5F}));
    CHECK(Protobuf(epsilon).number(2) == 1e-5F);
    CHECK(Protobuf(epsilon).integers(20) == std::vector<std::int64_t>{1});
    const std::string order = bytes_of(re::io::detail::onnx_attribute({"perm", std::vector<std::int64_t>{0, 2, 1}}));
    CHECK(Protobuf(order).integers(8) == std::vector<std::int64_t>{0, 2, 1});
    CHECK(Protobuf(order).integers(20) == std::vector<std::int64_t>{7});
    const std::string empty = bytes_of(re::io::detail::onnx_attribute({"axes", std::vector<std::int64_t>{}}));
    CHECK(Protobuf(empty).integers(8).empty());
    CHECK(Protobuf(empty).integers(20) == std::vector<std::int64_t>{7});
  }
}
