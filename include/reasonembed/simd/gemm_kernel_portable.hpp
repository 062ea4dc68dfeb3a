#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// Two consecutive elements of a sum, in one word. As the format of a packed weight: stored in bf16, and the product
/// rounds its other operand to bf16 too.
struct alignas(4) Bf16Pair {
  bf16 even;
  bf16 odd;
};

/// What a weight of format W is stored in.
template <class W>
using StoredElement = std::conditional_t<std::same_as<W, Bf16Pair>, bf16, W>;

namespace detail {

/// What a product with a weight stored as W is made of: bf16 is widened, exactly, in the registers, and int8 has steps
/// in float.
template <class W>
using Accumulator = std::conditional_t<std::same_as<W, double>, double, float>;

/// Elements of the rows that meet elements W of a weight in a micro-kernel.
template <class W>
using RowElement = std::conditional_t<std::same_as<W, Bf16Pair>, Bf16Pair, Accumulator<W>>;

/// What a micro-kernel computes: c(rows, cols) = a^T b, or c += a^T b, for one register tile.
///
/// @tparam W  elements of b: T; for T = float also bf16, or pairs of them, as a then is too
template <class T, class W = T>
struct Tile {
  using A = RowElement<W>;

  Index depth = 0;           ///< length of the sums
  const A* a = nullptr;      ///< (depth, rows) packed, or (rows, depth) as it lies in memory
  const W* b = nullptr;      ///< (depth, cols) packed, aligned to what a register takes
  T* c = nullptr;            ///< (rows, cols), rows `stride` apart
  Index stride = 0;          ///< elements between rows of c
  bool accumulate = false;   ///< add to c instead of overwriting it
  const W* ahead = nullptr;  ///< part of the next panel of b, (depth, ahead_step), to bring into the cache meanwhile
  Index ahead_step = 0;      ///< elements of it for every step of the depth, at most one cache line
  Index a_stride = 0;        ///< elements between rows of an unpacked a
};

/// The micro-kernel without instructions of any particular processor: vectors of 16 bytes as g++ and clang offer them
/// everywhere (left to itself, g++ 12 -O3 vectorises such loops across the tile, at a tenth of the speed).
///
/// A product and a sum are rounded one after the other (std::fma is a function call without hardware support), so its
/// bits differ from those of the fma levels.
template <class T, class W = T>
struct PortableKernel {
  using Register [[gnu::vector_size(16)]] = T;
  static constexpr Index kRows = 4;
  static constexpr Index kLanes = 16 / static_cast<Index>(sizeof(T));
  static constexpr Index kCols = 2 * kLanes;  // eight accumulators: half of the registers of the smallest x86-64

  /// The first kRegisters * kLanes columns of the tile.
  template <Index kRegisters, bool kPackedRows>
  static void multiply(Tile<T, W> tile) {
    Register sum[kRows][kRegisters] = {};
    const T* a = tile.a;
    const W* b = tile.b;
    for (Index k = 0; k < tile.depth; ++k, a += kPackedRows ? kRows : 1, b += kCols) {
      Register columns[kRegisters];
#pragma GCC unroll 2
      for (Index j = 0; j < kRegisters; ++j) {
        columns[j] = load(b + j * kLanes);
      }
#pragma GCC unroll 4
      for (Index i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
        for (Index j = 0; j < kRegisters; ++j) {
          sum[i][j] += a[kPackedRows ? i : i * tile.a_stride] * columns[j];
        }
      }
    }
    for (Index i = 0; i < kRows; ++i) {
      T* row = tile.c + i * tile.stride;
      for (Index j = 0; j < kRegisters * kLanes; ++j) {
        const T value = sum[i][j / kLanes][j % kLanes];
        row[j] = tile.accumulate ? row[j] + value : value;
      }
    }
  }

 private:
  static Register load(const T* p) {
    Register lanes;
    __builtin_memcpy(&lanes, p, sizeof(lanes));
    return lanes;
  }
  static Register load(const bf16* p)
    requires std::same_as<T, float>
  {
    using Words [[gnu::vector_size(16)]] = std::uint32_t;
    const Words words = {p[0].bits, p[1].bits, p[2].bits, p[3].bits};
    return (Register)(words << 16);  // NOLINT(google-readability-casting): how vectors are reinterpreted
  }
};

}  // namespace detail

}  // namespace reasonembed::simd
