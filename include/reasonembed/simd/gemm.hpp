#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/epilogue.hpp>
#include <reasonembed/simd/gemm_blocks.hpp>
#include <reasonembed/simd/gemm_int8.hpp>
#include <reasonembed/simd/gemm_rounded.hpp>
#include <reasonembed/simd/packed_int8_matrix.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <algorithm>
#include <concepts>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

namespace detail {
/// As gemm_scratch, of the kernels that compute in floating point. @pre m, k > 0
template <class W>
[[nodiscard]] Index float_gemm_scratch(Index m, Index k, Level level) {
#if defined(__x86_64__)
  if (multiplies_pairs<W>(level)) {
    return pair_rows(m, k) * ((k + 1) / 2);
  }
#endif
  if constexpr (std::same_as<W, Bf16Pair>) {
    const Index rows = rounded_rows(m, k, level);
    constexpr Index kAligned = kAlignment / static_cast<Index>(sizeof(float));
    return (rows * k + kAligned - 1) / kAligned * kAligned + float_gemm_scratch<bf16>(m, k, level);
  }
  const Index depth = depth_block<Accumulator<W>>(k);
  return packed_rows(weight_kernel<W>(level), Op::kNone, m, m) * depth;
}
}  // namespace detail

/// @param m  rows of a
/// @param k  depth of the sums
/// @return   elements of scratch that the product with a packed weight takes
template <class W>
[[nodiscard]] Index gemm_scratch(Index m, Index k, Level level) {
  if (m == 0 || k == 0) {
    return 0;
  }
  if constexpr (std::same_as<W, int8>) {
    return detail::Int8Scratch(detail::int8_kernel(level), m, k).floats;
  } else {
    return detail::float_gemm_scratch<W>(m, k, level);
  }
}

/// The product with a packed weight, the linear layer: finishes every element with an epilogue.
///
///   c_mn = e(sum_k a_mk * weight_nk), or c_mn = e(c_mn + sum_k a_mk * weight_nk)
///
/// Every sum is one chain of fma in the order of k, cut into blocks whose length depends on K alone: the bits of a row
/// of c depend neither on M, nor on where the row stands, nor on strides or alignment, nor on the thread. They equal
/// those of the product below with Op::kNone, Op::kTranspose at the same level.
/// A bf16 weight is widened in the registers, so its product has the bits of the product with the same weight in float.
/// With W = Bf16Pair, a is rounded to bf16 as well: twice the speed at Level::kAvx512Bf16, where pairs of products are
/// summed in float and numbers below 2^-126 count as zero; below it the product of the rounded a with the widened
/// weight. The error is at most 2^-8 sum_k |a_mk weight_nk| more.
/// With W = int8, each row of a is quantised in steps of s_m = max_k |a_mk| / 127, and c_mn = s_m t_n sum_k q_mk q_nk
/// (see PackedMatrix<int8>): the sum is one of integers, exact, and the bits are those of every level. The error is at
/// most sum_k (s_m |weight_nk| + t_n |a_mk|) / 2 + K s_m t_n / 4. A row of a whose numbers are all smaller than 2^-100
/// counts as zero; one with a number that is not finite gives NaN.
///
/// @tparam W       elements of the weight: float, double, or bf16, Bf16Pair or int8 with a and c in float
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
template <class W, class E = NoEpilogue, class T = detail::Accumulator<W>>
  requires Epilogue<E, T>
void gemm(std::type_identity_t<MatrixView<const T>> a,
          PackedView<W> b,
          std::type_identity_t<MatrixView<T>> c,
          Store store,
          Arena& scratch,
          const E& epilogue = {}) {
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
  if constexpr (std::same_as<W, int8>) {
    detail::multiply_int8(a, b, c, store, scratch, epilogue);
  } else if constexpr (std::same_as<W, Bf16Pair>) {
    detail::multiply_rounded(a, b, c, store, scratch, epilogue);
  } else {
    detail::multiply_packed(a, b, c, store, scratch, epilogue);
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
