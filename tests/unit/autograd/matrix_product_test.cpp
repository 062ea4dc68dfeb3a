#include <reasonembed/autograd/matrix_product.hpp>
#include <reasonembed/autograd/ops.hpp>

#include <doctest/doctest.h>

#include <support/tape.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

namespace re = reasonembed;
namespace ag = reasonembed::autograd;
using ag::Tape;
using ag::Var;
using re::Index;
using re::Matrix;
using re::MatrixView;
using test::DoubleTape;
using test::Inputs;

namespace {

struct Sizes {
  Index m, n, k;
};

/// Around one, and around the tiles and vectors of the product kernels.
const std::vector<Sizes> kSizes{{1, 1, 1}, {1, 5, 3}, {4, 1, 3}, {4, 5, 1}, {3, 4, 5}, {7, 9, 8}, {16, 17, 15}};
const std::vector<Sizes> kEmptySizes{{0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {0, 0, 0}};

double element(MatrixView<const double> a, MatrixView<const double> b, Index row, Index col, bool transposed) {
  double total = 0.0;
  for (Index k = 0; k < a.cols(); ++k) {
    total += a(row, k) * (transposed ? b(col, k) : b(k, col));
  }
  return total;
}

}  // namespace

TEST_SUITE("autograd/matrix_product") {
  TEST_CASE("matmul, matmul_nt: equal the sum of products") {
    for (const auto& [m, n, k] : kSizes) {
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      Tape<double> tape;
      const Matrix<double> a = test::random_matrix(m, k, 1);
      const Matrix<double> b = test::random_matrix(k, n, 2);
      const Matrix<double> c = test::random_matrix(n, k, 3);
      const Var<double> plain = ag::matmul(tape.constant(a.view()), tape.constant(b.view()));
      const Var<double> transposed = ag::matmul_nt(tape.constant(a.view()), tape.constant(c.view()));
      const double tolerance = 2.0 * static_cast<double>(k) * 0x1p-53 * static_cast<double>(k);  // |terms| <= 1
      for (Index row = 0; row < m; ++row) {
        for (Index col = 0; col < n; ++col) {
          CHECK(std::abs(plain.value()(row, col) - element(a.view(), b.view(), row, col, false)) <= tolerance);
          CHECK(std::abs(transposed.value()(row, col) - element(a.view(), c.view(), row, col, true)) <= tolerance);
        }
      }
    }
  }

  TEST_CASE("matmul: gradients of both factors") {
    for (const auto& [m, n, k] : kSizes) {
      test::expect_gradient(
          [](DoubleTape&, const Inputs& x) { return ag::matmul(x[0], x[1]); }, {{m, k}, {k, n}}, 0.5, 2.0);
    }
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::matmul(x[0], x[1]); }, {{5, 6}, {6, 4}});
  }

  TEST_CASE("matmul_nt: gradients of both factors") {
    for (const auto& [m, n, k] : kSizes) {
      test::expect_gradient(
          [](DoubleTape&, const Inputs& x) { return ag::matmul_nt(x[0], x[1]); }, {{m, k}, {n, k}}, 0.5, 2.0);
    }
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::matmul_nt(x[0], x[1]); }, {{5, 6}, {4, 6}});
  }

  TEST_CASE("matmul, matmul_nt: gradients when both factors are one variable") {
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::matmul(x[0], x[0]); }, {{4, 4}});
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::matmul_nt(x[0], x[0]); }, {{3, 5}});
    test::expect_gradient([](DoubleTape&, const Inputs& x) { return ag::matmul(ag::matmul_nt(x[0], x[0]), x[0]); },
                          {{3, 5}});
  }

  TEST_CASE("matmul, matmul_nt: gradients when one factor is a constant") {
    const Matrix<double> fixed = test::random_matrix(4, 4, 9);
    test::expect_gradient(
        [&](DoubleTape& tape, const Inputs& x) { return ag::matmul(x[0], tape.constant(fixed.view())); }, {{3, 4}});
    test::expect_gradient(
        [&](DoubleTape& tape, const Inputs& x) { return ag::matmul(tape.constant(fixed.view()), x[0]); }, {{4, 3}});
    test::expect_gradient(
        [&](DoubleTape& tape, const Inputs& x) { return ag::matmul_nt(x[0], tape.constant(fixed.view())); }, {{3, 4}});
    test::expect_gradient(
        [&](DoubleTape& tape, const Inputs& x) { return ag::matmul_nt(tape.constant(fixed.view()), x[0]); }, {{3, 4}});
  }

  TEST_CASE("matmul, matmul_nt: sizes of zero give zeros or nothing, forwards and backwards") {
    for (const auto& [m, n, k] : kEmptySizes) {
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      Tape<double> tape;
      const Matrix<double> a = test::random_matrix(m, k, 1);
      const Matrix<double> b = test::random_matrix(k, n, 2);
      const Matrix<double> c = test::random_matrix(n, k, 3);
      const Var<double> x = tape.leaf(a.view());
      const Var<double> y = tape.leaf(b.view());
      const Var<double> z = tape.leaf(c.view());
      const Var<double> plain = ag::matmul(x, y);
      const Var<double> transposed = ag::matmul_nt(x, z);
      CHECK(plain.rows() == m);
      CHECK(plain.cols() == n);
      const Var<double> total = ag::sum(plain) + ag::sum(transposed);
      CHECK(total.item() == 0.0);
      tape.backward(total);
      for (const Var<double>& leaf : {x, y, z}) {
        for (const double g : leaf.gradient().flat()) {
          CHECK(g == 0.0);
        }
      }
    }
  }

  TEST_CASE("matmul, matmul_nt: reject factors that do not fit") {
    Tape<double> tape;
    const Matrix<double> m23(2, 3);
    const Matrix<double> m42(4, 2);
    const Var<double> x = tape.leaf(m23.view());
    const Var<double> y = tape.leaf(m42.view());
    CHECK_THROWS_WITH_AS((void)ag::matmul(x, y), "autograd::matmul: b.rows() is 4, expected 3", re::ShapeError);
    CHECK_THROWS_WITH_AS((void)ag::matmul_nt(x, y), "autograd::matmul_nt: b.cols() is 2, expected 3", re::ShapeError);
    const auto report = ag::check_gradient([](DoubleTape&, const Inputs& in) { return ag::matmul(in[0], in[1]); },
                                           test::random_inputs({{2, 3}, {2, 3}}));
    CHECK(report.threw);
  }

  TEST_CASE("matmul: reads a strided parameter") {
    const Matrix<double> store = test::random_matrix(6, 9, 4);
    Matrix<double> d_store(6, 9);
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(2, 6, 5);
    const Var<double> weight = tape.parameter(store.view().col_block(2, 3), d_store.view().col_block(2, 3));
    const Var<double> y = ag::matmul(tape.constant(a.view()), weight);
    tape.backward(ag::sum(y));
    for (Index row = 0; row < 6; ++row) {
      for (Index col = 0; col < 9; ++col) {
        const double expected = col >= 2 && col < 5 ? a(0, row) + a(1, row) : 0.0;
        CHECK(d_store(row, col) == doctest::Approx(expected).epsilon(1e-15));
      }
    }
  }

  TEST_CASE("transpose: exchanges rows and columns, twice is nothing") {
    test::expect_gradient_at_all_shapes([](DoubleTape&, const Inputs& x) { return ag::transpose(x[0]); });
    Tape<double> tape;
    const Matrix<double> a = test::random_matrix(3, 5, 1);
    const Var<double> x = tape.constant(a.view());
    const Var<double> y = ag::transpose(x);
    CHECK(y.rows() == 5);
    CHECK(y.cols() == 3);
    const Var<double> back = ag::transpose(y);
    for (Index row = 0; row < 3; ++row) {
      for (Index col = 0; col < 5; ++col) {
        CHECK(y.value()(col, row) == a(row, col));
        CHECK(back.value()(row, col) == a(row, col));
      }
    }
  }

  TEST_CASE("matmul_nt: equals matmul with a transpose, in gradients too") {
    const auto gradients = [](bool direct) {
      Tape<double> tape;
      const Matrix<double> a = test::random_matrix(6, 5, 1);
      const Matrix<double> b = test::random_matrix(7, 5, 2);
      const Var<double> x = tape.leaf(a.view());
      const Var<double> y = tape.leaf(b.view());
      const Var<double> product = direct ? ag::matmul_nt(x, y) : ag::matmul(x, ag::transpose(y));
      tape.backward(ag::sum(product * product));
      std::vector<double> all(x.gradient().flat().begin(), x.gradient().flat().end());
      all.insert(all.end(), y.gradient().flat().begin(), y.gradient().flat().end());
      return all;
    };
    const std::vector<double> direct = gradients(true);
    const std::vector<double> through = gradients(false);
    for (std::size_t i = 0; i < direct.size(); ++i) {
      // sums of at most 7 products of terms below 10
      CHECK(std::abs(direct[i] - through[i]) < 7 * 10 * 0x1p-50);
    }
  }
}
