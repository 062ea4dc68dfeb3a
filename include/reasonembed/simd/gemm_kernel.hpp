#pragma once
/// @file The kernels of one instruction-set level as data, so that the code around them exists once for all levels.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel_avx2.hpp>
#include <reasonembed/simd/gemm_kernel_avx512.hpp>
#include <reasonembed/simd/gemm_kernel_portable.hpp>
#include <reasonembed/simd/gemm_packing.hpp>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// Register tile, micro-kernel and packing functions of one level. An indirect call a tile costs nothing measurable.
///
/// @tparam W  elements of b: T, or bf16 for T = float
template <class T, class W = T>
struct GemmKernel {
  using Multiply = void (*)(Tile<T, W>);
  /// (source, stride, lines, depth, panels), see pack_transposed
  template <class Element>
  using Pack = void (*)(const Element*, Index, Index, Index, Element*);

  Index rows = 0;
  Index cols = 0;
  Multiply multiply = nullptr;
  Pack<T> pack_a_transposed = nullptr;
  Pack<T> pack_a_copied = nullptr;
  Pack<W> pack_b_transposed = nullptr;
  Pack<W> pack_b_copied = nullptr;
};

/// The largest register tile of all levels, in elements.
inline constexpr Index kLargestTile = Index{8} * 48;

template <class T, class W, class Kernel>
inline constexpr GemmKernel<T, W> kScalarPacking{Kernel::kRows,
                                              Kernel::kCols,
                                              &Kernel::multiply,
                                              &pack_transposed<T, Kernel::kRows>,
                                              &pack_copied<T, Kernel::kRows>,
                                              &pack_transposed<W, Kernel::kCols>,
                                              &pack_copied<W, Kernel::kCols>};

#if defined(__x86_64__)
template <class T, class W, class Kernel>
inline constexpr GemmKernel<T, W> kVectorPacking{Kernel::kRows,
                                              Kernel::kCols,
                                              &Kernel::multiply,
                                              &pack_transposed_avx2<T, Kernel::kRows>,
                                              &pack_copied<T, Kernel::kRows>,
                                              &pack_transposed_avx2<W, Kernel::kCols>,
                                              &pack_copied<W, Kernel::kCols>};
#endif

template <class T, class W = T>
[[nodiscard]] constexpr const GemmKernel<T, W>& gemm_kernel([[maybe_unused]] Level level) {
#if defined(__x86_64__)
  if (level == Level::kAvx512) {
    return kVectorPacking<T, W, Avx512Kernel<T, W>>;
  }
  if (level == Level::kAvx2) {
    return kVectorPacking<T, W, Avx2Kernel<T, W>>;
  }
#endif
  return kScalarPacking<T, W, PortableKernel<T, W>>;
}

/// Depth of one block: the sums of a product longer than that are formed block by block and added in order. A function
/// of K and the element size alone, the same at every level, so that an element's bits depend on nothing else.
///
/// 4 KB a line: a panel of a (8 lines) stays in the first-level cache, a panel of b (48) in the second.
template <class T>
[[nodiscard]] constexpr Index depth_block(Index depth) {
  constexpr Index kMost = 4096 / static_cast<Index>(sizeof(T));
  const Index blocks = (depth + kMost - 1) / kMost;
  return blocks <= 1 ? depth : (depth + blocks - 1) / blocks;
}

}  // namespace reasonembed::simd::detail
