#include <reasonembed/core/error.hpp>
#include <reasonembed/simd/packed_int8_matrix.hpp>

#include <doctest/doctest.h>

#include <support/levels.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::int8;
using re::Matrix;
using re::simd::Level;
using re::simd::PackedMatrix;

namespace {

Matrix<float> numbered(Index rows, Index cols) {
  Matrix<float> matrix(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      matrix(i, j) = std::sin(static_cast<float>(i * cols + j)) * static_cast<float>(i + 1);
    }
  }
  return matrix;
}

}  // namespace

TEST_SUITE("simd/packed_int8_matrix") {
  TEST_CASE("unpack: every weight comes back within half a step of its row") {
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      for (const auto& [rows, cols] :
           std::vector<std::pair<Index, Index>>{{1, 1}, {5, 3}, {48, 4}, {49, 17}, {100, 30}}) {
        CAPTURE(rows);
        const Matrix<float> weight = numbered(rows, cols);
        const PackedMatrix<int8> packed(weight.view(), level);
        CHECK(packed.n() == rows);
        CHECK(packed.k() == cols);
        Matrix<float> back(rows, cols);
        packed.unpack(back.view());
        for (Index i = 0; i < rows; ++i) {
          float most = 0;
          for (const float x : weight.row(i)) {
            most = std::max(most, std::abs(x));
          }
          for (Index j = 0; j < cols; ++j) {
            REQUIRE(std::abs(back(i, j) - weight(i, j)) <= most / 127 * 0.5001F);
          }
        }
      }
    }
  }

  TEST_CASE("assign_rows: what was unpacked packs to the same weight, in pieces or whole") {
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      const Matrix<float> weight = numbered(70, 21);
      const PackedMatrix<int8> whole(weight.view(), level);
      PackedMatrix<int8> pieces(70, 21, level);
      for (Index row = 0; row < 70; row += 7) {
        pieces.assign_rows(row, weight.view().row_block(row, 7));
      }
      Matrix<float> expected(70, 21);
      Matrix<float> got(70, 21);
      whole.unpack(expected.view());
      pieces.unpack(got.view());
      for (Index i = 0; i < 70; ++i) {
        CHECK(std::equal(got.row(i).begin(), got.row(i).end(), expected.row(i).begin()));
      }
      CHECK(std::equal(whole.view().offsets(), whole.view().offsets() + 70, pieces.view().offsets()));
    }
  }

  TEST_CASE("footprint: is what a weight holds, a quarter of float") {
    const PackedMatrix<int8> packed(96, 384);
    CHECK(packed.bytes() <= PackedMatrix<int8>::footprint(96, 384));
    CHECK(packed.bytes() >= 96 * 384 + 96 * 8);
    CHECK(packed.bytes() < 96 * 384 + 2000);
  }

  TEST_CASE("PackedMatrix<int8>: refuses what does not fit, by name") {
    PackedMatrix<int8> packed(4, 3);
    const Matrix<float> rows = numbered(2, 3);
    CHECK_THROWS_WITH_AS(packed.assign_rows(3, rows.view()),
                         "simd::PackedMatrix::assign_rows: rows is 3 to 5, expected rows of 0 to 4",
                         re::ShapeError);
    CHECK_THROWS_AS(packed.assign_rows(0, numbered(2, 4).view()), re::ShapeError);
    CHECK_THROWS_AS(packed.assign(rows.view()), re::ShapeError);
    Matrix<float> back(5, 3);
    CHECK_THROWS_AS(packed.unpack(back.view()), re::ShapeError);
    CHECK_THROWS_WITH_AS(PackedMatrix<int8>(1, PackedMatrix<int8>::kMostInputs + 1),
                         "simd::PackedMatrix: weight.cols() is 65537, expected at most 65536 for int8",
                         re::ShapeError);
  }

  TEST_CASE("PackedMatrix<int8>: moved from is empty; a weight that is not finite has a step that is not") {
    Matrix<float> weight = numbered(2, 3);
    weight(1, 1) = std::numeric_limits<float>::quiet_NaN();
    PackedMatrix<int8> packed(weight.view());
    CHECK(std::isnan(packed.view().scales()[1]));
    CHECK(std::isfinite(packed.view().scales()[0]));
    const PackedMatrix<int8> moved(std::move(packed));
    CHECK(moved.n() == 2);
    CHECK(packed.n() == 0);  // NOLINT(bugprone-use-after-move): documented
    packed = PackedMatrix<int8>(numbered(1, 1).view());
    CHECK(packed.k() == 1);
  }
}
