#pragma once
/// @file What tests of numeric kernels share: normal numbers, error in ulp, finite differences.
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>

#include <doctest/doctest.h>

#include <support/guarded_matrix.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace test {

using reasonembed::Index;
using reasonembed::MatrixView;
using reasonembed::RandomStream;

/// @return  whether two spans hold the same bits, NaN included
template <class T>
[[nodiscard]] bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}
template <class T>
[[nodiscard]] bool same_bits(MatrixView<const T> a, MatrixView<const T> b) {
  bool same = a.rows() == b.rows() && a.cols() == b.cols();
  for (Index row = 0; same && row < a.rows(); ++row) {
    same = same_bits<T>(a.row(row), b.row(row));
  }
  return same;
}

/// A matrix in a field of NaN, misaligned and with a gap between its rows, filled with normal numbers times `scale`.
template <class T>
[[nodiscard]] GuardedMatrix<T> normal_matrix(
    Index rows, Index cols, std::uint64_t seed, double scale = 1.0, Index gap = 3, Index offset = 1) {
  GuardedMatrix<T> matrix(rows, cols, gap, offset);
  RandomStream stream(seed);
  for (Index row = 0; row < rows; ++row) {
    for (T& value : matrix.view().row(row)) {
      value = static_cast<T>(scale * stream.normal());
    }
  }
  return matrix;
}

template <class T>
[[nodiscard]] std::vector<T> normal_vector(Index size, std::uint64_t seed, double scale = 1.0) {
  RandomStream stream(seed);
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) {
    value = static_cast<T>(scale * stream.normal());
  }
  return values;
}

/// @return  |got - want| in units of the last place of T at `magnitude`; infinite if just one of them is not finite
template <class T>
[[nodiscard]] double ulps(T got, long double want, long double magnitude) {
  if (std::isnan(got) || std::isnan(want)) {
    return std::isnan(got) == std::isnan(want) ? 0.0 : std::numeric_limits<double>::infinity();
  }
  if (std::isinf(got) || std::isinf(want)) {
    return static_cast<long double>(got) == want ? 0.0 : std::numeric_limits<double>::infinity();
  }
  int exponent = 0;
  (void)std::frexp(magnitude, &exponent);
  constexpr int kDigits = std::numeric_limits<T>::digits;
  const int last_place = std::max(exponent, std::numeric_limits<T>::min_exponent) - kDigits;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) / std::ldexp(1.0L, last_place));
}
template <class T>
[[nodiscard]] double ulps(T got, long double want) {
  return ulps(got, want, want);
}

/// Checks the gradient of `loss` with respect to `x` by central differences in double.
///
/// Bound: the third derivatives times h^2 / 6 = 2e-12, and 1e-16 / h = 3e-11 of noise for each unit of the terms of the
/// loss; 1e-7 of the largest component (at least of 1) leaves room for losses of some hundred terms.
template <class Loss>
void check_gradient(const Loss& loss, MatrixView<double> x, MatrixView<const double> gradient) {
  constexpr double kStep = 0x1p-18;
  double largest = 1.0;
  for (Index row = 0; row < x.rows(); ++row) {
    for (Index col = 0; col < x.cols(); ++col) {
      largest = std::max(largest, std::fabs(gradient(row, col)));
    }
  }
  for (Index row = 0; row < x.rows(); ++row) {
    for (Index col = 0; col < x.cols(); ++col) {
      CAPTURE(row);
      CAPTURE(col);
      const double kept = x(row, col);
      x(row, col) = kept + kStep;
      const double above = loss();
      x(row, col) = kept - kStep;
      const double below = loss();
      x(row, col) = kept;
      CHECK(std::fabs((above - below) / (2 * kStep) - gradient(row, col)) <= 1e-7 * largest);
    }
  }
}
template <class Loss>
void check_gradient(const Loss& loss, std::vector<double>& x, const std::vector<double>& gradient) {
  const auto size = static_cast<Index>(x.size());
  check_gradient(loss, MatrixView<double>(x.data(), 1, size), MatrixView<const double>(gradient.data(), 1, size));
}

/// @return  sum of the products of all elements
[[nodiscard]] inline double inner(MatrixView<const double> a, MatrixView<const double> b) {
  double sum = 0.0;
  for (Index row = 0; row < a.rows(); ++row) {
    for (Index col = 0; col < a.cols(); ++col) {
      sum += a(row, col) * b(row, col);
    }
  }
  return sum;
}

/// Lengths around the widths of registers and of the blocks of sums.
inline constexpr Index kLengths[] = {0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 97, 130};

}  // namespace test
