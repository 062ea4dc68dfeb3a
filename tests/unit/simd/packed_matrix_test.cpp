#include <reasonembed/simd/packed_matrix.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>
#include <support/numeric.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Arena;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::simd::Level;
using re::simd::PackedMatrix;
using re::simd::PackedView;
using test::GuardedMatrix;
using test::same_bits;

static_assert(std::is_trivially_copyable_v<PackedView<float>>);
static_assert(!std::is_copy_constructible_v<PackedMatrix<float>> && !std::is_copy_assignable_v<PackedMatrix<float>>);
static_assert(std::is_nothrow_move_constructible_v<PackedMatrix<double>>);
static_assert(std::is_nothrow_move_assignable_v<PackedMatrix<double>>);
static_assert(!std::is_convertible_v<MatrixView<const float>, PackedMatrix<float>>, "packing is never silent");

namespace {

/// Element (n, k) of a packed weight, found from the documented layout; n may lie in the padding.
template <class T>
T packed_element(PackedView<T> packed, Index n, Index k) {
  const re::simd::detail::PanelLayout layout = re::simd::detail::panel_layout<T>(packed.level());
  const Index line = layout.cols * layout.group;  // elements of a panel that one step of a kernel reads
  const Index lines = (packed.k() + layout.group - 1) / layout.group;
  return packed
      .data()[(n / layout.cols * lines + k / layout.group) * line + n % layout.cols * layout.group + k % layout.group];
}

/// Whether `packed` holds `weight` and zeros in its padding.
template <class T>
bool holds(PackedView<T> packed, MatrixView<const T> weight) {
  const re::simd::detail::PanelLayout layout = re::simd::detail::panel_layout<T>(packed.level());
  const Index padded = (weight.rows() + layout.cols - 1) / layout.cols * layout.cols;
  bool equal = packed.n() == weight.rows() && packed.k() == weight.cols();
  for (Index n = 0; equal && n < padded; ++n) {
    for (Index k = 0; equal && k < layout.padded(weight.cols()); ++k) {
      equal = packed_element(packed, n, k) == (n < weight.rows() && k < weight.cols() ? weight(n, k) : T{});
    }
  }
  return equal;
}

}  // namespace

TEST_SUITE("simd/packed_matrix") {
  TEST_CASE_TEMPLATE("PackedMatrix: holds every element once and zeros as padding, around the edges of panels",
                     T,
                     float,
                     double,
                     re::bf16) {
    for (const Level level : test::supported_levels()) {
      for (const Index n : {1, 2, 7, 8, 9, 23, 24, 25, 47, 48, 49, 97}) {
        for (const Index k : {1, 3, 7, 8, 9, 15, 16, 17, 33, 100}) {
          CAPTURE(name_of(level));
          CAPTURE(n);
          CAPTURE(k);
          const GuardedMatrix<T> weight = GuardedMatrix<T>(n, k, n % 3, k % 4).fill_random(1);
          const PackedMatrix<T> packed(weight.view(), level);
          CHECK(holds<T>(packed.view(), weight.view()));
          CHECK(packed.n() == n);
          CHECK(packed.k() == k);
          CHECK(packed.level() == level);
          CHECK(packed.view().level() == level);
        }
      }
    }
  }

  TEST_CASE("PackedMatrix: takes the best level unless told otherwise") {
    CHECK(PackedMatrix<float>(Matrix<float>(2, 2).view()).level() == re::simd::best_level());
  }

  TEST_CASE_TEMPLATE("PackedMatrix: bytes counts whole panels", T, float, double, re::bf16) {
    for (const Level level : test::supported_levels()) {
      const auto cols = static_cast<std::size_t>(re::simd::detail::weight_kernel<T>(level).cols);
      CHECK(PackedMatrix<T>(Matrix<T>(1, 10).view(), level).bytes() == cols * 10 * sizeof(T));
      CHECK(PackedMatrix<T>(Matrix<T>(static_cast<Index>(cols), 10).view(), level).bytes() == cols * 10 * sizeof(T));
      CHECK(PackedMatrix<T>(Matrix<T>(static_cast<Index>(cols) + 1, 10).view(), level).bytes() ==
            2 * cols * 10 * sizeof(T));
    }
  }

  TEST_CASE_TEMPLATE("PackedMatrix: empty shapes hold nothing", T, float, double, re::bf16) {
    const PackedMatrix<T> none;
    CHECK(none.n() == 0);
    CHECK(none.k() == 0);
    CHECK(none.bytes() == 0);
    const PackedMatrix<T> no_rows(Matrix<T>(0, 5).view());
    CHECK(no_rows.k() == 5);
    CHECK(no_rows.bytes() == 0);
    const PackedMatrix<T> no_cols(Matrix<T>(5, 0).view());
    CHECK(no_cols.n() == 5);
    CHECK(no_cols.bytes() == 0);
  }

  TEST_CASE_TEMPLATE("PackedMatrix: panels are aligned to a register", T, float, double, re::bf16) {
    for (const Level level : test::supported_levels()) {
      const PackedMatrix<T> packed(Matrix<T>(50, 7).view(), level);
      CHECK(reinterpret_cast<std::uintptr_t>(packed.view().data()) % re::kAlignment == 0);
    }
  }

  TEST_CASE_TEMPLATE("assign: replaces the values in place", T, float, double, re::bf16) {
    for (const Level level : test::supported_levels()) {
      PackedMatrix<T> packed(GuardedMatrix<T>(51, 19).fill_random(2).view(), level);
      const PackedView<T> view = packed.view();
      const GuardedMatrix<T> other = GuardedMatrix<T>(51, 19, 4, 1).fill_random(3);
      packed.assign(other.view());
      CHECK(packed.view().data() == view.data());
      CHECK(packed.level() == level);
      CHECK(holds<T>(view, other.view()));
    }
  }

  TEST_CASE("assign: refuses another shape and keeps the values") {
    const GuardedMatrix<float> weight = GuardedMatrix<float>(4, 6).fill_random(4);
    PackedMatrix<float> packed(weight.view());
    CHECK_THROWS_WITH_AS(packed.assign(Matrix<float>(3, 6).view()),
                         "simd::PackedMatrix::assign: weight.rows() is 3, expected 4",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(packed.assign(Matrix<float>(4, 7).view()),
                         "simd::PackedMatrix::assign: weight.cols() is 7, expected 6",
                         re::ShapeError);
    CHECK(holds<float>(packed.view(), weight.view()));
  }

  TEST_CASE_TEMPLATE(
      "unpack: restores every bit, at every level and into a strided matrix", T, float, double, re::bf16) {
    for (const Level level : test::supported_levels()) {
      for (const Index n : {0, 1, 7, 8, 9, 23, 24, 25, 48, 49, 97}) {
        for (const Index k : {0, 1, 7, 8, 17, 33}) {
          CAPTURE(name_of(level));
          CAPTURE(n);
          CAPTURE(k);
          const GuardedMatrix<T> weight = GuardedMatrix<T>(n, k, 2, 1).fill_random(8);
          const PackedMatrix<T> packed(weight.view(), level);
          for (const Index gap : {0, 3}) {
            GuardedMatrix<T> restored(n, k, gap, 1);
            packed.unpack(restored.view());
            CHECK(same_bits<T>(restored.view(), weight.view()));
            CHECK(restored.surroundings_untouched());
          }
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("unpack: numbers that are equal but not the same come back as themselves", T, float, double) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    const Bits quiet = std::bit_cast<Bits>(std::numeric_limits<T>::quiet_NaN());
    const T values[] = {T{0},
                        -T{0},
                        std::numeric_limits<T>::denorm_min(),
                        std::numeric_limits<T>::infinity(),
                        std::bit_cast<T>(static_cast<Bits>(quiet | 5)),
                        std::bit_cast<T>(static_cast<Bits>(~Bits{0}))};
    for (const Level level : test::supported_levels()) {
      const MatrixView<const T> weight(values, 3, 2);
      const PackedMatrix<T> packed(weight, level);
      Matrix<T> restored(3, 2);
      packed.unpack(restored.view());
      CHECK(same_bits<T>(std::as_const(restored).view(), weight));
    }
  }

  TEST_CASE("unpack: every pattern of bf16 comes back as itself") {
    Matrix<re::bf16> weight(256, 256);
    for (std::size_t i = 0; i < weight.flat().size(); ++i) {
      weight.flat()[i] = re::bf16::from_bits(static_cast<std::uint16_t>(i));
    }
    for (const Level level : test::supported_levels()) {
      const PackedMatrix<re::bf16> packed(std::as_const(weight).view(), level);
      Matrix<re::bf16> restored(256, 256);
      packed.unpack(restored.view());
      CHECK(same_bits<re::bf16>(std::as_const(restored).view(), std::as_const(weight).view()));
    }
  }

  TEST_CASE_TEMPLATE("assign_rows: rows in any order and any portions give what packing all at once does",
                     T,
                     float,
                     double,
                     re::bf16) {
    for (const Level level : test::supported_levels()) {
      const Index cols = re::simd::detail::weight_kernel<T>(level).cols;
      for (const Index n : {Index{1}, cols - 1, cols, cols + 1, 2 * cols, 5 * cols + 3}) {
        const GuardedMatrix<T> weight = GuardedMatrix<T>(n, 35, 2, 1).fill_random(11);
        for (const Index portion : {Index{1}, Index{7}, cols, cols + 1, 3 * cols, n}) {
          CAPTURE(name_of(level));
          CAPTURE(n);
          CAPTURE(portion);
          PackedMatrix<T> forwards(n, 35, level);
          PackedMatrix<T> backwards(n, 35, level);
          const Index portions = (n + portion - 1) / portion;
          for (Index i = 0; i < portions; ++i) {
            const auto assign = [&](PackedMatrix<T>& packed, Index number) {
              const Index first = number * portion;
              packed.assign_rows(first, weight.view().row_block(first, std::min(portion, n - first)));
            };
            assign(forwards, i);
            assign(backwards, portions - 1 - i);
          }
          CHECK(holds<T>(forwards.view(), weight.view()));
          CHECK(holds<T>(backwards.view(), weight.view()));
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("assign_rows: leaves other rows and the padding as they are", T, float, double, re::bf16) {
    const GuardedMatrix<T> before = GuardedMatrix<T>(103, 9).fill_random(12);
    const GuardedMatrix<T> rows = GuardedMatrix<T>(60, 9, 1, 1).fill_random(13);
    for (const Level level : test::supported_levels()) {
      for (const Index first : {0, 1, 43}) {
        PackedMatrix<T> packed(before.view(), level);
        GuardedMatrix<T> want = before;
        for (Index i = 0; i < rows.view().rows(); ++i) {
          std::copy(rows.view().row(i).begin(), rows.view().row(i).end(), want.view().row(first + i).begin());
        }
        packed.assign_rows(first, rows.view());
        CHECK(holds<T>(packed.view(), want.view()));
        packed.assign_rows(first, MatrixView<const T>(nullptr, 0, 9));
        CHECK(holds<T>(packed.view(), want.view()));
      }
    }
  }

  TEST_CASE_TEMPLATE("unpack_rows: gives some rows to the bit", T, float, double, re::bf16) {
    const GuardedMatrix<T> weight = GuardedMatrix<T>(101, 17).fill_random(14);
    for (const Level level : test::supported_levels()) {
      const PackedMatrix<T> packed(weight.view(), level);
      for (const auto& [first, count] : {std::pair<Index, Index>{0, 101}, {0, 0}, {101, 0}, {47, 3}, {100, 1}}) {
        GuardedMatrix<T> rows(count, 17, 3, 1);
        packed.unpack_rows(first, rows.view());
        const auto want = std::as_const(weight).view().row_block(first, count);
        CHECK(same_bits<T>(std::as_const(rows).view(), want));
        CHECK(rows.surroundings_untouched());
      }
    }
  }

  TEST_CASE("assign_rows, unpack_rows: refuse rows beyond the weight and another width, before any work") {
    const GuardedMatrix<float> weight = GuardedMatrix<float>(5, 6).fill_random(15);
    PackedMatrix<float> packed(weight.view());
    Matrix<float> rows(3, 6);
    CHECK_THROWS_WITH_AS(packed.assign_rows(3, rows.view()),
                         "simd::PackedMatrix::assign_rows: rows is 3 to 6, expected rows of 0 to 5",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(packed.assign_rows(-1, rows.view()),
                         "simd::PackedMatrix::assign_rows: rows is -1 to 2, expected rows of 0 to 5",
                         re::ShapeError);
    CHECK_THROWS_AS(packed.assign_rows(std::numeric_limits<Index>::max() - 4, rows.view()), re::ShapeError);
    CHECK_THROWS_WITH_AS(packed.assign_rows(0, Matrix<float>(1, 7).view()),
                         "simd::PackedMatrix::assign_rows: rows.cols() is 7, expected 6",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(packed.unpack_rows(4, rows.view()),
                         "simd::PackedMatrix::unpack_rows: rows is 4 to 7, expected rows of 0 to 5",
                         re::ShapeError);
    CHECK(holds<float>(packed.view(), weight.view()));
  }

  TEST_CASE("PackedMatrix: zeros of a shape can't be of a level the processor lacks, nor of a size no Index holds") {
    CHECK(PackedMatrix<re::bf16>(3, 5).bytes() > 0);
    CHECK(PackedMatrix<re::bf16>(0, 5).bytes() == 0);
    const Index most = std::numeric_limits<Index>::max();
    CHECK_THROWS_AS(PackedMatrix<float>(most, most / 2), re::ShapeError);
    CHECK_THROWS_AS(PackedMatrix<float>(-1, 3), re::ShapeError);
  }

  TEST_CASE("unpack: gives what assign has packed last, and refuses another shape") {
    PackedMatrix<float> packed(GuardedMatrix<float>(4, 6).fill_random(9).view());
    const GuardedMatrix<float> other = GuardedMatrix<float>(4, 6).fill_random(10);
    packed.assign(other.view());
    Matrix<float> restored(4, 6);
    packed.unpack(restored.view());
    CHECK(same_bits<float>(std::as_const(restored).view(), other.view()));
    Matrix<float> shallow(3, 6);
    CHECK_THROWS_WITH_AS(
        packed.unpack(shallow.view()), "simd::PackedMatrix::unpack: weight.rows() is 3, expected 4", re::ShapeError);
    Matrix<float> wide(4, 7);
    CHECK_THROWS_WITH_AS(
        packed.unpack(wide.view()), "simd::PackedMatrix::unpack: weight.cols() is 7, expected 6", re::ShapeError);
    CHECK_THROWS_AS(PackedMatrix<float>().unpack(wide.view()), re::ShapeError);
  }

  TEST_CASE("PackedMatrix: moves its memory and leaves nothing behind") {
    const GuardedMatrix<float> weight = GuardedMatrix<float>(4, 6).fill_random(5);
    PackedMatrix<float> first(weight.view());
    const float* data = first.view().data();
    PackedMatrix<float> second(std::move(first));
    CHECK(second.view().data() == data);
    CHECK(holds<float>(second.view(), weight.view()));
    CHECK(first.n() == 0);  // NOLINT(bugprone-use-after-move): documented
    CHECK(first.k() == 0);
    CHECK(first.bytes() == 0);
    PackedMatrix<float> third(Matrix<float>(9, 9).view());
    third = std::move(second);
    CHECK(third.view().data() == data);
    CHECK(second.bytes() == 0);  // NOLINT(bugprone-use-after-move): documented
    PackedMatrix<float>& self = third;
    third = std::move(self);
    CHECK(holds<float>(third.view(), weight.view()));
    PackedMatrix<float> other;
    other.swap(third);
    CHECK(other.view().data() == data);
    CHECK(third.bytes() == 0);
  }

  TEST_CASE_TEMPLATE("pack: holds what PackedMatrix holds, until the arena is rewound", T, float, double, re::bf16) {
    Arena arena;
    for (const Level level : test::supported_levels()) {
      const GuardedMatrix<T> weight = GuardedMatrix<T>(49, 33, 1, 1).fill_random(6);
      const re::Arena::Mark mark = arena.mark();
      const PackedView<T> packed = re::simd::pack(weight.view(), arena, level);
      CHECK(holds<T>(packed, weight.view()));
      CHECK(packed.level() == level);
      CHECK(reinterpret_cast<std::uintptr_t>(packed.data()) % re::kAlignment == 0);
      const std::size_t bytes = PackedMatrix<T>(weight.view(), level).bytes();
      CHECK(arena.used() == (bytes + re::kAlignment - 1) / re::kAlignment * re::kAlignment);
      arena.rewind(mark);
      CHECK(arena.used() == 0);
    }
  }

  TEST_CASE("pack: writes zeros over whatever the arena held") {
    Arena arena;
    const re::Arena::Mark mark = arena.mark();
    for (float& x : arena.allocate<float>(100000)) {
      x = std::numeric_limits<float>::quiet_NaN();
    }
    arena.rewind(mark);
    const GuardedMatrix<float> weight = GuardedMatrix<float>(5, 3).fill_random(7);
    CHECK(holds<float>(re::simd::pack(weight.view(), arena), weight.view()));
  }

  TEST_CASE("pack: takes a view through which one may write, and explicit types") {
    Arena arena;
    Matrix<float> weight(2, 3);
    static_assert(std::is_same_v<decltype(re::simd::pack(weight.view(), arena)), PackedView<float>>);
    static_assert(std::is_same_v<decltype(re::simd::pack(std::as_const(weight).view(), arena)), PackedView<float>>);
    CHECK(re::simd::pack<float>(weight.view(), arena).n() == 2);
    CHECK(re::simd::pack<float>(std::as_const(weight).view(), arena).k() == 3);
  }

  TEST_CASE("pack: refuses a level that the processor lacks") {
    if (re::simd::best_level() == Level::kAvx512Bf16) {
      MESSAGE("skipped: this processor has every level");
      return;
    }
    Arena arena;
    CHECK_THROWS_AS((void)re::simd::pack(Matrix<float>(1, 1).view(), arena, Level::kAvx512Bf16), re::ConfigError);
    CHECK_THROWS_AS(PackedMatrix<float>(Matrix<float>(1, 1).view(), Level::kAvx512Bf16), re::ConfigError);
  }

  TEST_CASE("pack: refuses a padded size that no Index can hold") {
    const float element = 0;
    const Index most = std::numeric_limits<Index>::max();
    // never read: the size is computed first
    const MatrixView<const float> absurd(&element, most, most / 2);
    Arena arena;
    CHECK_THROWS_AS((void)re::simd::pack(absurd, arena), re::ShapeError);
    CHECK_THROWS_AS((void)PackedMatrix<float>(absurd), re::ShapeError);
  }
}
