#pragma once
/// @file ONNX files run by the definition of their operators, in double: an oracle that needs no runtime. Slow, and
/// only as general as the graphs the library writes.
#include <doctest/doctest.h>

#include <support/protobuf.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// Numbers, integers and truth values alike.
struct OnnxTensor {
  std::vector<std::int64_t> shape;
  std::vector<double> values;

  [[nodiscard]] static std::int64_t size_of(const std::vector<std::int64_t>& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  }
};

class OnnxInterpreter {
 public:
  using Tensors = std::map<std::string, OnnxTensor>;

  explicit OnnxInterpreter(const OnnxFile& file) : file_(file) {
    for (const OnnxFile::Tensor& tensor : file.tensors) {
      OnnxTensor value{tensor.shape, {}};
      const auto count = static_cast<std::size_t>(OnnxTensor::size_of(tensor.shape));
      REQUIRE(tensor.raw.size() == count * (tensor.type == 1 ? 4 : 8));
      for (std::size_t i = 0; i < count; ++i) {
        value.values.push_back(tensor.type == 1 ? double(element<float>(tensor.raw, i))
                                                : static_cast<double>(element<std::int64_t>(tensor.raw, i)));
      }
      constants_[tensor.name] = std::move(value);
    }
  }

  /// @return  every value of the graph
  [[nodiscard]] Tensors run(Tensors values) const {
    values.insert(constants_.begin(), constants_.end());
    for (const OnnxFile::Node& node : file_.nodes) {
      CAPTURE(node.name);
      std::vector<OnnxTensor> in;
      for (const std::string& input : node.inputs) {
        REQUIRE(values.contains(input));  // nodes stand in the order they can be computed in
        in.push_back(values[input]);
      }
      std::vector<OnnxTensor> out = compute(node, in);
      REQUIRE(out.size() == node.outputs.size());
      for (std::size_t i = 0; i < out.size(); ++i) {
        REQUIRE(out[i].values.size() == static_cast<std::size_t>(OnnxTensor::size_of(out[i].shape)));
        REQUIRE(values.emplace(node.outputs[i], std::move(out[i])).second);
      }
    }
    return values;
  }

 private:
  using Shape = std::vector<std::int64_t>;

  template <class T>
  static T element(std::string_view raw, std::size_t i) {
    T value{};
    std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
    return value;
  }

  static const Protobuf* find(const OnnxFile::Node& node, std::string_view name) {
    for (const Protobuf& attribute : node.attributes) {
      if (attribute.one(1) == name) {
        return &attribute;
      }
    }
    return nullptr;
  }
  static std::int64_t integer(const OnnxFile::Node& node, std::string_view name, std::int64_t otherwise) {
    const Protobuf* attribute = find(node, name);
    return attribute == nullptr ? otherwise : attribute->integers(3).front();
  }

  /// An axis from the front, its extent, and the extents around it.
  struct Axis {
    std::size_t at;
    std::int64_t outer = 1;
    std::int64_t extent;
    std::int64_t inner = 1;
    Axis(const Shape& shape, std::int64_t axis)
        : at(static_cast<std::size_t>(axis < 0 ? axis + std::ssize(shape) : axis)), extent(shape.at(at)) {
      outer = OnnxTensor::size_of(Shape(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(at)));
      inner = OnnxTensor::size_of(Shape(shape.begin() + static_cast<std::ptrdiff_t>(at) + 1, shape.end()));
    }
  };

  /// Where in a tensor of `from` the element of a broadcast result lies whose coordinates are `place`.
  static std::size_t offset(const Shape& from, const Shape& place) {
    std::int64_t at = 0;
    for (std::size_t axis = 0; axis < from.size(); ++axis) {
      const std::int64_t coordinate = place[place.size() - from.size() + axis];
      at = at * from[axis] + (from[axis] == 1 ? 0 : coordinate);
    }
    return static_cast<std::size_t>(at);
  }
  static Shape broadcast(const Shape& a, const Shape& b) {
    Shape shape(std::max(a.size(), b.size()), 1);
    for (std::size_t i = 1; i <= shape.size(); ++i) {
      const std::int64_t x = i <= a.size() ? a[a.size() - i] : 1;
      const std::int64_t y = i <= b.size() ? b[b.size() - i] : 1;
      REQUIRE((x == y || x == 1 || y == 1));
      shape[shape.size() - i] = x == 1 ? y : x;
    }
    return shape;
  }
  static void for_each_place(const Shape& shape, const std::function<void(const Shape&)>& f) {
    Shape place(shape.size(), 0);
    for (std::int64_t left = OnnxTensor::size_of(shape); left > 0; --left) {
      f(place);
      for (std::size_t axis = shape.size(); axis-- > 0;) {
        if (++place[axis] < shape[axis]) {
          break;
        }
        place[axis] = 0;
      }
    }
  }
  static OnnxTensor each(const OnnxTensor& x, const std::function<double(double)>& f) {
    OnnxTensor y = x;
    std::transform(y.values.begin(), y.values.end(), y.values.begin(), f);
    return y;
  }
  static OnnxTensor each(const OnnxTensor& a, const OnnxTensor& b, const std::function<double(double, double)>& f) {
    OnnxTensor y{broadcast(a.shape, b.shape), {}};
    for_each_place(y.shape, [&](const Shape& place) {
      y.values.push_back(f(a.values[offset(a.shape, place)], b.values[offset(b.shape, place)]));
    });
    return y;
  }
  /// Replaces every vector along an axis by one number.
  static OnnxTensor reduce(const OnnxTensor& x,
                           std::int64_t axis,
                           bool keep,
                           const std::function<double(const std::vector<double>&)>& f) {
    const Axis along(x.shape, axis);
    OnnxTensor y{x.shape, {}};
    y.shape[along.at] = 1;
    if (!keep) {
      y.shape.erase(y.shape.begin() + static_cast<std::ptrdiff_t>(along.at));
    }
    for (std::int64_t outer = 0; outer < along.outer; ++outer) {
      for (std::int64_t inner = 0; inner < along.inner; ++inner) {
        std::vector<double> line;
        for (std::int64_t i = 0; i < along.extent; ++i) {
          line.push_back(x.values[static_cast<std::size_t>((outer * along.extent + i) * along.inner + inner)]);
        }
        y.values.push_back(f(line));
      }
    }
    return y;
  }
  /// Picks places along an axis, in any order.
  static OnnxTensor pick(const OnnxTensor& x, std::int64_t axis, const std::vector<double>& places) {
    const Axis along(x.shape, axis);
    OnnxTensor y{x.shape, {}};
    y.shape[along.at] = std::ssize(places);
    for (std::int64_t outer = 0; outer < along.outer; ++outer) {
      for (const double place : places) {
        REQUIRE(place >= 0);
        REQUIRE(place < static_cast<double>(along.extent));
        const auto first = x.values.begin() + (outer * along.extent + static_cast<std::int64_t>(place)) * along.inner;
        y.values.insert(y.values.end(), first, first + along.inner);
      }
    }
    return y;
  }
  static std::vector<double> range(double from, double to) {
    std::vector<double> values;
    for (; from < to; ++from) {
      values.push_back(from);
    }
    return values;
  }
  static Shape integers(const OnnxTensor& x) { return {x.values.begin(), x.values.end()}; }

  static OnnxTensor reshape(OnnxTensor x, Shape shape) {
    const auto open = std::find(shape.begin(), shape.end(), -1);
    if (open != shape.end()) {
      *open = 1;
      *open = std::ssize(x.values) / std::max<std::int64_t>(1, OnnxTensor::size_of(shape));
    }
    x.shape = std::move(shape);
    return x;
  }
  static OnnxTensor unsqueeze(OnnxTensor x, const Shape& axes) {
    for (const std::int64_t axis : axes) {  // ascending
      x.shape.insert(x.shape.begin() + axis, 1);
    }
    return x;
  }
  static OnnxTensor transpose(const OnnxTensor& x, const Shape& order) {
    OnnxTensor y;
    for (const std::int64_t axis : order) {
      y.shape.push_back(x.shape[static_cast<std::size_t>(axis)]);
    }
    for_each_place(y.shape, [&](const Shape& place) {
      Shape from(place.size());
      for (std::size_t i = 0; i < order.size(); ++i) {
        from[static_cast<std::size_t>(order[i])] = place[i];
      }
      y.values.push_back(x.values[offset(x.shape, from)]);
    });
    return y;
  }
  static OnnxTensor matmul(const OnnxTensor& a, const OnnxTensor& b) {
    const std::int64_t inner = a.shape.back();
    REQUIRE(b.shape[b.shape.size() - 2] == inner);
    OnnxTensor y{broadcast(Shape(a.shape.begin(), a.shape.end() - 2), Shape(b.shape.begin(), b.shape.end() - 2)), {}};
    y.shape.insert(y.shape.end(), {a.shape[a.shape.size() - 2], b.shape.back()});
    for_each_place(y.shape, [&](Shape place) {
      const std::int64_t row = place[place.size() - 2];
      const std::int64_t col = place.back();
      double sum = 0.0;
      for (std::int64_t k = 0; k < inner; ++k) {
        place[place.size() - 2] = row;
        place.back() = k;
        const double left = a.values[offset(a.shape, place)];
        place[place.size() - 2] = k;
        place.back() = col;
        sum += left * b.values[offset(b.shape, place)];
      }
      y.values.push_back(sum);
    });
    return y;
  }
  /// Calls f on every vector along the last axis.
  static OnnxTensor each_line(OnnxTensor x, const std::function<void(double*, std::int64_t)>& f) {
    const std::int64_t width = x.shape.back();
    for (std::size_t at = 0; at < x.values.size(); at += static_cast<std::size_t>(width)) {
      f(x.values.data() + at, width);
    }
    return x;
  }
  static OnnxTensor softmax(const OnnxTensor& x) {
    return each_line(x, [](double* line, std::int64_t width) {
      const double top = *std::max_element(line, line + width);
      double sum = 0.0;
      for (std::int64_t i = 0; i < width; ++i) {
        sum += line[i] = std::exp(line[i] - top);
      }
      std::transform(line, line + width, line, [&](double v) { return v / sum; });
    });
  }
  static OnnxTensor layer_norm(const std::vector<OnnxTensor>& in, double epsilon) {
    return each_line(in[0], [&](double* line, std::int64_t width) {
      const double mean = std::accumulate(line, line + width, 0.0) / static_cast<double>(width);
      double square = 0.0;
      std::for_each(line, line + width, [&](double v) { square += (v - mean) * (v - mean); });
      for (std::int64_t i = 0; i < width; ++i) {
        const auto at = static_cast<std::size_t>(i);
        line[i] = (line[i] - mean) / std::sqrt(square / static_cast<double>(width) + epsilon) * in[1].values[at] +
                  in[2].values[at];
      }
    });
  }

  static std::vector<OnnxTensor> compute(const OnnxFile::Node& node, const std::vector<OnnxTensor>& in) {
    if (node.op == "Split") {
      const std::int64_t axis = integer(node, "axis", 0);
      const auto half = static_cast<double>(Axis(in[0].shape, axis).extent) / 2;
      return {pick(in[0], axis, range(0, half)), pick(in[0], axis, range(half, 2 * half))};
    }
    if (node.op == "Gather") {
      OnnxTensor picked = pick(in[0], 0, in[1].values);
      picked.shape.erase(picked.shape.begin());
      picked.shape.insert(picked.shape.begin(), in[1].shape.begin(), in[1].shape.end());
      return {picked};
    }
    const auto elementwise = kElementwise().find(node.op);
    if (elementwise != kElementwise().end()) {
      return {each(in[0], in[1], elementwise->second)};
    }
    const auto unary = kUnary().find(node.op);
    if (unary != kUnary().end()) {
      return {each(in[0], unary->second)};
    }
    return {node.op.starts_with("Reduce") || node.op == "ArgMax" ? reduced(node, in) : shaped(node, in)};
  }
  static const std::map<std::string, std::function<double(double, double)>>& kElementwise() {
    static const std::map<std::string, std::function<double(double, double)>> operators = {
        {"Add", [](double a, double b) { return a + b; }},
        {"Sub", [](double a, double b) { return a - b; }},
        {"Mul", [](double a, double b) { return a * b; }},
        {"Div", [](double a, double b) { return a / b; }},
        {"Max", [](double a, double b) { return std::max(a, b); }},
        {"LessOrEqual", [](double a, double b) { return a <= b ? 1.0 : 0.0; }},
        {"And", [](double a, double b) { return a != 0.0 && b != 0.0 ? 1.0 : 0.0; }}};
    return operators;
  }
  static const std::map<std::string, std::function<double(double)>>& kUnary() {
    static const std::map<std::string, std::function<double(double)>> operators = {
        {"Identity", [](double x) { return x; }},
        {"Cast", [](double x) { return x; }},
        {"Sqrt", [](double x) { return std::sqrt(x); }},
        {"Cos", [](double x) { return std::cos(x); }},
        {"Sin", [](double x) { return std::sin(x); }},
        {"Erf", [](double x) { return std::erf(x); }},
        {"Sigmoid", [](double x) { return 1.0 / (1.0 + std::exp(-x)); }}};
    return operators;
  }
  static OnnxTensor reduced(const OnnxFile::Node& node, const std::vector<OnnxTensor>& in) {
    const bool keep = integer(node, "keepdims", 1) == 1;
    if (node.op == "ArgMax") {
      return reduce(in[0], integer(node, "axis", 0), keep, [](const std::vector<double>& line) {
        return static_cast<double>(std::max_element(line.begin(), line.end()) - line.begin());
      });
    }
    const std::int64_t axis =
        node.op == "ReduceSum" ? integers(in[1]).front() : find(node, "axes")->integers(8).front();
    return reduce(in[0], axis, keep, [&](const std::vector<double>& line) {
      double sum = 0.0;
      for (const double value : line) {
        sum += node.op == "ReduceL2" ? value * value : value;
      }
      return node.op == "ReduceL2" ? std::sqrt(sum)
                                   : sum / (node.op == "ReduceMean" ? static_cast<double>(line.size()) : 1.0);
    });
  }
  static OnnxTensor shaped(const OnnxFile::Node& node, const std::vector<OnnxTensor>& in) {
    if (node.op == "Shape") {
      return {{std::ssize(in[0].shape)}, {in[0].shape.begin(), in[0].shape.end()}};
    }
    if (node.op == "CumSum") {
      REQUIRE(in[1].values.front() == static_cast<double>(in[0].shape.size() - 1));
      return each_line(in[0], [](double* line, std::int64_t width) { std::partial_sum(line, line + width, line); });
    }
    if (node.op == "Concat") {
      const std::int64_t axis = integer(node, "axis", 0);
      OnnxTensor y = in[0];
      const Axis a(in[0].shape, axis);
      const Axis b(in[1].shape, axis);
      y.shape[a.at] = a.extent + b.extent;
      y.values.clear();
      for (std::int64_t outer = 0; outer < a.outer; ++outer) {
        const auto append = [&](const OnnxTensor& x, const Axis& along) {
          const std::int64_t size = along.extent * along.inner;
          y.values.insert(y.values.end(), x.values.begin() + outer * size, x.values.begin() + outer * size + size);
        };
        append(in[0], a);
        append(in[1], b);
      }
      return y;
    }
    if (node.op == "Range") {
      const std::vector<double> values = range(in[0].values.front(), in[1].values.front());
      return {{std::ssize(values)}, values};
    }
    if (node.op == "Where") {
      const OnnxTensor chosen = each(in[0], in[1], [](double yes, double x) { return yes != 0.0 ? x : NAN; });
      return each(chosen, in[2], [](double x, double otherwise) { return std::isnan(x) ? otherwise : x; });
    }
    if (node.op == "Gemm") {
      REQUIRE(integer(node, "transB", 0) == 1);
      const OnnxTensor y = matmul(in[0], transpose(in[1], {1, 0}));
      return in.size() == 3 ? each(y, in[2], [](double a, double b) { return a + b; }) : y;
    }
    if (node.op == "Slice") {
      return pick(in[0], integers(in[3]).front(), range(in[1].values.front(), in[2].values.front()));
    }
    return moved(node, in);
  }
  static OnnxTensor moved(const OnnxFile::Node& node, const std::vector<OnnxTensor>& in) {
    if (node.op == "Reshape") {
      return reshape(in[0], integers(in[1]));
    }
    if (node.op == "Unsqueeze") {
      return unsqueeze(in[0], integers(in[1]));
    }
    if (node.op == "Transpose") {
      return transpose(in[0], find(node, "perm")->integers(8));
    }
    if (node.op == "MatMul") {
      return matmul(in[0], in[1]);
    }
    if (node.op == "Softmax") {
      return softmax(in[0]);
    }
    CAPTURE(node.op);
    REQUIRE(node.op == "LayerNormalization");
    return layer_norm(in, double(find(node, "epsilon")->number(2)));
  }

  const OnnxFile& file_;
  Tensors constants_;
};

}  // namespace test
