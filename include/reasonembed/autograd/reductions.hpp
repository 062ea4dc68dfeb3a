#pragma once
/// @file Tape operations that add elements up. Sums are taken in double, by ascending row, then column.
#include <reasonembed/autograd/elementwise.hpp>
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::autograd {

namespace detail {

template <Scalar T>
Var<T> scaled_sum(std::string_view where, Var<T> x, T factor) {
  Tape<T>& tape = x.tape(where);
  const MatrixView<const T> in = x.value();
  return tape.record(
      where,
      1,
      1,
      {x},
      [&](MatrixView<T> y) {
        double total = 0.0;
        for (Index row = 0; row < in.rows(); ++row) {
          for (const T element : in.row(row)) {
            total += static_cast<double>(element);
          }
        }
        y(0, 0) = static_cast<T>(total * static_cast<double>(factor));
      },
      [x, factor](MatrixView<const T>, MatrixView<const T> dy) {
        const T each = dy(0, 0) * factor;
        accumulate(x, [each](Index, Index) { return each; });
      });
}

}  // namespace detail

/// @param x  (R, C)
/// @return   (1, 1) sum of all elements; 0 if there are none
template <Scalar T>
[[nodiscard]] Var<T> sum(Var<T> x) {
  return detail::scaled_sum("autograd::sum", x, T{1});
}

/// @param x  (R, C)
/// @return   (1, 1) mean of all elements
/// @throws   ShapeError if there are none
template <Scalar T>
[[nodiscard]] Var<T> mean(Var<T> x) {
  if (x.size() == 0) {
    (void)x.tape("autograd::mean");
    throw ShapeError::invalid("autograd::mean", "variable", Tape<T>::shape_text(x), "at least one element");
  }
  return detail::scaled_sum("autograd::mean", x, T{1} / static_cast<T>(x.size()));
}

/// @param x  (R, C)
/// @return   (R, 1) sum of each row
template <Scalar T>
[[nodiscard]] Var<T> sum_rows(Var<T> x) {
  Tape<T>& tape = x.tape("autograd::sum_rows");
  const MatrixView<const T> in = x.value();
  return tape.record(
      "autograd::sum_rows",
      x.rows(),
      1,
      {x},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < in.rows(); ++row) {
          double total = 0.0;
          for (const T element : in.row(row)) {
            total += static_cast<double>(element);
          }
          y(row, 0) = static_cast<T>(total);
        }
      },
      [x](MatrixView<const T>, MatrixView<const T> dy) {
        detail::accumulate(x, [&](Index row, Index) { return dy(row, 0); });
      });
}

/// @param x  (R, C)
/// @return   (1, C) sum of each column
template <Scalar T>
[[nodiscard]] Var<T> sum_cols(Var<T> x) {
  Tape<T>& tape = x.tape("autograd::sum_cols");
  const MatrixView<const T> in = x.value();
  return tape.record(
      "autograd::sum_cols",
      1,
      x.cols(),
      {x},
      [&](MatrixView<T> y) {
        for (Index col = 0; col < in.cols(); ++col) {
          double total = 0.0;
          for (Index row = 0; row < in.rows(); ++row) {
            total += static_cast<double>(in(row, col));
          }
          y(0, col) = static_cast<T>(total);
        }
      },
      [x](MatrixView<const T>, MatrixView<const T> dy) {
        detail::accumulate(x, [&](Index, Index col) { return dy(0, col); });
      });
}

}  // namespace reasonembed::autograd
