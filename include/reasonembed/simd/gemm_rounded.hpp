#pragma once
/// @file The product with a weight in bf16 whose other operand is rounded to bf16 too.
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_blocks.hpp>
#include <reasonembed/simd/gemm_kernel.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <algorithm>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

#if defined(__x86_64__)
/// @return  rows of a that are rounded to pairs at once, in whole tiles
[[nodiscard]] inline Index pair_rows(Index m, Index k) {
  return row_block(kPairKernel, m, depth_block<float>((k + 1) / 2));
}

/// The product with a packed weight of pairs: rows of a are rounded, some at a time, then multiplied where they lie.
template <class E>
void multiply_in_pairs(MatrixView<const float> a,
                       PackedView<Bf16Pair> b,
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
          weight + k * kPairKernel.cols, (b.packed_k() + 1) / 2 * kPairKernel.cols, std::min(depth_step, depth - k)};
      multiply_panels(product, {rounded.data() + k, depth, whole, nullptr}, row, rows, panels, Index{0}, c.cols(), k);
    }
  }
}
#endif

/// @return  rows of a that are rounded at once where a processor multiplies no pairs: whole tiles, as in pair_rows
[[nodiscard]] inline Index rounded_rows(Index m, Index k, Level level) {
  return row_block(weight_kernel<bf16>(level), m, std::max(k, Index{1}));
}

/// Rounds to bf16, and stays in float.
inline void round_to_bf16(MatrixView<const float> x, MatrixView<float> rounded) {
  for (Index row = 0; row < x.rows(); ++row) {
    const std::span<float> to = rounded.row(row);
    std::transform(x.row(row).begin(), x.row(row).end(), to.begin(), [](float v) { return float{bf16(v)}; });
  }
}

/// An epilogue that sees the rows of c from `first` on.
template <class E>
struct EpilogueFrom {
  const E& epilogue;
  Index first;
  template <class T>
  void operator()(Index row, Index col, std::span<T> piece) const {
    epilogue(first + row, col, piece);
  }
};

/// The product with a weight whose other operand is rounded to bf16 too.
template <class E>
void multiply_rounded(MatrixView<const float> a,
                      PackedView<Bf16Pair> b,
                      MatrixView<float> c,
                      Store store,
                      Arena& scratch,
                      const E& epilogue) {
#if defined(__x86_64__)
  if (multiplies_pairs<Bf16Pair>(b.level())) {
    multiply_in_pairs(a, b, c, store, scratch, epilogue);
    return;
  }
#endif
  const PackedView<bf16> weight = PackedView<bf16>(b.data(), b.n(), b.packed_k(), b.level()).first_inputs(b.k());
  const Index block = rounded_rows(c.rows(), b.k(), b.level());
  const ArenaScope scope(scratch);
  const MatrixView<float> rounded = scratch.matrix<float>(block, b.k());
  for (Index row = 0; row < c.rows(); row += block) {
    const Index rows = std::min(block, c.rows() - row);
    round_to_bf16(a.row_block(row, rows), rounded.row_block(0, rows));
    multiply_packed(
        rounded.row_block(0, rows), weight, c.row_block(row, rows), store, scratch, EpilogueFrom<E>{epilogue, row});
  }
}

}  // namespace reasonembed::simd::detail
