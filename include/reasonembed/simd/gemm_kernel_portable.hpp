#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// What a micro-kernel computes: c(rows, cols) = a^T b, or c += a^T b, for one register tile.
template <class T>
struct Tile {
  Index depth = 0;           ///< length of the sums
  const T* a = nullptr;      ///< (depth, rows) packed
  const T* b = nullptr;      ///< (depth, cols) packed, aligned to a register
  T* c = nullptr;            ///< (rows, cols), rows `stride` apart
  Index stride = 0;          ///< elements between rows of c
  bool accumulate = false;   ///< add to c instead of overwriting it
  const T* ahead = nullptr;  ///< part of the next panel of b, (depth, ahead_step), to bring into the cache meanwhile
  Index ahead_step = 0;      ///< elements of it for every step of the depth, at most one cache line
};

/// The micro-kernel without instructions of any particular processor: vectors of 16 bytes as g++ and clang offer them
/// everywhere (left to itself, g++ 12 -O3 vectorises such loops across the tile, at a tenth of the speed).
///
/// A product and a sum are rounded one after the other (std::fma is a function call without hardware support), so its
/// bits differ from those of the fma levels.
template <class T>
struct PortableKernel {
  static constexpr Index kRows = 4;
  static constexpr Index kLanes = 16 / static_cast<Index>(sizeof(T));
  static constexpr Index kCols = 2 * kLanes;  // eight accumulators: half of the registers of the smallest x86-64

  static void multiply(Tile<T> tile) {
    using Register [[gnu::vector_size(16)]] = T;
    Register sum[kRows][2] = {};
    const T* a = tile.a;
    const T* b = tile.b;
    for (Index k = 0; k < tile.depth; ++k, a += kRows, b += kCols) {
      Register b0;
      Register b1;
      __builtin_memcpy(&b0, b, sizeof(b0));
      __builtin_memcpy(&b1, b + kLanes, sizeof(b1));
#pragma GCC unroll 4
      for (Index i = 0; i < kRows; ++i) {
        sum[i][0] += a[i] * b0;
        sum[i][1] += a[i] * b1;
      }
    }
    for (Index i = 0; i < kRows; ++i) {
      T* row = tile.c + i * tile.stride;
      for (Index j = 0; j < kCols; ++j) {
        const T value = sum[i][j / kLanes][j % kLanes];
        row[j] = tile.accumulate ? row[j] + value : value;
      }
    }
  }
};

}  // namespace reasonembed::simd::detail
