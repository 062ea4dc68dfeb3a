#pragma once
/// @file Tape operations that choose, join and normalise rows.
#include <reasonembed/autograd/elementwise.hpp>
#include <reasonembed/autograd/softmax.hpp>
#include <reasonembed/autograd/tape.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::autograd {

namespace detail {

inline void require_indices(std::string_view where, std::string_view name, std::span<const Index> indices, Index end) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= end) {
      throw ShapeError::invalid(where,
                                std::string(name) + "[" + std::to_string(i) + "]",
                                std::to_string(indices[i]),
                                "in [0, " + std::to_string(end) + ")");
    }
  }
}

}  // namespace detail

/// Chooses one element of each row, such as the score of the relevant document.
///
///   y_r = x_{r, columns_r}
///
/// @param x        (R, C)
/// @param columns  (R) in [0, C); copied
/// @return         (R, 1)
/// @throws         ShapeError if there is not one column for each row or one is out of range
template <Scalar T>
[[nodiscard]] Var<T> pick(Var<T> x, std::span<const Index> columns) {
  Tape<T>& tape = x.tape("autograd::pick");
  require_extent("autograd::pick", "columns.size()", static_cast<Index>(columns.size()), x.rows());
  detail::require_indices("autograd::pick", "columns", columns, x.cols());
  const std::span<const Index> kept = tape.keep(columns);
  const MatrixView<const T> in = x.value();
  return tape.record(
      "autograd::pick",
      x.rows(),
      1,
      {x},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < y.rows(); ++row) {
          y(row, 0) = in(row, kept[static_cast<std::size_t>(row)]);
        }
      },
      [x, kept](MatrixView<const T>, MatrixView<const T> dy) {
        if (!x.differentiated()) {
          return;
        }
        const MatrixView<T> dx = x.tape().adjoint(x);
        for (Index row = 0; row < dy.rows(); ++row) {
          dx(row, kept[static_cast<std::size_t>(row)]) += dy(row, 0);
        }
      });
}

/// Chooses rows; one may be chosen more than once (its gradients are added by ascending position) or never.
///
///   y_i = x_{rows_i}
///
/// @param x     (R, C)
/// @param rows  (n) in [0, R); copied
/// @return      (n, C)
/// @throws      ShapeError if a row is out of range
template <Scalar T>
[[nodiscard]] Var<T> gather_rows(Var<T> x, std::span<const Index> rows) {
  Tape<T>& tape = x.tape("autograd::gather_rows");
  detail::require_indices("autograd::gather_rows", "rows", rows, x.rows());
  const std::span<const Index> kept = tape.keep(rows);
  const MatrixView<const T> in = x.value();
  return tape.record(
      "autograd::gather_rows",
      static_cast<Index>(rows.size()),
      x.cols(),
      {x},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < y.rows(); ++row) {
          const std::span<const T> from = in.row(kept[static_cast<std::size_t>(row)]);
          std::copy(from.begin(), from.end(), y.row(row).begin());
        }
      },
      [x, kept](MatrixView<const T>, MatrixView<const T> dy) {
        if (!x.differentiated()) {
          return;
        }
        const MatrixView<T> dx = x.tape().adjoint(x);
        for (Index row = 0; row < dy.rows(); ++row) {
          for (Index col = 0; col < dy.cols(); ++col) {
            dx(kept[static_cast<std::size_t>(row)], col) += dy(row, col);
          }
        }
      });
}

/// Stacks matrices of one width on top of each other.
///
/// @param parts  (R_i, C) at least one
/// @return       (sum R_i, C)
/// @throws       ShapeError if there is no part or the widths differ; ConfigError if a part is of another tape
template <Scalar T>
[[nodiscard]] Var<T> concat_rows(std::span<const Var<T>> parts) {
  if (parts.empty()) {
    throw ShapeError::invalid("autograd::concat_rows", "parts.size()", "0", "at least 1");
  }
  Tape<T>& tape = parts[0].tape("autograd::concat_rows");
  Index rows = 0;
  for (const Var<T>& part : parts) {
    tape.require_own("autograd::concat_rows", part);
    require_extent("autograd::concat_rows", "part.cols()", part.cols(), parts[0].cols());
    rows += part.rows();
  }
  const std::span<const Var<T>> kept = tape.keep(parts);
  return tape.record(
      "autograd::concat_rows",
      rows,
      parts[0].cols(),
      parts,
      [&](MatrixView<T> y) {
        Index start = 0;
        for (const Var<T>& part : kept) {
          const MatrixView<const T> from = part.value();
          for (Index row = 0; row < from.rows(); ++row) {
            std::copy(from.row(row).begin(), from.row(row).end(), y.row(start + row).begin());
          }
          start += from.rows();
        }
      },
      [kept](MatrixView<const T>, MatrixView<const T> dy) {
        Index start = 0;
        for (const Var<T>& part : kept) {
          detail::accumulate(part, [&](Index row, Index col) { return dy(start + row, col); });
          start += part.rows();
        }
      });
}
template <Scalar T>
[[nodiscard]] Var<T> concat_rows(std::initializer_list<Var<T>> parts) {
  return concat_rows(std::span<const Var<T>>(parts.begin(), parts.size()));
}

/// Rows shorter than this are divided by it instead of by their length, so that a zero row stays zero.
inline constexpr double kShortestRow = 1e-12;

/// Scales each row to unit length.
///
///   y_r = x_r / n_r,  n_r = max(|x_r|_2, kShortestRow),   dx_r = (dy_r - y_r (y_r . dy_r)) / n_r
///
/// (without the second term where the bound holds, n_r being constant there)
///
/// @param x  (R, C)
/// @return   (R, C)
template <Scalar T>
[[nodiscard]] Var<T> normalize_rows(Var<T> x) {
  Tape<T>& tape = x.tape("autograd::normalize_rows");
  const MatrixView<const T> in = x.value();
  const auto length = [in](Index row) { return std::sqrt(detail::inner_product<T>(in.row(row), in.row(row))); };
  return tape.record(
      "autograd::normalize_rows",
      x.rows(),
      x.cols(),
      {x},
      [&](MatrixView<T> y) {
        for (Index row = 0; row < y.rows(); ++row) {
          const double norm = std::max(length(row), kShortestRow);
          for (Index col = 0; col < y.cols(); ++col) {
            y(row, col) = static_cast<T>(static_cast<double>(in(row, col)) / norm);
          }
        }
      },
      [x, length](MatrixView<const T> y, MatrixView<const T> dy) {
        Index current = -1;
        double along = 0.0;
        double norm = 1.0;
        detail::accumulate(x, [&](Index row, Index col) {
          if (row != current) {
            current = row;
            norm = length(row);
            along = norm > kShortestRow ? detail::inner_product<T>(y.row(row), dy.row(row)) : 0.0;
            norm = std::max(norm, kShortestRow);
          }
          return static_cast<T>((static_cast<double>(dy(row, col)) - static_cast<double>(y(row, col)) * along) / norm);
        });
      });
}

}  // namespace reasonembed::autograd
