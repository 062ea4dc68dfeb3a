#include <reasonembed/simd/rounded_product.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>
#include <support/levels.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

namespace re = reasonembed;
using re::Arena;
using re::bf16;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::simd::Bf16Pair;
using re::simd::Level;
using re::simd::Op;
using re::simd::PackedMatrix;
using re::simd::Store;
using test::GuardedMatrix;

namespace {

struct Shape {
  Index m;
  Index n;
  Index k;
};
constexpr Shape kShapes[] = {{1, 1, 1},
                             {1, 48, 2},
                             {8, 48, 64},
                             {9, 49, 3},
                             {7, 15, 33},
                             {16, 17, 128},
                             {17, 64, 31},
                             {33, 100, 65},
                             {64, 96, 200},
                             {5, 3, 2049},    // more than one block of the depth
                             {40, 700, 70},   // more than one panel
                             {300, 50, 20}};  // more than one block of rows

Matrix<float> copy(MatrixView<const float> x) {
  Matrix<float> out(x.rows(), x.cols());
  for (Index i = 0; i < x.rows(); ++i) {
    std::copy_n(x.row(i).begin(), x.cols(), out.view().row(i).begin());
  }
  return out;
}
Matrix<float> transposed(MatrixView<const float> x) {
  Matrix<float> out(x.cols(), x.rows());
  for (Index i = 0; i < x.rows(); ++i) {
    for (Index j = 0; j < x.cols(); ++j) {
      out.view()(j, i) = x(i, j);
    }
  }
  return out;
}

/// An operand as it lies in memory for an op, with room around it.
struct Operand {
  Op op;
  GuardedMatrix<float> memory;

  Operand(Op how, MatrixView<const float> x)
      : op(how), memory(how == Op::kNone ? x.rows() : x.cols(), how == Op::kNone ? x.cols() : x.rows(), 3, 5) {
    for (Index i = 0; i < x.rows(); ++i) {
      for (Index j = 0; j < x.cols(); ++j) {
        (op == Op::kNone ? memory.view()(i, j) : memory.view()(j, i)) = x(i, j);
      }
    }
  }
  [[nodiscard]] MatrixView<const float> view() const { return memory.view(); }
};

/// The product with bf16(b) as a packed weight: what rounded_product promises the bits of.
Matrix<float> packed_product(MatrixView<const float> a, MatrixView<const float> b, Level level) {
  PackedMatrix<Bf16Pair> weight(b.cols(), b.rows(), level);
  weight.assign_rounded_columns(b);
  Matrix<float> c(a.rows(), b.cols());
  Arena arena;
  re::simd::gemm(a, weight.view(), c.view(), Store::kOverwrite, arena);
  return c;
}

bool same_bits(MatrixView<const float> a, MatrixView<const float> b) {
  for (Index i = 0; i < a.rows(); ++i) {
    if (std::memcmp(a.row(i).data(), b.row(i).data(), a.row(i).size_bytes()) != 0) {
      return false;
    }
  }
  return a.rows() == b.rows() && a.cols() == b.cols();
}

}  // namespace

TEST_SUITE("simd/rounded_product") {
  TEST_CASE("rounded_product: has the bits of the product with the rounded weight, in every form, at every level") {
    for (const Level level : test::supported_levels()) {
      CAPTURE(name_of(level));
      for (const Shape& shape : kShapes) {
        CAPTURE(shape.m);
        CAPTURE(shape.n);
        CAPTURE(shape.k);
        const auto a = GuardedMatrix<float>(shape.m, shape.k).fill_random(1);
        const auto b = GuardedMatrix<float>(shape.k, shape.n).fill_random(2);
        const Matrix<float> want = packed_product(a.view(), b.view(), level);
        for (const Op op_a : {Op::kNone, Op::kTranspose}) {
          for (const Op op_b : {Op::kNone, Op::kTranspose}) {
            const Operand left(op_a, a.view());
            const Operand right(op_b, b.view());
            GuardedMatrix<float> c(shape.m, shape.n, 2, 3);
            Arena arena;
            re::simd::rounded_product(op_a, left.view(), op_b, right.view(), c.view(), Store::kOverwrite, arena, level);
            CHECK(same_bits(c.view(), want.view()));
            CHECK(c.surroundings_untouched());
            CHECK(arena.used() == 0);
          }
        }
      }
    }
  }

  TEST_CASE("rounded_product: stays within its bound of the exact product") {
    for (const Level level : test::supported_levels()) {
      const auto a = GuardedMatrix<float>(13, 300).fill_random(3);
      const auto b = GuardedMatrix<float>(300, 21).fill_random(4);
      Matrix<float> c(13, 21);
      Arena arena;
      re::simd::rounded_product(Op::kNone, a.view(), Op::kNone, b.view(), c.view(), Store::kOverwrite, arena, level);
      for (Index i = 0; i < 13; ++i) {
        for (Index j = 0; j < 21; ++j) {
          double exact = 0.0;
          double size = 0.0;
          for (Index k = 0; k < 300; ++k) {
            exact += double{a.view()(i, k)} * double{b.view()(k, j)};
            size += std::abs(double{a.view()(i, k)} * double{b.view()(k, j)});
          }
          CHECK(std::abs(double{c.view()(i, j)} - exact) <= (0x1p-7 + 300 * 0x1p-23) * size);
        }
      }
    }
  }

  TEST_CASE("rounded_product: adds to what is there") {
    for (const Level level : test::supported_levels()) {
      for (const Index depth : {Index{0}, Index{5}, Index{3000}}) {
        CAPTURE(depth);
        const auto a = GuardedMatrix<float>(depth, 10).fill_random(5);
        const auto b = GuardedMatrix<float>(depth, 50).fill_random(6);
        Matrix<float> sum = copy(GuardedMatrix<float>(10, 50).fill_random(7).view());
        Matrix<float> product(10, 50);
        Arena arena;
        const auto multiply = [&](Store store, MatrixView<float> c) {
          re::simd::rounded_product(Op::kTranspose, a.view(), Op::kNone, b.view(), c, store, arena, level);
        };
        const Matrix<float> before = copy(sum.view());
        multiply(Store::kOverwrite, product.view());
        multiply(Store::kAccumulate, sum.view());
        for (std::size_t i = 0; i < sum.flat().size(); ++i) {
          const float want = before.flat()[i] + product.flat()[i];
          CHECK(std::abs(sum.flat()[i] - want) <= 1e-4F);
        }
      }
    }
  }

  TEST_CASE("rounded_product: a row's bits depend on nothing but the row") {
    const auto a = GuardedMatrix<float>(40, 77).fill_random(8);
    const auto b = GuardedMatrix<float>(77, 60).fill_random(9);
    Arena arena;
    Matrix<float> all(40, 60);
    re::simd::rounded_product(Op::kNone, a.view(), Op::kNone, b.view(), all.view(), Store::kOverwrite, arena);
    for (Index i = 0; i < 40; ++i) {
      Matrix<float> one(1, 60);
      re::simd::rounded_product(
          Op::kNone, a.view().row_block(i, 1), Op::kNone, b.view(), one.view(), Store::kOverwrite, arena);
      CHECK(same_bits(one.view(), all.view().row_block(i, 1)));
    }
  }

  TEST_CASE("rounded_product: numbers that are none reach the sums they are in, and no others") {
    for (const Level level : test::supported_levels()) {
      Matrix<float> a = copy(GuardedMatrix<float>(9, 20).fill_random(10).view());
      const auto b = GuardedMatrix<float>(20, 50).fill_random(11);
      a.view()(4, 7) = std::numeric_limits<float>::quiet_NaN();
      a.view()(5, 0) = std::numeric_limits<float>::infinity();
      const Matrix<float> a_transposed = transposed(a.view());
      Matrix<float> c(9, 50);
      Arena arena;
      re::simd::rounded_product(
          Op::kTranspose, a_transposed.view(), Op::kNone, b.view(), c.view(), Store::kOverwrite, arena, level);
      for (Index i = 0; i < 9; ++i) {
        for (Index j = 0; j < 50; ++j) {
          CHECK(std::isnan(c.view()(i, j)) == (i == 4));
          CHECK(std::isfinite(c.view()(i, j)) == (i != 4 && i != 5));
        }
      }
    }
  }

  TEST_CASE("rounded_product: shapes that do not fit are refused before any work, and empty ones are no work") {
    Arena arena;
    const Matrix<float> a(4, 5);
    const Matrix<float> b(5, 6);
    Matrix<float> c(4, 6);
    const auto multiply = [&](Op op_a, Op op_b, MatrixView<float> out) {
      re::simd::rounded_product(op_a, a.view(), op_b, b.view(), out, Store::kOverwrite, arena);
    };
    CHECK_NOTHROW(multiply(Op::kNone, Op::kNone, c.view()));
    CHECK_THROWS_WITH_AS(multiply(Op::kTranspose, Op::kNone, c.view()),
                         doctest::Contains("simd::rounded_product: a.rows()"),
                         re::ShapeError);
    CHECK_THROWS_AS(multiply(Op::kNone, Op::kTranspose, c.view()), re::ShapeError);
    Matrix<float> narrow(4, 5);
    CHECK_THROWS_WITH_AS(multiply(Op::kNone, Op::kNone, narrow.view()), doctest::Contains("c.cols()"), re::ShapeError);
    Matrix<float> none(0, 6);
    CHECK_NOTHROW(re::simd::rounded_product(Op::kNone,
                                            MatrixView<const float>(a.view()).row_block(0, 0),
                                            Op::kNone,
                                            b.view(),
                                            none.view(),
                                            Store::kOverwrite,
                                            arena));
  }
}
