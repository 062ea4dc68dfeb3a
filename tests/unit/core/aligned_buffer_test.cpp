#include <reasonembed/core/aligned_buffer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::AlignedBuffer;
using re::Index;
using re::Matrix;

static_assert(!std::is_copy_constructible_v<AlignedBuffer<float>> && !std::is_copy_assignable_v<AlignedBuffer<float>>);
static_assert(std::is_nothrow_move_constructible_v<AlignedBuffer<float>>, "vectors of buffers move");
static_assert(!std::is_copy_constructible_v<Matrix<float>> && std::is_nothrow_move_assignable_v<Matrix<float>>);

namespace {

bool aligned(const void* pointer, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

}  // namespace

TEST_SUITE("core/aligned_buffer") {
  TEST_CASE("AlignedBuffer: is zeroed and aligned for every size") {
    for (const Index size : {1, 2, 15, 16, 17, 1000, 70000}) {
      CAPTURE(size);
      AlignedBuffer<float> buffer(size);
      CHECK(buffer.size() == size);
      CHECK(buffer.span().size() == static_cast<std::size_t>(size));
      CHECK(aligned(buffer.data(), re::kAlignment));
      CHECK(std::all_of(buffer.span().begin(), buffer.span().end(), [](float x) { return x == 0.0F; }));
      buffer.data()[size - 1] = 1.0F;
      CHECK(std::as_const(buffer).span().back() == 1.0F);
    }
  }

  TEST_CASE("AlignedBuffer: from 4 MB on lies on a 2 MB boundary, for huge pages") {
    const AlignedBuffer<float> buffer(Index{1} << 20);
    CHECK(aligned(buffer.data(), std::size_t{2} << 20));
    CHECK(buffer.span().back() == 0.0F);
    const AlignedBuffer<float> odd((Index{1} << 20) + 1);
    CHECK(odd.span().back() == 0.0F);
  }

  TEST_CASE("uncleared: is aligned and writable, as large as asked, and refuses what can't exist") {
    for (const re::Index size : {0, 1, 17, 3 << 20}) {
      auto buffer = re::AlignedBuffer<float>::uncleared(size);
      CHECK(buffer.size() == size);
      CHECK((buffer.data() == nullptr) == (size == 0));
      CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % re::kAlignment == 0);
      std::fill(buffer.span().begin(), buffer.span().end(), 2.0F);
      CHECK(std::all_of(buffer.span().begin(), buffer.span().end(), [](float x) { return x == 2.0F; }));
    }
    CHECK_THROWS_AS((void)re::AlignedBuffer<float>::uncleared(-1), std::bad_array_new_length);
  }
  TEST_CASE("discard: leaves a buffer that can be written again") {
    for (const re::Index size : {0, 5, 3 << 20}) {
      re::AlignedBuffer<float> buffer(size);
      buffer.discard();
      std::fill(buffer.span().begin(), buffer.span().end(), 3.0F);
      CHECK(std::all_of(buffer.span().begin(), buffer.span().end(), [](float x) { return x == 3.0F; }));
    }
  }
  TEST_CASE("AlignedBuffer: size zero owns nothing") {
    const AlignedBuffer<double> none(0);
    CHECK(none.data() == nullptr);
    CHECK(none.span().empty());
    const AlignedBuffer<double> unset;
    CHECK(unset.size() == 0);
  }

  TEST_CASE("AlignedBuffer: refuses sizes that are negative or can't exist") {
    CHECK_THROWS_AS(AlignedBuffer<float>(-1), std::bad_array_new_length);
    CHECK_THROWS_AS(AlignedBuffer<double>{std::numeric_limits<Index>::max()}, std::bad_array_new_length);
  }

  TEST_CASE("AlignedBuffer: moves hand over the memory and leave an empty buffer") {
    AlignedBuffer<int> first(3);
    first.data()[2] = 7;
    const int* memory = first.data();
    AlignedBuffer<int> second(std::move(first));
    CHECK(second.data() == memory);
    CHECK(first.data() == nullptr);  // NOLINT(bugprone-use-after-move): documented state
    CHECK(first.size() == 0);
    AlignedBuffer<int> third(10);
    third = std::move(second);
    CHECK(third.data() == memory);
    CHECK(third.size() == 3);
    CHECK(second.size() == 0);  // NOLINT(bugprone-use-after-move)
    AlignedBuffer<int>& alias = third;
    third = std::move(alias);
    CHECK(third.data()[2] == 7);
    AlignedBuffer<int> fourth(1);
    fourth.swap(third);
    CHECK(fourth.size() == 3);
    CHECK(third.size() == 1);
  }

  TEST_CASE("checked_size: multiplies legal extents and names illegal ones") {
    CHECK(re::checked_size("f", 3, 4) == 12);
    CHECK(re::checked_size("f", 0, std::numeric_limits<Index>::max()) == 0);
    CHECK_THROWS_WITH_AS((void)re::checked_size("f", -1, 4),
                         "f: shape is (-1, 4), expected extents of at least 0 with a representable product",
                         re::ShapeError);
    CHECK_THROWS_AS((void)re::checked_size("f", 4, -1), re::ShapeError);
    CHECK_THROWS_AS((void)re::checked_size("f", Index{1} << 32, Index{1} << 31), re::ShapeError);
  }

  TEST_CASE("Matrix: is zeroed, row-major and writable") {
    Matrix<float> matrix(3, 5);
    CHECK(matrix.rows() == 3);
    CHECK(matrix.cols() == 5);
    CHECK(aligned(matrix.view().data(), re::kAlignment));
    matrix(1, 2) = 4.0F;
    matrix.row(2)[4] = 5.0F;
    const Matrix<float>& reading = matrix;
    CHECK(reading.flat()[7] == 4.0F);
    CHECK(reading(2, 4) == 5.0F);
    CHECK(reading.row(1)[2] == 4.0F);
    CHECK(reading.view()(0, 0) == 0.0F);
    CHECK(matrix.flat().size() == 15);
    CHECK(matrix.view().contiguous());
  }

  TEST_CASE("Matrix: extents of zero are kept") {
    const Matrix<float> flat(0, 7);
    CHECK(flat.rows() == 0);
    CHECK(flat.cols() == 7);
    CHECK(flat.flat().empty());
    const Matrix<float> thin(7, 0);
    CHECK(thin.row(6).empty());
  }

  TEST_CASE("Matrix: refuses negative extents, even two of them") {
    CHECK_THROWS_WITH_AS(Matrix<float>(-2, -3),
                         "Matrix: shape is (-2, -3), expected extents of at least 0 with a representable product",
                         re::ShapeError);
    CHECK_THROWS_AS(Matrix<float>(-1, 0), re::ShapeError);
  }

  TEST_CASE("Matrix: a moved-from matrix is (0, 0), so that no shape without memory is left") {
    Matrix<int> first(2, 2);
    first(1, 1) = 3;
    Matrix<int> second(std::move(first));
    CHECK(first.rows() == 0);  // NOLINT(bugprone-use-after-move): documented state
    CHECK(first.cols() == 0);
    CHECK(second(1, 1) == 3);
    Matrix<int> third(5, 5);
    third = std::move(second);
    CHECK(third.rows() == 2);
    CHECK(third(1, 1) == 3);
    CHECK(second.rows() == 0);  // NOLINT(bugprone-use-after-move)
    std::vector<Matrix<int>> rows;
    for (int i = 0; i < 5; ++i) {
      rows.emplace_back(i, 1);
    }
    CHECK(rows[4].rows() == 4);
  }
}
