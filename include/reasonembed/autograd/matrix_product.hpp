#pragma once
/// @file Tape operations of linear algebra.
#include <reasonembed/autograd/elementwise.hpp>
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/gemm.hpp>

namespace reasonembed::inline REASONEMBED_ABI::autograd {

namespace detail {

/// dx += op(a) op(b) if x is differentiated.
template <Scalar T>
void accumulate_product(Var<T> x, simd::Op op_a, MatrixView<const T> a, simd::Op op_b, MatrixView<const T> b) {
  Tape<T>& tape = x.tape();
  if (tape.differentiated(x)) {
    const ArenaScope scope(tape.scratch());
    simd::gemm(op_a, a, op_b, b, tape.adjoint(x), simd::Store::kAccumulate, tape.scratch());
  }
}

}  // namespace detail

/// Matrix product.
///
///   Y = A B,   dA = dY B^T,   dB = A^T dY
///
/// @param a  (M, K)
/// @param b  (K, N)
/// @return   (M, N)
/// @throws   ShapeError if b.rows() != a.cols(); ConfigError if b is of another tape
template <Scalar T>
[[nodiscard]] Var<T> matmul(Var<T> a, Var<T> b) {
  Tape<T>& tape = a.tape("autograd::matmul");
  tape.require_own("autograd::matmul", b);
  require_extent("autograd::matmul", "b.rows()", b.rows(), a.cols());
  const MatrixView<const T> u = a.value();
  const MatrixView<const T> v = b.value();
  return tape.record(
      "autograd::matmul",
      a.rows(),
      b.cols(),
      {a, b},
      [&](MatrixView<T> y) {
        const ArenaScope scope(tape.scratch());
        simd::gemm(simd::Op::kNone, u, simd::Op::kNone, v, y, simd::Store::kOverwrite, tape.scratch());
      },
      [a, b, u, v](MatrixView<const T>, MatrixView<const T> dy) {
        detail::accumulate_product(a, simd::Op::kNone, dy, simd::Op::kTranspose, v);
        detail::accumulate_product(b, simd::Op::kTranspose, u, simd::Op::kNone, dy);
      });
}

/// Matrix product with the second factor transposed: all inner products of two sets of rows.
///
///   Y = A B^T,   dA = dY B,   dB = dY^T A
///
/// @param a  (M, K)
/// @param b  (N, K)
/// @return   (M, N)
/// @throws   ShapeError if b.cols() != a.cols(); ConfigError if b is of another tape
template <Scalar T>
[[nodiscard]] Var<T> matmul_nt(Var<T> a, Var<T> b) {
  Tape<T>& tape = a.tape("autograd::matmul_nt");
  tape.require_own("autograd::matmul_nt", b);
  require_extent("autograd::matmul_nt", "b.cols()", b.cols(), a.cols());
  const MatrixView<const T> u = a.value();
  const MatrixView<const T> v = b.value();
  return tape.record(
      "autograd::matmul_nt",
      a.rows(),
      b.rows(),
      {a, b},
      [&](MatrixView<T> y) {
        const ArenaScope scope(tape.scratch());
        simd::gemm(simd::Op::kNone, u, simd::Op::kTranspose, v, y, simd::Store::kOverwrite, tape.scratch());
      },
      [a, b, u, v](MatrixView<const T>, MatrixView<const T> dy) {
        detail::accumulate_product(a, simd::Op::kNone, dy, simd::Op::kNone, v);
        detail::accumulate_product(b, simd::Op::kTranspose, dy, simd::Op::kNone, u);
      });
}

/// @param x  (R, C)
/// @return   (C, R) transposed copy
template <Scalar T>
[[nodiscard]] Var<T> transpose(Var<T> x) {
  Tape<T>& tape = x.tape("autograd::transpose");
  const MatrixView<const T> in = x.value();
  return tape.record(
      "autograd::transpose",
      x.cols(),
      x.rows(),
      {x},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < y.rows(); ++row) {
          for (Index col = 0; col < y.cols(); ++col) {
            y(row, col) = in(col, row);
          }
        }
      },
      [x](MatrixView<const T>, MatrixView<const T> dy) {
        detail::accumulate(x, [&](Index row, Index col) { return dy(col, row); });
      });
}

}  // namespace reasonembed::autograd
