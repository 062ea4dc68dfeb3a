#include <reasonembed/core/view.hpp>

#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::MatrixView;

static_assert(std::is_trivially_copyable_v<MatrixView<float>>, "passed by value everywhere");
static_assert(std::is_convertible_v<MatrixView<float>, MatrixView<const float>>);
static_assert(!std::is_convertible_v<MatrixView<const float>, MatrixView<float>>, "read-only stays read-only");
static_assert(!std::is_convertible_v<MatrixView<float>, MatrixView<const double>>, "no change of the element type");
static_assert(std::is_signed_v<Index>);

namespace {

std::vector<int> counting(std::size_t size) {
  std::vector<int> values(size);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

}  // namespace

TEST_SUITE("core/view") {
  TEST_CASE("MatrixView: addresses row-major elements") {
    std::vector<int> values = counting(12);
    const MatrixView<int> view(values.data(), 3, 4);
    CHECK(view.rows() == 3);
    CHECK(view.cols() == 4);
    CHECK(view.stride() == 4);
    CHECK(view.size() == 12);
    CHECK(view.contiguous());
    CHECK_FALSE(view.empty());
    for (Index row = 0; row < 3; ++row) {
      for (Index col = 0; col < 4; ++col) {
        CHECK(view(row, col) == row * 4 + col);
      }
    }
  }

  TEST_CASE("MatrixView: a stride skips what lies between the rows") {
    std::vector<int> values = counting(15);
    const MatrixView<int> view(values.data() + 1, 3, 2, 5);
    CHECK_FALSE(view.contiguous());
    CHECK(view(0, 0) == 1);
    CHECK(view(1, 1) == 7);
    CHECK(view(2, 0) == 11);
    view(2, 1) = -1;
    CHECK(values[12] == -1);
  }

  TEST_CASE("row: is a span over exactly the columns") {
    std::vector<int> values = counting(10);
    const MatrixView<int> view(values.data(), 2, 3, 5);
    const auto row = view.row(1);
    CHECK(row.size() == 3);
    CHECK(row.front() == 5);
    CHECK(row.back() == 7);
    row[0] = 50;
    CHECK(view(1, 0) == 50);
  }

  TEST_CASE("row_block, col_block: cut views that keep the stride") {
    std::vector<int> values = counting(20);
    const MatrixView<int> view(values.data(), 4, 5);
    const MatrixView<int> rows = view.row_block(1, 2);
    CHECK(rows.rows() == 2);
    CHECK(rows.cols() == 5);
    CHECK(rows(0, 0) == 5);
    CHECK(rows.contiguous());
    const MatrixView<int> cols = view.col_block(2, 3);
    CHECK(cols.rows() == 4);
    CHECK(cols.cols() == 3);
    CHECK(cols.stride() == 5);
    CHECK(cols(3, 2) == 19);
    CHECK_FALSE(cols.contiguous());
    CHECK(cols.row_block(2, 1).contiguous());
    CHECK(view.row_block(1, 2).col_block(1, 1)(1, 0) == 11);
    CHECK(view.row_block(4, 0).empty());
    CHECK(view.col_block(5, 0).empty());
  }

  TEST_CASE("flat: spans a contiguous view") {
    std::vector<int> values = counting(6);
    CHECK(MatrixView<int>(values.data(), 2, 3).flat().size() == 6);
    CHECK(MatrixView<int>(values.data(), 1, 2, 6).flat().size() == 2);  // one row is contiguous at any stride
    CHECK(MatrixView<int>(values.data(), 0, 2, 6).flat().empty());
  }

  TEST_CASE("MatrixView: extents of zero are legal and empty") {
    const MatrixView<float> none;
    CHECK(none.empty());
    CHECK(none.size() == 0);
    CHECK(none.data() == nullptr);
    CHECK(none.flat().empty());
    CHECK(none.row_block(0, 0).empty());
    const MatrixView<float> no_cols(nullptr, 3, 0);
    CHECK(no_cols.empty());
    CHECK(no_cols.row(2).empty());
  }

  TEST_CASE("MatrixView: converts to its read-only form and sees the same elements") {
    std::vector<int> values = counting(4);
    const MatrixView<int> view(values.data(), 2, 2);
    const MatrixView<const int> reading = view;
    values[3] = 9;
    CHECK(reading(1, 1) == 9);
    CHECK(reading.data() == view.data());
    CHECK(reading.stride() == view.stride());
  }

  TEST_CASE("MatrixView: works in constant expressions") {
    static constexpr std::array<int, 4> kValues{1, 2, 3, 4};
    static_assert(MatrixView<const int>(kValues.data(), 2, 2)(1, 0) == 3);
    CHECK(true);
  }

  TEST_CASE("require_extent: is silent on equality and names the extent otherwise") {
    CHECK_NOTHROW(re::require_extent("f", "n", 3, 3));
    CHECK_THROWS_WITH_AS(
        re::require_extent("nn::f", "x.rows()", 2, 3), "nn::f: x.rows() is 2, expected 3", re::ShapeError);
  }
}
