#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/pack_rounded.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Arena;
using re::bf16;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::simd::Bf16Pair;
using re::simd::PackedMatrix;
using re::simd::PackedView;
using re::simd::Store;
using test::GuardedMatrix;

namespace {

constexpr std::pair<Index, Index> kShapes[] = {
    {1, 1}, {1, 2}, {2, 3}, {15, 16}, {16, 17}, {32, 64}, {47, 5}, {48, 6}, {49, 33}, {64, 129}, {130, 70}};

Matrix<bf16> rounded(MatrixView<const float> x) {
  Matrix<bf16> out(x.rows(), x.cols());
  for (Index i = 0; i < x.rows(); ++i) {
    re::convert(x.row(i), out.row(i));
  }
  return out;
}

Matrix<float> product(MatrixView<const float> a, PackedView<Bf16Pair> b) {
  Arena arena;
  Matrix<float> c(a.rows(), b.n());
  re::simd::gemm(a, b, c.view(), Store::kOverwrite, arena);
  return c;
}

bool equal(const Matrix<float>& a, const Matrix<float>& b) {
  return a.rows() == b.rows() && std::equal(a.flat().begin(), a.flat().end(), b.flat().begin());
}

}  // namespace

TEST_SUITE("simd/pack_rounded") {
  TEST_CASE("pack_rounded: multiplies as the weight that was rounded first, at every level and any stride") {
    for (const re::simd::Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      for (const auto& [n, k] : kShapes) {
        CAPTURE(n);
        CAPTURE(k);
        const auto weight = GuardedMatrix<float>(n, k, 3, 1).fill_random(1);
        const auto a = GuardedMatrix<float>(5, k).fill_random(2);
        Arena arena;
        const auto packed = re::simd::pack_rounded(weight.view(), arena, level);
        const PackedMatrix<Bf16Pair> expected(rounded(weight.view()).view(), level);
        REQUIRE(equal(product(a.view(), packed), product(a.view(), expected.view())));
      }
    }
  }

  TEST_CASE("pack_rounded_columns: multiplies as the transpose that was rounded first") {
    for (const re::simd::Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      for (const auto& [n, k] : kShapes) {
        CAPTURE(n);
        CAPTURE(k);
        const auto columns = GuardedMatrix<float>(k, n, 2, 5).fill_random(3);
        const auto a = GuardedMatrix<float>(9, k).fill_random(4);
        Matrix<float> weight(n, k);
        for (Index i = 0; i < n; ++i) {
          for (Index j = 0; j < k; ++j) {
            weight(i, j) = columns(j, i);
          }
        }
        Arena arena;
        const auto packed = re::simd::pack_rounded_columns(columns.view(), arena, level);
        const PackedMatrix<Bf16Pair> expected(rounded(weight.view()).view(), level);
        REQUIRE(equal(product(a.view(), packed), product(a.view(), expected.view())));
      }
    }
  }

  TEST_CASE("first_inputs, first_outputs: a part of a packed weight multiplies as that part packed by itself") {
    for (const re::simd::Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      const auto columns = GuardedMatrix<float>(70, 100).fill_random(5);
      Arena arena;
      const auto packed = re::simd::pack_rounded_columns(columns.view(), arena, level);
      for (const Index k : {1, 2, 31, 64, 69, 70}) {
        CAPTURE(k);
        const auto a = GuardedMatrix<float>(4, k).fill_random(6);
        const auto part = re::simd::pack_rounded_columns(columns.view().row_block(0, k), arena, level);
        REQUIRE(equal(product(a.view(), packed.first_inputs(k)), product(a.view(), part)));
        const Matrix<float> some = product(a.view(), packed.first_inputs(k).first_outputs(51));
        REQUIRE(some.cols() == 51);
        REQUIRE(some(3, 50) == product(a.view(), part)(3, 50));
      }
      const auto rows = GuardedMatrix<float>(50, 60).fill_random(7);
      const PackedMatrix<float> plain(rows.view(), level);
      const PackedMatrix<float> less(rows.view().col_block(0, 41), level);
      const auto a = GuardedMatrix<float>(3, 41).fill_random(8);
      Matrix<float> got(3, 50);
      Matrix<float> want(3, 50);
      re::simd::gemm(a.view(), plain.view().first_inputs(41), got.view(), Store::kOverwrite, arena);
      re::simd::gemm(a.view(), less.view(), want.view(), Store::kOverwrite, arena);
      CHECK(equal(got, want));
    }
  }

  TEST_CASE("pack_rounded: infinities and NaN stay what they are; nothing packs to nothing") {
    Matrix<float> weight(1, 3);
    weight(0, 0) = std::numeric_limits<float>::infinity();
    weight(0, 2) = 1;
    Matrix<float> a(1, 3);
    std::fill(a.row(0).begin(), a.row(0).end(), 1.0F);
    Arena arena;
    CHECK(std::isinf(product(a.view(), re::simd::pack_rounded(weight.view(), arena))(0, 0)));
    weight(0, 1) = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(product(a.view(), re::simd::pack_rounded(weight.view(), arena))(0, 0)));
    Matrix<float> column(3, 1);
    column(1, 0) = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(product(a.view(), re::simd::pack_rounded_columns(column.view(), arena))(0, 0)));
    CHECK(re::simd::pack_rounded(Matrix<float>(0, 4).view(), arena).n() == 0);
    CHECK(re::simd::pack_rounded_columns(Matrix<float>(4, 0).view(), arena).n() == 0);
  }
}
