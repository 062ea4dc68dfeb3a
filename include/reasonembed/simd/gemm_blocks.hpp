#pragma once
/// @file Products in blocks that stay in the caches: what every form of gemm is made of.
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/epilogue.hpp>
#include <reasonembed/simd/gemm_kernel.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// How an operand enters a product.
enum class Op : bool { kNone, kTranspose };

/// What happens to the old values of the result.
enum class Store : bool { kOverwrite, kAccumulate };

namespace detail {

/// Packed lines of b for one block of the depth: panel p begins at data + p * panel_stride.
template <class W>
struct PanelBlock {
  const W* data = nullptr;
  Index panel_stride = 0;
  Index depth = 0;
};

/// One tile of c, at the edges of c through a buffer: the kernel always works on whole rows and registers, and an
/// element takes the same steps in the middle as at an edge.
///
/// @param kernel    rows, cols and lanes of its tiles
/// @param multiply  the micro-kernel for as many registers as c is wide
/// @param tile      all but c, stride and accumulate
template <class Kernel, class Multiply, class Part, class T>
void multiply_into(const Kernel& kernel, Multiply multiply, Part tile, MatrixView<T> c, bool accumulate) {
  if (c.rows() == kernel.rows && c.cols() % kernel.lanes == 0) {
    tile.c = c.data();
    tile.stride = c.stride();
    tile.accumulate = accumulate;
    multiply(tile);
    return;
  }
  alignas(kAlignment) T whole[kLargestTile];
  tile.c = whole;
  tile.stride = kernel.cols;
  multiply(tile);
  for (Index i = 0; i < c.rows(); ++i) {
    T* row = c.data() + i * c.stride();
    const T* sums = whole + i * kernel.cols;
    if (accumulate) {
      for (Index j = 0; j < c.cols(); ++j) {
        row[j] += sums[j];
      }
    } else {
      std::copy_n(sums, c.cols(), row);
    }
  }
}

/// @return  the place in a kernel's parts of the micro-kernel that is as wide as c
template <class Kernel, class T>
[[nodiscard]] std::size_t part_of(const Kernel& kernel, MatrixView<T> c) {
  return static_cast<std::size_t>((c.cols() + kernel.lanes - 1) / kernel.lanes) - 1;
}

/// As multiply_into, with packed rows of a or such as lie in memory.
template <class T, class W>
void multiply_tile(const GemmKernel<T, W>& kernel, const Tile<T, W>& tile, MatrixView<T> c, bool accumulate) {
  const auto& parts = tile.a_stride == 0 ? kernel.multiply_packed : kernel.multiply_rows;
  multiply_into(kernel, parts[part_of(kernel, c)], tile, c, accumulate);
}

/// A product without b: what stays the same over the blocks of b.
template <class T, class W, class E>
struct Product {
  const GemmKernel<T, W>& kernel;
  Op op_a;
  MatrixView<const RowElement<W>> a;
  MatrixView<T> c;  // (M, N)
  Store store;
  const E& epilogue;
  Index depth;  // K
};

/// @param out  rows [row, row + rows) of op(a), elements [k, k + depth) of the sums, in panels
template <class T, class W>
void pack_a(
    const GemmKernel<T, W>& kernel, Op op, MatrixView<const T> a, Index row, Index rows, Index k, Index depth, T* out) {
  if (op == Op::kNone) {
    kernel.pack_a_transposed(a.data() + row * a.stride() + k, a.stride(), rows, depth, out);
  } else {
    kernel.pack_a_copied(a.data() + k * a.stride() + row, a.stride(), rows, depth, out);
  }
}

/// @param out  columns [col, col + cols) of op(b), elements [k, k + depth) of the sums, in panels
template <class T>
void pack_b(
    const GemmKernel<T>& kernel, Op op, MatrixView<const T> b, Index col, Index cols, Index k, Index depth, T* out) {
  if (op == Op::kTranspose) {
    kernel.pack_b_transposed(b.data() + col * b.stride() + k, b.stride(), cols, depth, out);
  } else {
    kernel.pack_b_copied(b.data() + k * b.stride() + col, b.stride(), cols, depth, out);
  }
}

/// Some rows of op(a) as the micro-kernel reads them: whole tiles where they lie, the others packed.
///
/// @tparam A  elements of a
template <class A>
struct RowBlock {
  const A* in_place = nullptr;  ///< elements [k, k + depth) of the first row
  Index stride = 0;             ///< elements between rows in place
  Index rows_in_place = 0;      ///< whole tiles; 0 where a is transposed
  const A* packed = nullptr;    ///< the rows behind them, in panels

  /// Gives `tile` the rows from i on.
  template <class T, class W>
  void put(Tile<T, W>& tile, Index i) const {
    tile.a = i < rows_in_place ? in_place + i * stride : packed + (i - rows_in_place) * tile.depth;
    tile.a_stride = i < rows_in_place ? stride : 0;
  }
};

/// The tiles of one block: a panel of b stays in the cache while the rows of a pass by.
///
/// @param a    rows [row, row + rows) of op(a), elements [k, k + b.depth) of the sums
/// @param col  column of c with which b begins
template <class T, class W, class E>
void multiply_panels(const Product<T, W, E>& p,
                     const RowBlock<RowElement<W>>& a,
                     Index row,
                     Index rows,
                     PanelBlock<W> b,
                     Index col,
                     Index cols,
                     Index k) {
  const GemmKernel<T, W>& kernel = p.kernel;
  const bool accumulate = p.store == Store::kAccumulate || k > 0;
  const bool finished = k + b.depth == p.depth;
  const Index tiles = (rows + kernel.rows - 1) / kernel.rows;
  Tile<T, W> part{.depth = b.depth, .ahead_step = std::min(kCacheLine<W>, (kernel.cols + tiles - 1) / tiles)};
  for (Index j = 0; j < cols; j += kernel.cols) {
    part.b = b.data + j / kernel.cols * b.panel_stride;
    const W* b_next = j + kernel.cols < cols ? part.b + b.panel_stride : b.data;  // the first, for the next rows
    const MatrixView<T> columns = p.c.col_block(col + j, std::min(kernel.cols, cols - j));
    for (Index i = 0; i < rows; i += kernel.rows) {
      const MatrixView<T> tile = columns.row_block(row + i, std::min(kernel.rows, rows - i));
      part.ahead = b_next + std::min(i / kernel.rows * part.ahead_step, kernel.cols - part.ahead_step) * b.depth;
      a.put(part, i);
      multiply_tile(kernel, part, tile, accumulate);
      if (!std::same_as<E, NoEpilogue> && finished) {
        for (Index line = 0; line < tile.rows(); ++line) {
          p.epilogue(row + i + line, col + j, tile.row(line));
        }
      }
    }
  }
}

/// @return  rows of a at once: 256 KB, which share the second-level cache with a panel of b
template <class T, class W>
[[nodiscard]] Index row_block(const GemmKernel<T, W>& kernel, Index rows, Index depth) {
  constexpr Index kElements = (Index{256} << 10) / static_cast<Index>(sizeof(T));
  const Index whole_tiles = (rows + kernel.rows - 1) / kernel.rows;
  return std::clamp(kElements / (depth * kernel.rows), Index{1}, whole_tiles) * kernel.rows;
}

/// @return  columns of b packed at once: 2 MB, which share the last-level cache with what other threads do
template <class T, class W>
[[nodiscard]] Index column_block(const GemmKernel<T, W>& kernel, Index cols, Index depth) {
  constexpr Index kElements = (Index{2} << 20) / static_cast<Index>(sizeof(W));
  const Index whole_tiles = (cols + kernel.cols - 1) / kernel.cols;
  return std::clamp(kElements / (depth * kernel.cols), Index{1}, whole_tiles) * kernel.cols;
}

/// All rows of c times one block of b.
///
/// @param a_panels  room for the rows of a block that are packed, see packed_rows
template <class T, class W, class E>
void multiply_rows(
    const Product<T, W, E>& p, T* a_panels, Index block, PanelBlock<W> b, Index col, Index cols, Index k) {
  for (Index row = 0; row < p.c.rows(); row += block) {
    const Index rows = std::min(block, p.c.rows() - row);
    RowBlock<T> a{.packed = a_panels};
    if (p.op_a == Op::kNone) {
      a.in_place = p.a.data() + row * p.a.stride() + k;
      a.stride = p.a.stride();
      a.rows_in_place = rows / p.kernel.rows * p.kernel.rows;
    }
    pack_a(p.kernel, p.op_a, p.a, row + a.rows_in_place, rows - a.rows_in_place, k, b.depth, a_panels);
    multiply_panels(p, a, row, rows, b, col, cols, k);
  }
}

/// @return  most rows of a block of `block` rows that are packed, in whole tiles
template <class T, class W>
[[nodiscard]] Index packed_rows(const GemmKernel<T, W>& kernel, Op op_a, Index rows, Index block) {
  return op_a == Op::kTranspose ? block : rows % kernel.rows == 0 ? Index{0} : kernel.rows;
}

/// The product of K == 0: empty sums.
template <class T, class E>
void finish_empty_sums(MatrixView<T> c, Store store, const E& epilogue) {
  for (Index row = 0; row < c.rows(); ++row) {
    const std::span<T> line = c.row(row);
    if (store == Store::kOverwrite) {
      std::fill(line.begin(), line.end(), T{});
    }
    epilogue(row, Index{0}, line);
  }
}

template <class E>
void check_epilogue(const E& epilogue, Index rows, Index cols) {
  if constexpr (requires { epilogue.check(rows, cols); }) {
    epilogue.check(rows, cols);
  }
}

/// The product with a packed weight, see gemm. @pre the shapes fit, c is not empty, K > 0
template <class W, class E, class T = Accumulator<W>>
void multiply_packed(std::type_identity_t<MatrixView<const T>> a,
                     PackedView<W> b,
                     std::type_identity_t<MatrixView<T>> c,
                     Store store,
                     Arena& scratch,
                     const E& epilogue) {
  const GemmKernel<T, W>& kernel = weight_kernel<W>(b.level());
  const Product<T, W, E> product{kernel, Op::kNone, a, c, store, epilogue, b.k()};
  const Index depth = depth_block<T>(b.k());
  const Index block = row_block(kernel, c.rows(), depth);
  const ArenaScope scope(scratch);
  T* a_panels = scratch.allocate<T>(packed_rows(kernel, Op::kNone, c.rows(), block) * depth).data();
  for (Index k = 0; k < b.k(); k += depth) {
    const PanelBlock<W> panels{b.data() + k * kernel.cols, b.packed_k() * kernel.cols, std::min(depth, b.k() - k)};
    multiply_rows(product, a_panels, block, panels, Index{0}, c.cols(), k);
  }
}

}  // namespace detail

}  // namespace reasonembed::simd
