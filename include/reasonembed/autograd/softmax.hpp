#pragma once
#include <reasonembed/autograd/elementwise.hpp>
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::autograd {

namespace detail {

/// @return  ln sum_c e^{row_c}, without overflow; -infinity for an empty row
template <Scalar T>
double log_sum_exp(std::span<const T> row) {
  if (row.empty()) {
    return -HUGE_VAL;
  }
  const auto largest = static_cast<double>(*std::max_element(row.begin(), row.end()));
  double total = 0.0;
  for (const T element : row) {
    total += std::exp(static_cast<double>(element) - largest);
  }
  return largest + std::log(total);
}

/// @return  sum_c u_c v_c in double
template <Scalar T>
double inner_product(std::span<const T> u, std::span<const T> v) {
  double total = 0.0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    total += static_cast<double>(u[i]) * static_cast<double>(v[i]);
  }
  return total;
}

}  // namespace detail

/// Softmax of each row.
///
///   y_rc = e^{x_rc} / sum_k e^{x_rk},   dx_rc = y_rc (dy_rc - sum_k dy_rk y_rk)
///
/// @param x  (R, C); -infinity is allowed and gives 0, as long as a row has one finite element
/// @return   (R, C), rows sum to 1
template <Scalar T>
[[nodiscard]] Var<T> softmax_rows(Var<T> x) {
  Tape<T>& tape = x.tape("autograd::softmax_rows");
  const MatrixView<const T> in = x.value();
  return tape.record(
      "autograd::softmax_rows",
      x.rows(),
      x.cols(),
      {x},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < y.rows(); ++row) {
          const double normalizer = detail::log_sum_exp<T>(in.row(row));
          for (Index col = 0; col < y.cols(); ++col) {
            y(row, col) = static_cast<T>(std::exp(static_cast<double>(in(row, col)) - normalizer));
          }
        }
      },
      [x](MatrixView<const T> y, MatrixView<const T> dy) {
        Index current = -1;
        T mean{};
        detail::accumulate(x, [&](Index row, Index col) {
          if (row != current) {
            current = row;
            mean = static_cast<T>(detail::inner_product<T>(dy.row(row), y.row(row)));
          }
          return y(row, col) * (dy(row, col) - mean);
        });
      });
}

/// Logarithm of the softmax of each row.
///
///   y_rc = x_rc - ln sum_k e^{x_rk},   dx_rc = dy_rc - e^{y_rc} sum_k dy_rk
///
/// @param x  (R, C); as in softmax_rows
/// @return   (R, C) in nats, <= 0
template <Scalar T>
[[nodiscard]] Var<T> log_softmax_rows(Var<T> x) {
  Tape<T>& tape = x.tape("autograd::log_softmax_rows");
  const MatrixView<const T> in = x.value();
  return tape.record(
      "autograd::log_softmax_rows",
      x.rows(),
      x.cols(),
      {x},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < y.rows(); ++row) {
          const double normalizer = detail::log_sum_exp<T>(in.row(row));
          for (Index col = 0; col < y.cols(); ++col) {
            y(row, col) = static_cast<T>(static_cast<double>(in(row, col)) - normalizer);
          }
        }
      },
      [x](MatrixView<const T> y, MatrixView<const T> dy) {
        Index current = -1;
        T total{};
        detail::accumulate(x, [&](Index row, Index col) {
          if (row != current) {
            current = row;
            double sum = 0.0;
            for (const T element : dy.row(row)) {
              sum += static_cast<double>(element);
            }
            total = static_cast<T>(sum);
          }
          return dy(row, col) - std::exp(y(row, col)) * total;
        });
      });
}

}  // namespace reasonembed::autograd
