#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// The micro-kernel of the packed product in plain C++: c(rows, cols) (+)= a^T b for one register tile.
///
/// A product and a sum are rounded one after the other (std::fma is a function call without hardware support), so its
/// bits differ from those of the fma levels.
template <class T>
struct PortableKernel {
  static constexpr Index kRows = 4;
  static constexpr Index kCols = 32 / sizeof(T);  // eight 16-byte accumulators of the smallest x86-64, and of NEON

  /// @param depth       length of the sums
  /// @param a           (depth, kRows) packed
  /// @param b           (depth, kCols) packed
  /// @param c           (kRows, kCols), rows `stride` apart
  /// @param accumulate  add to c instead of overwriting it
  static void multiply(Index depth, const T* a, const T* b, T* c, Index stride, bool accumulate) {
    T sum[kRows][kCols] = {};
    for (Index k = 0; k < depth; ++k, a += kRows, b += kCols) {
#pragma GCC unroll 4
      for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
        for (Index j = 0; j < kCols; ++j) {
          sum[i][j] += a[i] * b[j];
        }
      }
    }
    for (Index i = 0; i < kRows; ++i) {
      T* row = c + i * stride;
      for (Index j = 0; j < kCols; ++j) {
        row[j] = accumulate ? row[j] + sum[i][j] : sum[i][j];
      }
    }
  }
};

}  // namespace reasonembed::simd::detail
