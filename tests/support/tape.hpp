#pragma once
/// @file What every test of a tape operation does: random inputs of given shapes, and the gradient check on them.
#include <reasonembed/autograd/check_gradient.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace test {

namespace re = reasonembed;

using Shape = std::pair<re::Index, re::Index>;
using Inputs = std::vector<re::autograd::Var<double>>;
using DoubleTape = re::autograd::Tape<double>;

/// Shapes around one element, one row, one column and the SIMD width.
inline const std::vector<Shape> kShapes{{1, 1}, {1, 5}, {4, 1}, {2, 3}, {3, 8}, {5, 17}};
/// Shapes without elements.
inline const std::vector<Shape> kEmptyShapes{{0, 0}, {0, 3}, {3, 0}};

/// @return  (rows, cols) uniform numbers in [low, high)
template <class T = double>
re::Matrix<T> random_matrix(re::Index rows, re::Index cols, std::uint64_t seed, double low = -1.0, double high = 1.0) {
  re::Matrix<T> matrix(rows, cols);
  re::RandomStream random(seed);
  for (T& element : matrix.flat()) {
    element = static_cast<T>(low + (high - low) * random.uniform_double());
  }
  return matrix;
}

/// @return  one random matrix of each shape
inline std::vector<re::Matrix<double>> random_inputs(const std::vector<Shape>& shapes,
                                                     double low = -1.0,
                                                     double high = 1.0) {
  std::vector<re::Matrix<double>> inputs;
  for (const auto& [rows, cols] : shapes) {
    inputs.push_back(random_matrix(rows, cols, 100 + inputs.size(), low, high));
  }
  return inputs;
}

/// Checks the gradient of f (see TapeFunction) at random inputs; inputs without any element must run and certify
/// nothing.
template <class F>
void expect_gradient(F&& f, const std::vector<Shape>& shapes, double low = -1.0, double high = 1.0) {
  std::string text;
  re::Index elements = 0;
  for (const auto& [rows, cols] : shapes) {
    text += "(" + std::to_string(rows) + ", " + std::to_string(cols) + ") ";
    elements += rows * cols;
  }
  CAPTURE(text);
  const auto report = re::autograd::check_gradient(f, random_inputs(shapes, low, high));
  if (elements == 0) {
    CHECK(report.reason == "no coordinate was checked, which certifies nothing");
    CHECK(report.checked == 0);
    return;
  }
  CHECK_MESSAGE(report.passed, report.message());
  CHECK(report.checked == elements);
}

/// The same for a function of one input, at all shapes.
template <class F>
void expect_gradient_at_all_shapes(F&& f, double low = -1.0, double high = 1.0) {
  for (const Shape& shape : kShapes) {
    expect_gradient(f, {shape}, low, high);
  }
  for (const Shape& shape : kEmptyShapes) {
    expect_gradient(f, {shape}, low, high);
  }
}

}  // namespace test
