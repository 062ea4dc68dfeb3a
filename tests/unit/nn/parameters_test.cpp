#include <reasonembed/nn/cpu_kernels.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <doctest/doctest.h>

#include <support/layer_check.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::nn::GradientAllocator;
using re::nn::ParameterKind;
using re::nn::ParameterSlice;
using test::Cpu32;
using test::Cpu64;

namespace {

template <class S>
std::vector<S> initialized(ParameterKind kind, Index rows, Index cols, double deviation, int seed, int ordinal) {
  Matrix<S> values(rows, cols);
  std::fill(values.flat().begin(), values.flat().end(), S{-9});
  re::nn::initialize_slice(ParameterSlice<S>{"p", values.view(), kind},
                           deviation,
                           static_cast<std::uint64_t>(seed),
                           static_cast<std::uint64_t>(ordinal));
  return {values.flat().begin(), values.flat().end()};
}

}  // namespace

TEST_SUITE("nn/parameters") {
  TEST_CASE_TEMPLATE("WeightAllocator: makes zeroed leaves of the asked shape", B, Cpu32, Cpu64) {
    const re::nn::WeightAllocator<B> allocator;
    const auto matrix = allocator.matrix(3, 5);
    CHECK(matrix.rows() == 3);
    CHECK(matrix.cols() == 5);
    const auto table = allocator.table(7, 2);
    CHECK(table.rows() == 7);
    const auto vector = allocator.vector(4);
    CHECK(vector.size() == 4);
    const auto is_zero = [](auto value) { return value == 0; };
    CHECK(std::all_of(matrix.view().flat().begin(), matrix.view().flat().end(), is_zero));
    CHECK(std::all_of(table.flat().begin(), table.flat().end(), is_zero));
    CHECK(std::all_of(vector.span().begin(), vector.span().end(), is_zero));
  }
  TEST_CASE("GradientAllocator: hands out consecutive pieces of one buffer") {
    std::vector<double> flat(20);
    GradientAllocator<double> allocator(flat);
    const auto matrix = allocator.matrix(2, 3);
    const auto table = allocator.table(4, 2);
    const auto empty = allocator.vector(0);
    const auto vector = allocator.vector(6);
    CHECK(matrix.data() == flat.data());
    CHECK(table.data() == flat.data() + 6);
    CHECK(empty.empty());
    CHECK(vector.data() == flat.data() + 14);
    CHECK(vector.size() == 6);
  }
  TEST_CASE("visit_leaf: shows every kind of leaf as a matrix, a vector as one row") {
    std::vector<double> flat(6);
    std::vector<std::string> seen;
    const auto note = [&](const auto& slice) {
      seen.push_back(slice.name + " " + std::to_string(slice.values.rows()) + "x" +
                     std::to_string(slice.values.cols()) + (slice.one_dimensional() ? " one" : " two"));
    };
    re::nn::visit_leaf(MatrixView<double>(flat.data(), 2, 3), "matrix", ParameterKind::kWeight, note);
    re::nn::visit_leaf(MatrixView<double>(flat.data(), 3, 2), "table", ParameterKind::kTable, note);
    re::nn::visit_leaf(std::span<double>(flat), "gain", ParameterKind::kGain, note);
    re::nn::visit_leaf(std::span<double>(flat).first(2), "bias", ParameterKind::kBias, note);
    re::AlignedBuffer<double> buffer(4);
    re::nn::visit_leaf(buffer, "buffer", ParameterKind::kBias, note);
    re::nn::CpuWeight<double> weight(5, 2);
    re::nn::visit_leaf(weight, "weight", ParameterKind::kWeight, note);
    CHECK(seen ==
          std::vector<std::string>{
              "matrix 2x3 two", "table 3x2 two", "gain 1x6 one", "bias 1x2 one", "buffer 1x4 one", "weight 5x2 two"});
  }
  TEST_CASE("visit_leaf: leaves out what is empty") {
    int visits = 0;
    const auto count = [&](const auto&) { ++visits; };
    re::nn::visit_leaf(std::span<float>(), "bias", ParameterKind::kBias, count);
    re::nn::visit_leaf(MatrixView<float>(), "types", ParameterKind::kTable, count);
    Matrix<float> no_rows(0, 5);
    re::nn::visit_leaf(no_rows, "types", ParameterKind::kTable, count);
    CHECK(visits == 0);
  }
  TEST_CASE("visit_leaf: shows a constant leaf as constant, and writes through another") {
    const re::AlignedBuffer<float> constant(2);
    re::nn::visit_leaf(constant, "gain", ParameterKind::kGain, [](const auto& slice) {
      static_assert(std::is_same_v<decltype(slice.values), MatrixView<const float>>);
    });
    re::AlignedBuffer<float> writable(2);
    re::nn::visit_leaf(writable, "gain", ParameterKind::kGain, [](const auto& slice) { slice.values(0, 1) = 5.0F; });
    CHECK(writable.span()[1] == 5.0F);
  }
  TEST_CASE("visit_packed: shows a weight to whoever asks for packed rows, and to nobody else") {
    using Weight = re::nn::Kernels<re::backend::Cpu<re::bf16>>::Weight;
    Weight weight = Weight::packed_only(6, 3);
    int values = 0;
    const auto count_values = [&](const auto&) { ++values; };
    re::nn::visit_packed(weight, "p", 2, 4, count_values);
    CHECK(values == 0);
    std::string seen;
    re::nn::ParameterVisitor both{[&](const auto& slice) { seen += slice.name + " "; },
                                  [&](const re::nn::PackedSlice<Weight>& slice) {
                                    seen += slice.name + std::to_string(slice.first) + "+" + std::to_string(slice.rows);
                                    CHECK(&slice.weight == &weight);
                                  }};
    re::nn::visit_packed(weight, "p", 2, 4, both);
    CHECK(seen == "p2+4");
    Matrix<float> table(2, 2);
    re::nn::visit_leaf(table, "t", ParameterKind::kTable, both);
    CHECK(seen == "p2+4t ");
    const Weight& constant = weight;
    re::nn::visit_packed(constant, "p", 2, 4, both);  // asks for a weight it may write
    CHECK(seen == "p2+4t ");
  }
  TEST_CASE("initialize_slice: in bf16 is the rounded slice of float") {
    for (const ParameterKind kind : {ParameterKind::kWeight, ParameterKind::kTable, ParameterKind::kGain}) {
      const std::vector<float> wide = initialized<float>(kind, 9, 7, 0.5, 3, 4);
      Matrix<re::bf16> values(9, 7);
      re::nn::initialize_slice(ParameterSlice<re::bf16>{"p", values.view(), kind}, 0.5, 3, 4);
      bool equal = true;
      for (std::size_t i = 0; i < wide.size(); ++i) {
        equal = equal && values.flat()[i].bits == re::bf16(wide[i]).bits;
      }
      CHECK(equal);
    }
  }
  TEST_CASE("initialize_slice: a slice is a function of seed and ordinal") {
    const auto want = initialized<float>(ParameterKind::kWeight, 5, 7, 0.02, 1, 3);
    CHECK(initialized<float>(ParameterKind::kWeight, 5, 7, 0.02, 1, 3) == want);
    CHECK(initialized<float>(ParameterKind::kTable, 5, 7, 0.02, 1, 3) == want);
    CHECK(initialized<float>(ParameterKind::kWeight, 5, 7, 0.02, 2, 3) != want);
    CHECK(initialized<float>(ParameterKind::kWeight, 5, 7, 0.02, 1, 4) != want);
  }
  TEST_CASE("initialize_slice: float and double differ by rounding alone") {
    const auto narrow = initialized<float>(ParameterKind::kWeight, 4, 9, 0.5, 1, 0);
    const auto wide = initialized<double>(ParameterKind::kWeight, 4, 9, 0.5, 1, 0);
    for (std::size_t i = 0; i < wide.size(); ++i) {
      CHECK(narrow[i] == static_cast<float>(wide[i]));
    }
  }
  TEST_CASE("initialize_slice: weights are normal with the asked deviation") {
    const auto values = initialized<double>(ParameterKind::kWeight, 100, 100, 0.02, 5, 0);
    double mean = 0.0;
    double square = 0.0;
    for (const double value : values) {
      mean += value / 1e4;
      square += value * value / 1e4;
    }
    CHECK(std::abs(mean) < 5.0 * 0.02 / 100.0);                              // 5 standard errors
    CHECK(std::abs(std::sqrt(square) / 0.02 - 1.0) < 5.0 / std::sqrt(2e4));  // as above
  }
  TEST_CASE("initialize_slice: gains are one and biases zero") {
    CHECK(initialized<float>(ParameterKind::kGain, 1, 3, 0.02, 1, 0) == std::vector<float>{1.0F, 1.0F, 1.0F});
    CHECK(initialized<float>(ParameterKind::kBias, 1, 3, 0.02, 1, 0) == std::vector<float>{0.0F, 0.0F, 0.0F});
  }
  TEST_CASE("initialize_slice: writes the rows of a slice and nothing between them") {
    std::vector<float> memory(3 * 8, -9.0F);
    const MatrixView<float> part(memory.data(), 3, 5, 8);
    re::nn::initialize_slice(ParameterSlice<float>{"p", part, ParameterKind::kGain}, 0.02, 1, 0);
    for (Index row = 0; row < 3; ++row) {
      for (Index col = 0; col < 8; ++col) {
        CHECK(memory[static_cast<std::size_t>(row * 8 + col)] == (col < 5 ? 1.0F : -9.0F));
      }
    }
  }
}
