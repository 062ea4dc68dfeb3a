#pragma once
/// @file The product of two matrices in float that are rounded to bf16 on their way into it: what training needs.
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/gemm_blocks.hpp>
#include <reasonembed/simd/gemm_kernel.hpp>
#include <reasonembed/simd/gemm_rounded.hpp>
#include <reasonembed/simd/gemm_rounding.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <algorithm>

namespace reasonembed::inline REASONEMBED_ABI::simd {

namespace detail {

#if defined(__x86_64__)
/// How a rounded product is cut: in pairs, rows and columns.
struct PairBlocks {
  Index depth = 0;  // pairs at once
  Index rows = 0;
  Index cols = 0;

  PairBlocks(Index m, Index n, Index k)
      : depth(depth_block<float>((k + 1) / 2)),
        rows(row_block(kPairKernel, m, depth)),
        cols(column_block(kPairKernel, n, depth)) {}
};

/// Some rows of op(a), rounded, as the micro-kernel reads them.
///
/// @param k      first element of the sums, in `depth` of them
/// @param pairs  room for whole tiles of rows
inline RowBlock<Bf16Pair> round_rows_of(
    Op op, MatrixView<const float> a, Index row, Index rows, Index k, Index depth, Bf16Pair* pairs) {
  if (op == Op::kTranspose) {
    Avx512Bf16Kernel::pack_rows(a.data() + k * a.stride() + row, a.stride(), rows, depth, pairs);
    return {nullptr, 0, 0, pairs};
  }
  const Index count = (depth + 1) / 2;
  const Index whole = (rows + kPairKernel.rows - 1) / kPairKernel.rows * kPairKernel.rows;
  Avx512Bf16Kernel::round_rows(a.data() + row * a.stride() + k, a.stride(), rows, depth, pairs, count);
  std::fill_n(pairs + rows * count, (whole - rows) * count, Bf16Pair{});
  return {pairs, count, whole, nullptr};
}

/// @pre the shapes fit, c is not empty, K > 0
inline void multiply_pairs(Op op_a,
                           MatrixView<const float> a,
                           Op op_b,
                           MatrixView<const float> b,
                           MatrixView<float> c,
                           Store store,
                           Arena& scratch,
                           Level level) {
  const Index depth = op_a == Op::kNone ? a.cols() : a.rows();
  const PairBlocks block(c.rows(), c.cols(), depth);
  const ArenaScope scope(scratch);
  Bf16Pair* a_pairs = scratch.allocate<Bf16Pair>(block.rows * block.depth).data();
  Bf16Pair* b_pairs = scratch.allocate<Bf16Pair>(block.cols * block.depth).data();
  const NoEpilogue none;
  const Product<float, Bf16Pair, NoEpilogue> product{kPairKernel, op_a, {}, c, store, none, (depth + 1) / 2};
  for (Index col = 0; col < c.cols(); col += block.cols) {
    const Index cols = std::min(block.cols, c.cols() - col);
    for (Index k = 0; k < depth; k += 2 * block.depth) {
      const Index inner = std::min(2 * block.depth, depth - k);
      auto* packed = reinterpret_cast<bf16*>(b_pairs);
      if (op_b == Op::kNone) {
        round_columns_into_panels(b.row_block(k, inner).col_block(col, cols), level, packed);
      } else {
        round_into_panels(b.row_block(col, cols).col_block(k, inner), level, packed);
      }
      const Index pairs = (inner + 1) / 2;
      const PanelBlock<Bf16Pair> panels{b_pairs, pairs * kPairKernel.cols, pairs};
      for (Index row = 0; row < c.rows(); row += block.rows) {
        const Index rows = std::min(block.rows, c.rows() - row);
        const RowBlock<Bf16Pair> lines = round_rows_of(op_a, a, row, rows, k, inner, a_pairs);
        multiply_panels(product, lines, row, rows, panels, col, cols, k / 2);
      }
    }
  }
}
#endif

}  // namespace detail

/// As the gemm of two matrices, whose elements are first rounded to bf16, to nearest.
///
///   c = op_a(bf16(a)) op_b(bf16(b)), or c += that
///
/// Sums are float, and in the order that gemm with a weight of Bf16Pair has: the bits of c equal those of that product
/// with bf16(op_b(b))^T as the weight at the same level. The error is at most 2^-7 sum_k |a_mk b_kn| more than gemm's.
///
/// @param a        (M, K), or (K, M) with Op::kTranspose
/// @param b        (K, N), or (N, K) with Op::kTranspose
/// @param c        (M, N)
/// @param store    overwrite c or add to it
/// @param scratch  for rounded operands, rewound before the return; one arena a thread
/// @param level    whose kernels to use
/// @throws ShapeError before any work if the shapes do not fit; ConfigError if the processor lacks `level`
/// @pre    c overlaps neither a nor b
/// @note   2 M N K operations in the calling thread, at Level::kAvx512Bf16 twice as fast as gemm's; the arena needs up
///         to 2.3 MB there, and both operands in float elsewhere. NaN and infinity propagate as in the plain sum
inline void rounded_product(Op op_a,
                            MatrixView<const float> a,
                            Op op_b,
                            MatrixView<const float> b,
                            MatrixView<float> c,
                            Store store,
                            Arena& scratch,
                            Level level = best_level()) {
  const bool a_none = op_a == Op::kNone;
  const bool b_none = op_b == Op::kNone;
  const Index depth = b_none ? b.rows() : b.cols();
  require_extent("simd::rounded_product", a_none ? "a.cols()" : "a.rows()", a_none ? a.cols() : a.rows(), depth);
  require_extent("simd::rounded_product", "c.rows()", c.rows(), a_none ? a.rows() : a.cols());
  require_extent("simd::rounded_product", "c.cols()", c.cols(), b_none ? b.cols() : b.rows());
  require_level("simd::rounded_product", level);
  if (c.empty()) {
    return;
  }
#if defined(__x86_64__)
  if (detail::multiplies_pairs<Bf16Pair>(level) && depth > 0) {
    detail::multiply_pairs(op_a, a, op_b, b, c, store, scratch, level);
    return;
  }
#endif
  const ArenaScope scope(scratch);
  const MatrixView<float> a_rounded = scratch.matrix<float>(a.rows(), a.cols());
  const MatrixView<float> b_rounded = scratch.matrix<float>(b.rows(), b.cols());
  detail::round_to_bf16(a, a_rounded);
  detail::round_to_bf16(b, b_rounded);
  gemm(op_a, a_rounded, op_b, b_rounded, c, store, scratch, level);
}

}  // namespace reasonembed::simd
