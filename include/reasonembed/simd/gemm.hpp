#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
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
/// @param tile  all but c, stride and accumulate
template <class T, class W>
void multiply_tile(const GemmKernel<T, W>& kernel, Tile<T, W> tile, MatrixView<T> c, bool accumulate) {
  const Index registers = (c.cols() + kernel.lanes - 1) / kernel.lanes;
  const auto& parts = tile.a_stride == 0 ? kernel.multiply_packed : kernel.multiply_rows;
  const auto multiply = parts[static_cast<std::size_t>(registers) - 1];
  if (c.rows() == kernel.rows && c.cols() == registers * kernel.lanes) {
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
template <class T>
[[nodiscard]] Index column_block(const GemmKernel<T>& kernel, Index cols, Index depth) {
  constexpr Index kElements = (Index{2} << 20) / static_cast<Index>(sizeof(T));
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

#if defined(__x86_64__)
/// @return  rows of a that are rounded to pairs at once, in whole tiles
[[nodiscard]] inline Index pair_rows(Index m, Index k) {
  return row_block(kPairKernel, m, depth_block<float>((k + 1) / 2));
}

/// The product with a packed weight of pairs: rows of a are rounded, some at a time, then multiplied where they lie.
template <class E>
void multiply_in_pairs(MatrixView<const float> a,
                       PackedView<bf16> b,
                       MatrixView<float> c,
                       Store store,
                       Arena& scratch,
                       const E& epilogue) {
  const Index depth = (b.k() + 1) / 2;
  const Index block = pair_rows(c.rows(), b.k());
  const ArenaScope scope(scratch);
  const MatrixView<Bf16Pair> rounded = scratch.matrix<Bf16Pair>(block, depth);
  const auto* weight = reinterpret_cast<const Bf16Pair*>(b.data());
  const Product<float, Bf16Pair, E> product{kPairKernel, Op::kNone, rounded, c, store, epilogue, depth};
  const Index depth_step = depth_block<float>(depth);
  for (Index row = 0; row < c.rows(); row += block) {
    const Index rows = std::min(block, c.rows() - row);
    const Index whole = (rows + kPairKernel.rows - 1) / kPairKernel.rows * kPairKernel.rows;
    Avx512Bf16Kernel::round_rows(
        a.data() + row * a.stride(), a.stride(), rows, b.k(), rounded.data(), rounded.stride());
    std::fill_n(rounded.data() + rows * depth, (whole - rows) * depth, Bf16Pair{});
    for (Index k = 0; k < depth; k += depth_step) {
      const PanelBlock<Bf16Pair> panels{
          weight + k * kPairKernel.cols, depth * kPairKernel.cols, std::min(depth_step, depth - k)};
      multiply_panels(product, {rounded.data() + k, depth, whole, nullptr}, row, rows, panels, Index{0}, c.cols(), k);
    }
  }
}
#endif

}  // namespace detail

/// @param m  rows of a
/// @param k  depth of the sums
/// @return   elements of scratch that the product with a packed weight takes
template <class W>
[[nodiscard]] Index gemm_scratch(Index m, Index k, Level level) {
  if (m == 0 || k == 0) {
    return 0;
  }
#if defined(__x86_64__)
  if (detail::multiplies_pairs<W>(level)) {
    return detail::pair_rows(m, k) * ((k + 1) / 2);
  }
#endif
  const Index depth = detail::depth_block<detail::Accumulator<W>>(k);
  return detail::packed_rows(detail::weight_kernel<W>(level), Op::kNone, m, m) * depth;
}

/// The product with a packed weight, the linear layer: finishes every element with an epilogue.
///
///   c_mn = e(sum_k a_mk * weight_nk), or c_mn = e(c_mn + sum_k a_mk * weight_nk)
///
/// Every sum is one chain of fma in the order of k, cut into blocks whose length depends on K alone: the bits of a row
/// of c depend neither on M, nor on where the row stands, nor on strides or alignment, nor on the thread. They equal
/// those of the product below with Op::kNone, Op::kTranspose at the same level.
/// Below Level::kAvx512Bf16 a bf16 weight is widened in the registers: the product has the bits of that with the same
/// weight in float. At that level a is rounded to bf16 as well, and pairs of products are summed in float: twice the
/// speed, and an error of at most 2^-8 sum_k |a_mk weight_nk| more; numbers below 2^-126 count as zero.
///
/// @tparam W       elements of the weight: float, double, or bf16 with a and c in float
/// @tparam E       models Epilogue<T> for the element type T of a and c
/// @param  a       (M, K)
/// @param  b       weight (N, K), packed; its level chooses the kernel
/// @param  c       (M, N)
/// @param  store   overwrite c or add to it
/// @param  scratch for packed rows of a, rewound before the return; one arena a thread
/// @throws ShapeError before any work if the shapes do not fit, or from the epilogue's check
/// @pre    c overlaps neither a nor b
/// @note   2 M N K operations in the calling thread: share rows among threads by row_block. No allocation once the
///         arena has its size (32 KB). K == 0 means sums of zero; NaN and infinity propagate as in the plain sum.
template <class W, class E = NoEpilogue>
  requires Epilogue<E, detail::Accumulator<W>>
void gemm(std::type_identity_t<MatrixView<const detail::Accumulator<W>>> a,
          PackedView<W> b,
          std::type_identity_t<MatrixView<detail::Accumulator<W>>> c,
          Store store,
          Arena& scratch,
          const E& epilogue = {}) {
  using T = detail::Accumulator<W>;
  require_extent("simd::gemm", "a.cols()", a.cols(), b.k());
  require_extent("simd::gemm", "c.rows()", c.rows(), a.rows());
  require_extent("simd::gemm", "c.cols()", c.cols(), b.n());
  detail::check_epilogue(epilogue, c.rows(), c.cols());
  if (c.empty()) {
    return;
  }
  if (b.k() == 0) {
    detail::finish_empty_sums(c, store, epilogue);
    return;
  }
#if defined(__x86_64__)
  if constexpr (std::same_as<W, bf16>) {
    if (detail::multiplies_pairs<W>(b.level())) {
      detail::multiply_in_pairs(a, b, c, store, scratch, epilogue);
      return;
    }
  }
#endif
  const detail::GemmKernel<T, W>& kernel = detail::weight_kernel<W>(b.level());
  const detail::Product<T, W, E> product{kernel, Op::kNone, a, c, store, epilogue, b.k()};
  const Index depth_block = detail::depth_block<T>(b.k());
  const Index row_block = detail::row_block(kernel, c.rows(), depth_block);
  const ArenaScope scope(scratch);
  T* a_panels = scratch.allocate<T>(gemm_scratch<W>(c.rows(), b.k(), b.level())).data();
  for (Index k = 0; k < b.k(); k += depth_block) {
    const detail::PanelBlock<W> panels{
        b.data() + k * kernel.cols, b.k() * kernel.cols, std::min(depth_block, b.k() - k)};
    detail::multiply_rows(product, a_panels, row_block, panels, Index{0}, c.cols(), k);
  }
}

/// The product of two matrices packed on the fly, in the forms that training needs.
///
///   c = op_a(a) op_b(b), or c += op_a(a) op_b(b)
///
/// @param  a       (M, K), or (K, M) with Op::kTranspose
/// @param  b       (K, N), or (N, K) with Op::kTranspose
/// @param  c       (M, N)
/// @param  store   overwrite c or add to it
/// @param  scratch for packed operands, rewound before the return; one arena a thread
/// @param  level   whose kernels to use
/// @throws ShapeError before any work if the shapes do not fit; ConfigError if the processor lacks `level`
/// @pre    c overlaps neither a nor b
/// @note   time, order of the sums and edge cases as above; the arena needs up to 2.3 MB
template <class T>
void gemm(Op op_a,
          std::type_identity_t<MatrixView<const T>> a,
          Op op_b,
          std::type_identity_t<MatrixView<const T>> b,
          MatrixView<T> c,
          Store store,
          Arena& scratch,
          Level level = best_level()) {
  static_assert(std::same_as<T, float> || std::same_as<T, double>,
                "reasonembed::simd::gemm: T must be float or double");
  const bool a_none = op_a == Op::kNone;
  const bool b_none = op_b == Op::kNone;
  const Index depth = b_none ? b.rows() : b.cols();
  require_extent("simd::gemm", a_none ? "a.cols()" : "a.rows()", a_none ? a.cols() : a.rows(), depth);
  require_extent("simd::gemm", "c.rows()", c.rows(), a_none ? a.rows() : a.cols());
  require_extent("simd::gemm", "c.cols()", c.cols(), b_none ? b.cols() : b.rows());
  require_level("simd::gemm", level);
  if (c.empty()) {
    return;
  }
  const NoEpilogue none;
  if (depth == 0) {
    detail::finish_empty_sums(c, store, none);
    return;
  }
  const detail::GemmKernel<T>& kernel = detail::gemm_kernel<T>(level);
  const detail::Product<T, T, NoEpilogue> product{kernel, op_a, a, c, store, none, depth};
  const Index depth_block = detail::depth_block<T>(depth);
  const Index row_block = detail::row_block(kernel, c.rows(), depth_block);
  const Index column_block = detail::column_block(kernel, c.cols(), depth_block);
  const ArenaScope scope(scratch);
  T* a_panels = scratch.allocate<T>(detail::packed_rows(kernel, op_a, c.rows(), row_block) * depth_block).data();
  T* b_panels = scratch.allocate<T>(column_block * depth_block).data();
  for (Index col = 0; col < c.cols(); col += column_block) {
    const Index cols = std::min(column_block, c.cols() - col);
    for (Index k = 0; k < depth; k += depth_block) {
      const Index in_block = std::min(depth_block, depth - k);
      detail::pack_b(kernel, op_b, b, col, cols, k, in_block, b_panels);
      const detail::PanelBlock<T> panels{b_panels, in_block * kernel.cols, in_block};
      detail::multiply_rows(product, a_panels, row_block, panels, col, cols, k);
    }
  }
}

}  // namespace reasonembed::simd
