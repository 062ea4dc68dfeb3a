#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/simd/gemm_rounding.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace re = reasonembed;
using re::bf16;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::simd::Bf16Pair;
using re::simd::Level;
using re::simd::PackedMatrix;
using test::GuardedMatrix;

namespace {

constexpr std::pair<Index, Index> kShapes[] = {
    {1, 1}, {1, 2}, {15, 3}, {16, 256}, {17, 257}, {47, 258}, {48, 31}, {49, 64}, {96, 511}, {130, 70}, {3, 1000}};

/// What the layout says element for element.
bool holds(const bf16* panels, MatrixView<const float> weight, Level level) {
  const auto layout = re::simd::detail::panel_layout<Bf16Pair>(level);
  const Index depth = layout.padded(weight.cols());
  const Index lines = (weight.rows() + layout.cols - 1) / layout.cols * layout.cols;
  bool good = true;
  for (Index n = 0; n < lines; ++n) {
    for (Index k = 0; k < depth; ++k) {
      const bool inside = n < weight.rows() && k < weight.cols();
      const bf16 want = inside ? bf16(weight(n, k)) : bf16{};
      good = good && panels[layout.index(n, k, weight.cols())].bits == want.bits;
    }
  }
  return good;
}

}  // namespace

TEST_SUITE("simd/gemm_rounding") {
  TEST_CASE("round_into_panels, round_columns_into_panels: every element is where its layout says, zeros around them") {
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      for (const auto& [n, k] : kShapes) {
        CAPTURE(n);
        CAPTURE(k);
        const auto weight = GuardedMatrix<float>(n, k, 3, 1).fill_random(1);
        const Index size = re::simd::detail::packed_size<Bf16Pair>(n, k, level);
        re::AlignedBuffer<bf16> panels(size);
        std::fill_n(panels.data(), size, bf16(7.0F));
        re::simd::detail::round_into_panels(weight.view(), level, panels.data());
        CHECK(holds(panels.data(), weight.view(), level));

        GuardedMatrix<float> columns(k, n, 2, 7);
        for (Index i = 0; i < n; ++i) {
          for (Index j = 0; j < k; ++j) {
            columns.view()(j, i) = weight.view()(i, j);
          }
        }
        std::fill_n(panels.data(), size, bf16(7.0F));
        re::simd::detail::round_columns_into_panels(columns.view(), level, panels.data());
        CHECK(holds(panels.data(), weight.view(), level));
      }
    }
  }

  TEST_CASE("PackedMatrix: assign_rounded and assign_rounded_columns pack what rounding first would have given") {
    for (const Level level : test::supported_levels()) {
      const auto weight = GuardedMatrix<float>(50, 33).fill_random(2);
      PackedMatrix<Bf16Pair> rows(50, 33, level);
      rows.assign_rounded(weight.view());
      PackedMatrix<Bf16Pair> columns(33, 50, level);
      columns.assign_rounded_columns(weight.view());
      Matrix<bf16> back(50, 33);
      rows.unpack(back.view());
      Matrix<bf16> back_transposed(33, 50);
      columns.unpack(back_transposed.view());
      PackedMatrix<Bf16Pair> transposed(33, 50, level);
      transposed.assign_transpose(rows);
      Matrix<bf16> from_packed(33, 50);
      transposed.unpack(from_packed.view());
      for (Index i = 0; i < 50; ++i) {
        for (Index j = 0; j < 33; ++j) {
          const auto want = bf16(weight.view()(i, j)).bits;
          CHECK(back.view()(i, j).bits == want);
          CHECK(back_transposed.view()(j, i).bits == want);
          CHECK(from_packed.view()(j, i).bits == want);
        }
      }
    }
  }

  TEST_CASE("PackedMatrix: rounded values of another shape are refused") {
    PackedMatrix<Bf16Pair> packed(4, 6);
    const Matrix<float> wrong(6, 4);
    CHECK_THROWS_WITH_AS(packed.assign_rounded(wrong.view()), doctest::Contains("weight.rows()"), re::ShapeError);
    CHECK_NOTHROW(packed.assign_rounded_columns(wrong.view()));
    const Matrix<float> right(4, 6);
    CHECK_THROWS_WITH_AS(
        packed.assign_rounded_columns(right.view()), doctest::Contains("columns.rows()"), re::ShapeError);
    CHECK_THROWS_AS(packed.assign_transpose(PackedMatrix<Bf16Pair>(4, 6)), re::ShapeError);
  }
}
