#pragma once
/// @file A reader of protobuf's wire format, to look at what the library has written.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// The fields of one message, in the order they were written.
class Protobuf {
 public:
  struct Field {
    std::uint32_t number = 0;
    std::uint32_t wire_type = 0;
    std::uint64_t value = 0;      ///< of wire types 0 and 5
    std::string_view bytes = {};  ///< of wire type 2
  };

  /// Fails the test case if `bytes` are no message. @pre they outlive this
  explicit Protobuf(std::string_view bytes) : rest_(bytes) {
    while (!rest_.empty()) {
      const std::uint64_t key = varint();
      Field field{static_cast<std::uint32_t>(key >> 3), static_cast<std::uint32_t>(key & 7)};
      REQUIRE(field.number > 0);
      if (field.wire_type == 0) {
        field.value = varint();
      } else if (field.wire_type == 2) {
        field.bytes = take(varint());
      } else {
        REQUIRE(field.wire_type == 5);
        const std::string_view four = take(4);
        for (int i = 3; i >= 0; --i) {
          field.value = field.value << 8 | static_cast<unsigned char>(four[static_cast<std::size_t>(i)]);
        }
      }
      fields_.push_back(field);
    }
  }

  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  /// All payloads of a field of wire type 2.
  [[nodiscard]] std::vector<std::string_view> all(std::uint32_t number) const {
    std::vector<std::string_view> found;
    for (const Field& field : fields_) {
      if (field.number == number) {
        REQUIRE(field.wire_type == 2);
        found.push_back(field.bytes);
      }
    }
    return found;
  }
  [[nodiscard]] std::string_view one(std::uint32_t number) const {
    const auto found = all(number);
    REQUIRE(found.size() == 1);
    return found.front();
  }
  [[nodiscard]] Protobuf message(std::uint32_t number) const { return Protobuf(one(number)); }
  /// All values of an integer or float field.
  [[nodiscard]] std::vector<std::int64_t> integers(std::uint32_t number) const {
    std::vector<std::int64_t> found;
    for (const Field& field : fields_) {
      if (field.number == number) {
        REQUIRE(field.wire_type != 2);
        found.push_back(static_cast<std::int64_t>(field.value));
      }
    }
    return found;
  }
  [[nodiscard]] float number(std::uint32_t field) const {
    const auto found = integers(field);
    REQUIRE(found.size() == 1);
    const auto bits = static_cast<std::uint32_t>(found.front());
    float value = 0.0F;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }

 private:
  std::string_view take(std::uint64_t size) {
    REQUIRE(size <= rest_.size());
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        REQUIRE((shift == 0 || byte > 0));  // the shortest form
        return value;
      }
    }
    FAIL("a varint of more than ten bytes");
    return 0;
  }

  std::string_view rest_;
  std::vector<Field> fields_;
};

/// An ONNX file taken apart, by the field numbers of onnx.proto.
struct OnnxFile {
  struct Node {
    std::string name;
    std::string op;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::vector<Protobuf> attributes;
  };
  struct Tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::int64_t type = 0;
    std::string_view raw;
    std::vector<Protobuf> external;
  };

  /// @pre  `bytes` outlive this
  explicit OnnxFile(std::string_view bytes) : model(bytes), graph(model.message(7)) {
    const auto texts = [](const std::vector<std::string_view>& views) {
      return std::vector<std::string>(views.begin(), views.end());
    };
    for (const std::string_view one : graph.all(1)) {
      const Protobuf node(one);
      nodes.push_back({std::string(node.one(3)), std::string(node.one(4)), texts(node.all(1)), texts(node.all(2)), {}});
      for (const std::string_view attribute : node.all(5)) {
        nodes.back().attributes.emplace_back(attribute);
      }
    }
    for (const std::string_view one : graph.all(5)) {
      const Protobuf tensor(one);
      tensors.push_back({std::string(tensor.one(8)), tensor.integers(1), tensor.integers(2).front(), {}, {}});
      for (const std::string_view pair : tensor.all(13)) {
        tensors.back().external.emplace_back(pair);
      }
      if (tensors.back().external.empty()) {
        tensors.back().raw = tensor.one(9);
      }
    }
  }

  /// Fails the test case unless exactly one node has this name.
  [[nodiscard]] const Node& node(std::string_view name) const { return find(nodes, name); }
  [[nodiscard]] const Tensor& tensor(std::string_view name) const { return find(tensors, name); }
  [[nodiscard]] int count(std::string_view op) const {
    int number = 0;
    for (const Node& node : nodes) {
      number += node.op == op ? 1 : 0;
    }
    return number;
  }

  Protobuf model;
  Protobuf graph;
  std::vector<Node> nodes;
  std::vector<Tensor> tensors;

 private:
  template <class T>
  static const T& find(const std::vector<T>& all, std::string_view name) {
    const T* found = nullptr;
    for (const T& one : all) {
      if (one.name == name) {
        REQUIRE(found == nullptr);
        found = &one;
      }
    }
    CAPTURE(name);
    REQUIRE(found != nullptr);
    return *found;
  }
};

}  // namespace test
