#include <reasonembed/simd/gemm.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Arena;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::simd::Bf16Pair;
using re::simd::gemm;
using re::simd::Level;
using re::simd::Op;
using re::simd::PackedMatrix;
using re::simd::Store;
using test::GuardedMatrix;

namespace {

constexpr Op kOps[] = {Op::kNone, Op::kTranspose};
constexpr Store kStores[] = {Store::kOverwrite, Store::kAccumulate};

/// Equal bits; NaN equals NaN whatever its payload.
template <class T>
bool same(T x, T y) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return (std::isnan(x) && std::isnan(y)) || std::bit_cast<Bits>(x) == std::bit_cast<Bits>(y);
}

template <class T>
bool same(MatrixView<const T> x, MatrixView<const T> y) {
  bool equal = x.rows() == y.rows() && x.cols() == y.cols();
  for (Index i = 0; equal && i < x.rows(); ++i) {
    for (Index j = 0; equal && j < x.cols(); ++j) {
      equal = same(x(i, j), y(i, j));
    }
  }
  return equal;
}

/// The chain that gemm promises, one element at a time: blocks of the depth in order, within a block in the order of k.
template <class T>
T chain(Level level, MatrixView<const T> a, Index i, MatrixView<const T> weight, Index j, T before, Store store) {
  const Index depth = a.cols();
  const Index block = std::max<Index>(re::simd::detail::depth_block<T>(depth), 1);
  T total = before;
  for (Index first = 0; first < depth; first += block) {
    T sum = 0;
    for (Index k = first; k < std::min(depth, first + block); ++k) {
      const T product = a(i, k) * weight(j, k);
      sum = level == Level::kPortable ? sum + product : std::fma(a(i, k), weight(j, k), sum);
    }
    total = first == 0 && store == Store::kOverwrite ? sum : total + sum;
  }
  return depth == 0 && store == Store::kOverwrite ? T{} : total;
}

/// The plain sum and the sum of magnitudes in a wider type.
template <class T>
struct Reference {
  using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;
  Wide sum = 0;
  Wide magnitude = 0;
  Reference(MatrixView<const T> a, Index i, MatrixView<const T> weight, Index j) {
    for (Index k = 0; k < a.cols(); ++k) {
      const Wide product = static_cast<Wide>(a(i, k)) * static_cast<Wide>(weight(j, k));
      sum += product;
      magnitude += std::fabs(product);
    }
  }
};

template <class T>
void check_against_reference(Level level, Store store, Index rows, Index cols, Index depth) {
  const GuardedMatrix<T> a = GuardedMatrix<T>(rows, depth, 3, 1).fill_random(1);
  const GuardedMatrix<T> weight = GuardedMatrix<T>(cols, depth, 2, 5).fill_random(2);
  GuardedMatrix<T> c = GuardedMatrix<T>(rows, cols, 1, 3).fill_random(3);
  const GuardedMatrix<T> before = c;
  Arena scratch;
  gemm(a.view(), PackedMatrix<T>(weight.view(), level).view(), c.view(), store, scratch);
  double worst = 0;
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      const Reference<T> reference(a.view(), i, weight.view(), j);
      const auto old = store == Store::kAccumulate ? static_cast<typename Reference<T>::Wide>(before(i, j)) : 0;
      // a chain of K products and K sums: |error| <= 2 K eps sum |a b| [Higham 2002, eq. 3.5], plus the last addition
      const auto bound =
          std::numeric_limits<T>::epsilon() *
          (static_cast<typename Reference<T>::Wide>(2 * depth + 1) * reference.magnitude + std::fabs(old));
      const auto error = std::fabs(static_cast<typename Reference<T>::Wide>(c(i, j)) - (old + reference.sum));
      worst = std::max(worst, static_cast<double>(error / bound));
    }
  }
  CHECK(worst <= 1);
  CHECK(c.surroundings_untouched());
}

}  // namespace

TEST_SUITE("simd/gemm") {
  TEST_CASE_TEMPLATE(
      "gemm: stays within the error bound of a wider sum around the edges of every tile", T, float, double) {
    for (const Level level : test::supported_levels()) {
      for (const Store store : kStores) {
        for (const Index rows : {1, 2, 7, 8, 9}) {
          for (const Index cols : {1, 2, 7, 8, 9, 47, 48, 49, 95, 97}) {
            for (const Index depth : {1, 16, 37}) {
              CAPTURE(name_of(level));
              CAPTURE(rows);
              CAPTURE(cols);
              CAPTURE(depth);
              check_against_reference<T>(level, store, rows, cols, depth);
            }
          }
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("gemm: stays within the error bound around the blocks of the depth", T, float, double) {
    const Index block = 4096 / static_cast<Index>(sizeof(T));
    for (const Level level : test::supported_levels()) {
      for (const Store store : kStores) {
        for (const Index depth : {block - 1, block, block + 1, 2 * block, 2 * block + 1}) {
          CAPTURE(name_of(level));
          CAPTURE(depth);
          check_against_reference<T>(level, store, 9, 49, depth);
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("gemm: is the documented chain of operations, bit for bit", T, float, double) {
    const Index block = 4096 / static_cast<Index>(sizeof(T));
    for (const Level level : test::supported_levels()) {
      for (const Index depth : {Index{0}, Index{1}, Index{100}, block, block + 1, 2 * block + 77}) {
        const GuardedMatrix<T> a = GuardedMatrix<T>(11, depth, 1).fill_random(4);
        const GuardedMatrix<T> weight = GuardedMatrix<T>(53, depth, 1).fill_random(5);
        const PackedMatrix<T> packed(weight.view(), level);
        for (const Store store : kStores) {
          CAPTURE(name_of(level));
          CAPTURE(depth);
          GuardedMatrix<T> c = GuardedMatrix<T>(11, 53).fill_random(6);
          GuardedMatrix<T> expected = c;
          for (Index i = 0; i < 11; ++i) {
            for (Index j = 0; j < 53; ++j) {
              expected.view()(i, j) = chain<T>(level, a.view(), i, weight.view(), j, c(i, j), store);
            }
          }
          Arena scratch;
          gemm(a.view(), packed.view(), c.view(), store, scratch);
          CHECK(same<T>(c.view(), expected.view()));
        }
      }
    }
  }

  TEST_CASE_TEMPLATE(
      "gemm: a row has the same bits alone, in any number of rows, at any place and stride", T, float, double) {
    const Index total = 41;
    const Index cols = 101;
    for (const Level level : test::supported_levels()) {
      for (const Index depth : {5, 130, 1100}) {  // the last in several blocks
        const GuardedMatrix<T> a = GuardedMatrix<T>(total, depth).fill_random(7);
        const PackedMatrix<T> weight(GuardedMatrix<T>(cols, depth).fill_random(8).view(), level);
        for (const Store store : kStores) {
          CAPTURE(name_of(level));
          CAPTURE(depth);
          Arena scratch;
          const GuardedMatrix<T> before = GuardedMatrix<T>(total, cols).fill_random(9);
          GuardedMatrix<T> whole = before;
          gemm(a.view(), weight.view(), whole.view(), store, scratch);
          for (const Index rows : {1, 2, 5, 8, 9, 16, 40}) {
            bool equal = true;
            for (Index first = 0; first + rows <= total; first += rows == 1 ? 1 : 5) {
              GuardedMatrix<T> moved(rows, depth, first % 5, first % 7);
              GuardedMatrix<T> c(rows, cols, first % 3, first % 4);
              for (Index i = 0; i < rows; ++i) {
                std::copy_n(a.view().row(first + i).begin(), depth, moved.view().row(i).begin());
                std::copy_n(before.view().row(first + i).begin(), cols, c.view().row(i).begin());
              }
              gemm(moved.view(), weight.view(), c.view(), store, scratch);
              equal = equal && same<T>(c.view(), std::as_const(whole).view().row_block(first, rows)) &&
                      c.surroundings_untouched();
            }
            CAPTURE(rows);
            CHECK(equal);
          }
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("gemm: a column has the same bits whatever the other outputs are", T, float, double) {
    for (const Level level : test::supported_levels()) {
      const GuardedMatrix<T> a = GuardedMatrix<T>(9, 70).fill_random(10);
      const GuardedMatrix<T> weight = GuardedMatrix<T>(100, 70).fill_random(11);
      Arena scratch;
      Matrix<T> whole(9, 100);
      gemm(a.view(), PackedMatrix<T>(weight.view(), level).view(), whole.view(), Store::kOverwrite, scratch);
      for (const Index cols : {1, 3, 24, 48, 50}) {
        for (Index first = 0; first + cols <= 100; first += 7) {
          CAPTURE(name_of(level));
          CAPTURE(cols);
          CAPTURE(first);
          Matrix<T> c(9, cols);
          const PackedMatrix<T> part(weight.view().row_block(first, cols), level);
          gemm(a.view(), part.view(), c.view(), Store::kOverwrite, scratch);
          CHECK(same<T>(c.view(), whole.view().col_block(first, cols)));
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("gemm: the four forms packed on the fly equal the packed weight bit for bit", T, float, double) {
    struct Shape {
      Index rows, cols, depth;
    };
    for (const Level level : test::supported_levels()) {
      // around tiles; then more rows, more columns, more depth than a block holds
      const Index block = 4096 / static_cast<Index>(sizeof(T));
      for (const Shape& shape : {Shape{1, 1, 1},
                                 Shape{9, 49, 17},
                                 Shape{23, 95, 33},
                                 Shape{66, 50, block},
                                 Shape{3, 530, block},
                                 Shape{9, 49, 2 * block + 7}}) {
        const auto [rows, cols, depth] = shape;
        CAPTURE(name_of(level));
        CAPTURE(rows);
        CAPTURE(cols);
        CAPTURE(depth);
        const GuardedMatrix<T> a = GuardedMatrix<T>(rows, depth, 3, 1).fill_random(12);
        const GuardedMatrix<T> weight = GuardedMatrix<T>(cols, depth, 1, 2).fill_random(13);
        GuardedMatrix<T> a_t(depth, rows, 2, 3);
        GuardedMatrix<T> weight_t(depth, cols, 5, 1);
        for (Index k = 0; k < depth; ++k) {
          for (Index i = 0; i < rows; ++i) {
            a_t.view()(k, i) = a(i, k);
          }
          for (Index j = 0; j < cols; ++j) {
            weight_t.view()(k, j) = weight(j, k);
          }
        }
        Arena scratch;
        for (const Store store : kStores) {
          GuardedMatrix<T> expected = GuardedMatrix<T>(rows, cols).fill_random(14);
          const GuardedMatrix<T> before = expected;
          gemm(a.view(), PackedMatrix<T>(weight.view(), level).view(), expected.view(), store, scratch);
          for (const Op op_a : kOps) {
            for (const Op op_b : kOps) {
              GuardedMatrix<T> c(rows, cols, 2, 1);
              for (Index i = 0; i < rows; ++i) {
                std::copy_n(before.view().row(i).begin(), cols, c.view().row(i).begin());
              }
              const GuardedMatrix<T>& left = op_a == Op::kNone ? a : a_t;
              const GuardedMatrix<T>& right = op_b == Op::kNone ? weight_t : weight;
              gemm(op_a, left.view(), op_b, right.view(), c.view(), store, scratch, level);
              CHECK(same<T>(c.view(), std::as_const(expected).view()));
              CHECK(c.surroundings_untouched());
            }
          }
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("gemm: rows shared among threads have the bits of one thread", T, float, double) {
    const GuardedMatrix<T> a = GuardedMatrix<T>(77, 300).fill_random(15);
    const PackedMatrix<T> weight(GuardedMatrix<T>(130, 300).fill_random(16).view());
    Arena scratch;
    Matrix<T> alone(77, 130);
    gemm(a.view(), weight.view(), alone.view(), Store::kOverwrite, scratch);
    for (const Index split : {1, 8, 38, 70}) {
      CAPTURE(split);
      Matrix<T> shared(77, 130);
      const auto work = [&](Index first, Index count) {
        Arena own;
        gemm(a.view().row_block(first, count),
             weight.view(),
             shared.view().row_block(first, count),
             Store::kOverwrite,
             own);
      };
      std::thread other(work, Index{0}, split);
      work(split, 77 - split);
      other.join();
      CHECK(same<T>(std::as_const(shared).view(), std::as_const(alone).view()));
    }
  }

  TEST_CASE_TEMPLATE("gemm: the identity and small integers come out exactly", T, float, double) {
    for (const Level level : test::supported_levels()) {
      Matrix<T> identity(50, 50);
      Matrix<T> integers(50, 50);
      Matrix<T> c(50, 50);
      for (Index i = 0; i < 50; ++i) {
        identity(i, i) = 1;
        for (Index j = 0; j < 50; ++j) {
          integers(i, j) = static_cast<T>((3 * i + 7 * j) % 19 - 9);
        }
      }
      Arena scratch;
      gemm(Op::kNone, integers.view(), Op::kNone, identity.view(), c.view(), Store::kOverwrite, scratch, level);
      CHECK(same<T>(std::as_const(c).view(), std::as_const(integers).view()));
      gemm(Op::kNone, identity.view(), Op::kNone, integers.view(), c.view(), Store::kAccumulate, scratch, level);
      bool doubled = true;
      for (Index i = 0; i < 50 * 50; ++i) {
        doubled = doubled && c.view().flat()[static_cast<std::size_t>(i)] ==
                                 2 * integers.view().flat()[static_cast<std::size_t>(i)];
      }
      CHECK(doubled);
    }
  }

  TEST_CASE_TEMPLATE("gemm: NaN and infinity stay in the row and column where they belong", T, float, double) {
    const T inf = std::numeric_limits<T>::infinity();
    const T nan = std::numeric_limits<T>::quiet_NaN();
    for (const Level level : test::supported_levels()) {
      for (const T poison : {inf, -inf, nan}) {
        for (const Index spot : {0, 8, 9, 10}) {  // in a whole tile and in an edge tile
          CAPTURE(name_of(level));
          CAPTURE(poison);
          CAPTURE(spot);
          GuardedMatrix<T> a = GuardedMatrix<T>(11, 20, 1).fill(T(1));
          GuardedMatrix<T> weight = GuardedMatrix<T>(51, 20, 1).fill(T(2));
          a.view()(spot, 19) = poison;
          weight.view()(40 + spot, 0) = poison;
          GuardedMatrix<T> c(11, 51, 1);
          Arena scratch;
          gemm(a.view(), PackedMatrix<T>(weight.view(), level).view(), c.view(), Store::kOverwrite, scratch);
          bool expected = true;
          for (Index i = 0; i < 11; ++i) {
            for (Index j = 0; j < 51; ++j) {
              const bool touched = i == spot || j == 40 + spot;
              expected = expected && (touched ? same(c(i, j), poison) : c(i, j) == T(40));
            }
          }
          CHECK(expected);
          CHECK(c.surroundings_untouched());
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("gemm: zero times infinity is NaN, zero times padding is not seen", T, float, double) {
    for (const Level level : test::supported_levels()) {
      GuardedMatrix<T> a = GuardedMatrix<T>(3, 2).fill(std::numeric_limits<T>::infinity());
      GuardedMatrix<T> weight = GuardedMatrix<T>(5, 2).fill(T(1));
      weight.view()(4, 1) = 0;
      Matrix<T> c(3, 5);
      Arena scratch;
      gemm(a.view(), PackedMatrix<T>(weight.view(), level).view(), c.view(), Store::kOverwrite, scratch);
      for (Index i = 0; i < 3; ++i) {
        for (Index j = 0; j < 4; ++j) {
          CHECK(c(i, j) == std::numeric_limits<T>::infinity());
        }
        CHECK(std::isnan(c(i, 4)));
      }
    }
  }

  TEST_CASE_TEMPLATE("gemm: without depth the sums are zero", T, float, double) {
    const Matrix<T> a(3, 0);
    const PackedMatrix<T> weight(Matrix<T>(4, 0).view());
    Arena scratch;
    GuardedMatrix<T> c = GuardedMatrix<T>(3, 4, 2, 1).fill(T(5));
    gemm(a.view(), weight.view(), c.view(), Store::kAccumulate, scratch);
    CHECK(same<T>(std::as_const(c).view(), GuardedMatrix<T>(3, 4).fill(T(5)).view()));
    c.fill(T(-0.0));
    gemm(Op::kTranspose,
         Matrix<T>(0, 3).view(),
         Op::kNone,
         Matrix<T>(0, 4).view(),
         c.view(),
         Store::kAccumulate,
         scratch);
    CHECK(same<T>(std::as_const(c).view(), GuardedMatrix<T>(3, 4).fill(T(-0.0)).view()));
    gemm(a.view(), weight.view(), c.view(), Store::kOverwrite, scratch);
    CHECK(same<T>(std::as_const(c).view(), GuardedMatrix<T>(3, 4).view()));
    c.fill(T(5));
    gemm(Op::kNone, a.view(), Op::kTranspose, Matrix<T>(4, 0).view(), c.view(), Store::kOverwrite, scratch);
    CHECK(same<T>(std::as_const(c).view(), GuardedMatrix<T>(3, 4).view()));
    CHECK(c.surroundings_untouched());
  }

  TEST_CASE("gemm: without rows or columns nothing happens") {
    Arena scratch;
    const PackedMatrix<float> weight(Matrix<float>(4, 7).view());
    const PackedMatrix<float> no_outputs(Matrix<float>(0, 7).view());
    gemm(Matrix<float>(0, 7).view(), weight.view(), Matrix<float>(0, 4).view(), Store::kOverwrite, scratch);
    gemm(Matrix<float>(3, 7).view(), no_outputs.view(), Matrix<float>(3, 0).view(), Store::kOverwrite, scratch);
    gemm(Op::kNone,
         Matrix<float>(0, 7).view(),
         Op::kNone,
         Matrix<float>(7, 4).view(),
         Matrix<float>(0, 4).view(),
         Store::kAccumulate,
         scratch);
    CHECK(scratch.capacity() == 0);
  }

  TEST_CASE("gemm: takes views through which one may write as operands") {
    Matrix<float> a(1, 1);
    Matrix<float> weight(1, 1);
    Matrix<float> c(1, 1);
    a(0, 0) = 3;
    weight(0, 0) = 4;
    Arena arena;
    const re::simd::PackedView<float> packed = re::simd::pack(weight.view(), arena);
    gemm(a.view(), packed, c.view(), Store::kOverwrite, arena);
    CHECK(c(0, 0) == 12);
    gemm(Op::kNone, a.view(), Op::kTranspose, weight.view(), c.view(), Store::kAccumulate, arena);
    CHECK(c(0, 0) == 24);
  }

  TEST_CASE_TEMPLATE("gemm: gives its scratch back and never needs more than the first time", T, float, double) {
    const GuardedMatrix<T> a = GuardedMatrix<T>(200, 700).fill_random(17);
    const GuardedMatrix<T> b = GuardedMatrix<T>(700, 900).fill_random(18);
    Matrix<T> c(200, 900);
    Arena scratch;
    const std::span<int> held = scratch.allocate<int>(3);
    held[2] = 7;
    const std::size_t used = scratch.used();
    gemm(Op::kNone, a.view(), Op::kNone, b.view(), c.view(), Store::kOverwrite, scratch);
    const std::size_t capacity = scratch.capacity();
    for (const Index rows : {200, 1, 100}) {
      gemm(Op::kNone,
           a.view().row_block(0, rows),
           Op::kNone,
           b.view(),
           c.view().row_block(0, rows),
           Store::kOverwrite,
           scratch);
    }
    CHECK(scratch.used() == used);
    CHECK(scratch.capacity() == capacity);
    CHECK(scratch.peak() <= used + (std::size_t{9} << 18));  // 256 KB for a, 2 MB for b
    CHECK(held[2] == 7);
  }

  TEST_CASE("gemm: a weight in bf16 gives the bits of the rounded weight in float, whatever the shape") {
    Arena scratch;
    for (const Level level : test::supported_levels()) {
      for (const auto& [m, n, k] : {std::array<Index, 3>{1, 1, 1},
                                    {3, 49, 7},
                                    {8, 48, 1024},
                                    {9, 47, 1025},  // two blocks of the depth
                                    {65, 130, 300},
                                    {2, 5, 0}}) {
        const GuardedMatrix<float> a = GuardedMatrix<float>(m, k, 3, 1).fill_random(21);
        const GuardedMatrix<re::bf16> stored = GuardedMatrix<re::bf16>(n, k, 2, 5).fill_random(22);
        GuardedMatrix<float> widened(n, k);
        for (Index row = 0; row < n; ++row) {
          re::convert(stored.view().row(row), widened.view().row(row));
        }
        const std::vector<float> bias(static_cast<std::size_t>(n), 0.3F);
        for (const Store store : kStores) {
          GuardedMatrix<float> got = GuardedMatrix<float>(m, n, 1, 3).fill_random(23);
          GuardedMatrix<float> want = got;
          const re::simd::AddBias<float> epilogue{bias};
          gemm(a.view(), PackedMatrix<re::bf16>(stored.view(), level).view(), got.view(), store, scratch, epilogue);
          gemm(a.view(), PackedMatrix<float>(widened.view(), level).view(), want.view(), store, scratch, epilogue);
          CAPTURE(name_of(level));
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CHECK(same<float>(std::as_const(got).view(), std::as_const(want).view()));
          CHECK(got.surroundings_untouched());
        }
      }
    }
  }

  TEST_CASE("gemm: a row's bits do not depend on the rows around it, with a weight in bf16") {
    const GuardedMatrix<float> a = GuardedMatrix<float>(37, 1500).fill_random(24);
    const GuardedMatrix<re::bf16> weight = GuardedMatrix<re::bf16>(101, 1500).fill_random(25);
    Arena scratch;
    for (const Level level : test::supported_levels()) {
      const PackedMatrix<re::bf16> packed(weight.view(), level);
      Matrix<float> all(37, 101);
      gemm(a.view(), packed.view(), all.view(), Store::kOverwrite, scratch);
      for (const Index first : {0, 1, 7, 36}) {
        for (const Index count : {Index{1}, Index{5}, Index{37} - first}) {
          const Index rows = std::min(count, 37 - first);
          GuardedMatrix<float> part(rows, 101, 2, 1);
          gemm(a.view().row_block(first, rows), packed.view(), part.view(), Store::kOverwrite, scratch);
          CHECK(same<float>(std::as_const(part).view(), std::as_const(all).view().row_block(first, rows)));
        }
      }
    }
  }

  TEST_CASE("gemm: the same weight in bf16 at other levels differs by rounding of the sums alone") {
    const GuardedMatrix<float> a = GuardedMatrix<float>(11, 700).fill_random(26);
    const GuardedMatrix<re::bf16> weight = GuardedMatrix<re::bf16>(50, 700).fill_random(27);
    Arena scratch;
    for (const Level level : test::supported_levels()) {
      Matrix<float> c(11, 50);
      gemm(a.view(), PackedMatrix<re::bf16>(weight.view(), level).view(), c.view(), Store::kOverwrite, scratch);
      double worst = 0.0;
      for (Index i = 0; i < 11; ++i) {
        for (Index j = 0; j < 50; ++j) {
          double sum = 0.0;
          double magnitude = 0.0;
          for (Index k = 0; k < 700; ++k) {
            const double product = double(a(i, k)) * double(static_cast<float>(weight(j, k)));
            sum += product;
            magnitude += std::fabs(product);
          }
          // the bound of check_against_reference: the weight itself adds nothing to it
          worst = std::max(worst, std::fabs(double(c(i, j)) - sum) / (1401 * 0x1p-23 * magnitude));
        }
      }
      CAPTURE(name_of(level));
      CHECK(worst <= 1.0);
    }
  }

  TEST_CASE("gemm: pairs of bf16 are the product of both operands rounded to bf16, at every level and shape") {
    Arena scratch;
    for (const Level level : test::supported_levels()) {
      for (const auto& [m, n, k] : {std::array<Index, 3>{1, 1, 1},
                                    {3, 49, 7},
                                    {8, 48, 2048},
                                    {9, 47, 2049},  // two blocks of the depth
                                    {65, 130, 300},
                                    {300, 5, 1100},  // several blocks of rows
                                    {17, 33, 5001},
                                    {2, 5, 0}}) {
        const GuardedMatrix<float> a = GuardedMatrix<float>(m, k, 3, 1).fill_random(31);
        const GuardedMatrix<re::bf16> weight = GuardedMatrix<re::bf16>(n, k, 2, 5).fill_random(32);
        const PackedMatrix<Bf16Pair> packed(weight.view(), level);
        for (const Store store : kStores) {
          GuardedMatrix<float> c = GuardedMatrix<float>(m, n, 1, 3).fill_random(33);
          const GuardedMatrix<float> before = c;
          const std::vector<float> bias(static_cast<std::size_t>(n), 0.3F);
          gemm(a.view(), packed.view(), c.view(), store, scratch, re::simd::AddBias<float>{bias});
          double worst = 0.0;
          for (Index i = 0; i < m; ++i) {
            for (Index j = 0; j < n; ++j) {
              double sum = (store == Store::kAccumulate ? double(before(i, j)) : 0.0) + 0.3F;
              double magnitude = 2.0;
              for (Index l = 0; l < k; ++l) {
                const double product =
                    double(static_cast<float>(re::bf16(a(i, l)))) * double(static_cast<float>(weight(j, l)));
                sum += product;
                magnitude += std::fabs(product);
              }
              // products of bf16 are exact in float; two roundings at most for each addition
              worst = std::max(worst, std::fabs(double(c(i, j)) - sum) / (double(k + 4) * 0x1p-23 * magnitude));
            }
          }
          CAPTURE(name_of(level));
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CHECK(worst <= 1.0);
          CHECK(c.surroundings_untouched());
        }
      }
    }
  }

  TEST_CASE("gemm: pairs of bf16 let NaN and infinity through, in their rows and columns alone") {
    Matrix<float> a(9, 33);
    std::fill(a.flat().begin(), a.flat().end(), 1.0F);
    a.view()(2, 32) = std::numeric_limits<float>::quiet_NaN();
    a.view()(8, 0) = std::numeric_limits<float>::infinity();
    Matrix<re::bf16> weight(50, 33);
    std::fill(weight.flat().begin(), weight.flat().end(), re::bf16(0.5F));
    for (const Level level : test::supported_levels()) {
      Matrix<float> c(9, 50);
      Arena scratch;
      gemm(std::as_const(a).view(),
           PackedMatrix<Bf16Pair>(std::as_const(weight).view(), level).view(),
           c.view(),
           Store::kOverwrite,
           scratch);
      for (Index i = 0; i < 9; ++i) {
        for (Index j = 0; j < 50; ++j) {
          CHECK((i == 2 ? std::isnan(c(i, j)) : i == 8 ? std::isinf(c(i, j)) : c(i, j) == 16.5F));
        }
      }
    }
  }

  TEST_CASE("gemm: a row's bits do not depend on the rows around it, with pairs of bf16") {
    const GuardedMatrix<float> a = GuardedMatrix<float>(37, 1501).fill_random(34);
    const GuardedMatrix<re::bf16> weight = GuardedMatrix<re::bf16>(101, 1501).fill_random(35);
    Arena scratch;
    for (const Level level : test::supported_levels()) {
      const PackedMatrix<Bf16Pair> packed(weight.view(), level);
      Matrix<float> all(37, 101);
      gemm(a.view(), packed.view(), all.view(), Store::kOverwrite, scratch);
      for (const Index first : {0, 1, 7, 36}) {
        for (const Index rows : {Index{1}, Index{37} - first}) {
          GuardedMatrix<float> part(rows, 101, 2, 1);
          gemm(a.view().row_block(first, rows), packed.view(), part.view(), Store::kOverwrite, scratch);
          CHECK(same<float>(std::as_const(part).view(), std::as_const(all).view().row_block(first, rows)));
        }
      }
    }
  }

  TEST_CASE_TEMPLATE("gemm_scratch: is what the product takes of its arena", W, float, double, re::bf16, Bf16Pair) {
    using T = re::simd::detail::Accumulator<W>;
    for (const Level level : test::supported_levels()) {
      for (const auto& [m, k] :
           {std::pair<Index, Index>{1, 1}, {7, 33}, {512, 1024}, {3, 5000}, {1000, 16}, {300, 1100}, {61, 4097}}) {
        Arena scratch;
        Matrix<T> c(m, 9);
        gemm(Matrix<T>(m, k).view(), PackedMatrix<W>(9, k, level).view(), c.view(), Store::kOverwrite, scratch);
        const auto bytes = static_cast<std::size_t>(re::simd::gemm_scratch<W>(m, k, level)) * sizeof(T);
        CHECK(scratch.peak() == (bytes + re::kAlignment - 1) / re::kAlignment * re::kAlignment);
      }
      CHECK(re::simd::gemm_scratch<W>(0, 9, level) == 0);
      CHECK(re::simd::gemm_scratch<W>(9, 0, level) == 0);
    }
  }

  TEST_CASE("gemm: refuses shapes that do not fit before it touches the result") {
    const Matrix<float> a(3, 7);
    const PackedMatrix<float> weight(Matrix<float>(5, 8).view());
    GuardedMatrix<float> c = GuardedMatrix<float>(3, 5).fill(9.0F);
    Arena scratch;
    CHECK_THROWS_WITH_AS(gemm(a.view(), weight.view(), c.view(), Store::kOverwrite, scratch),
                         "simd::gemm: a.cols() is 7, expected 8",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(gemm(Matrix<float>(2, 8).view(), weight.view(), c.view(), Store::kOverwrite, scratch),
                         "simd::gemm: c.rows() is 3, expected 2",
                         re::ShapeError);
    CHECK_THROWS_WITH_AS(
        gemm(Matrix<float>(3, 8).view(), weight.view(), Matrix<float>(3, 4).view(), Store::kOverwrite, scratch),
        "simd::gemm: c.cols() is 4, expected 5",
        re::ShapeError);
    CHECK(same<float>(std::as_const(c).view(), GuardedMatrix<float>(3, 5).fill(9.0F).view()));
    CHECK(scratch.capacity() == 0);
  }

  TEST_CASE("gemm: refuses operands packed on the fly that do not fit, by the name of the extent") {
    const Matrix<double> a(3, 7);
    const Matrix<double> b(8, 5);
    Matrix<double> c(3, 5);
    Arena scratch;
    const auto multiply = [&](Op op_a, Op op_b) {
      gemm(op_a, a.view(), op_b, b.view(), c.view(), Store::kOverwrite, scratch);
    };
    CHECK_THROWS_WITH_AS(multiply(Op::kNone, Op::kNone), "simd::gemm: a.cols() is 7, expected 8", re::ShapeError);
    CHECK_THROWS_WITH_AS(multiply(Op::kNone, Op::kTranspose), "simd::gemm: a.cols() is 7, expected 5", re::ShapeError);
    CHECK_THROWS_WITH_AS(multiply(Op::kTranspose, Op::kNone), "simd::gemm: a.rows() is 3, expected 8", re::ShapeError);
    const Matrix<double> fits(3, 8);
    const auto into = [&](Matrix<double> result) {
      gemm(Op::kNone, fits.view(), Op::kNone, b.view(), result.view(), Store::kOverwrite, scratch);
    };
    CHECK_THROWS_WITH_AS(into(Matrix<double>(4, 5)), "simd::gemm: c.rows() is 4, expected 3", re::ShapeError);
    CHECK_THROWS_WITH_AS(into(Matrix<double>(3, 6)), "simd::gemm: c.cols() is 6, expected 5", re::ShapeError);
  }
}
