#pragma once
/// @file The kernels of one instruction-set level as data, so that the code around them exists once for all levels.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel_avx2.hpp>
#include <reasonembed/simd/gemm_kernel_avx512.hpp>
#include <reasonembed/simd/gemm_kernel_avx512bf16.hpp>
#include <reasonembed/simd/gemm_kernel_neon.hpp>
#include <reasonembed/simd/gemm_kernel_portable.hpp>
#include <reasonembed/simd/gemm_packing.hpp>

#include <array>
#include <concepts>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// Register tile, micro-kernel and packing functions of one level. An indirect call a tile costs nothing measurable.
///
/// @tparam W  elements of b, see Tile
template <class T, class W = T>
struct GemmKernel {
  using Multiply = void (*)(Tile<T, W>);
  /// (source, stride, lines, depth, panels), see pack_transposed
  template <class Element>
  using Pack = void (*)(const Element*, Index, Index, Index, Element*);

  Index rows = 0;
  Index cols = 0;
  Index lanes = 0;                        ///< columns of one register
  using Parts = std::array<Multiply, 3>;  ///< of the first lanes, 2 lanes, 3 lanes columns of a tile, up to cols
  Parts multiply_packed{};                ///< with packed rows of a
  Parts multiply_rows{};                  ///< with rows of a as they lie in memory
  Pack<RowElement<W>> pack_a_transposed = nullptr;
  Pack<RowElement<W>> pack_a_copied = nullptr;
  Pack<W> pack_b_transposed = nullptr;
  Pack<W> pack_b_copied = nullptr;
};

/// @return  a micro-kernel for each number of registers that a row of a tile of `Kernel` may take
template <class T, class W, class Kernel, bool kPackedRows>
[[nodiscard]] constexpr typename GemmKernel<T, W>::Parts parts_of() {
  if constexpr (Kernel::kCols == 2 * Kernel::kLanes) {
    return {&Kernel::template multiply<1, kPackedRows>, &Kernel::template multiply<2, kPackedRows>, nullptr};
  } else {
    return {&Kernel::template multiply<1, kPackedRows>,
            &Kernel::template multiply<2, kPackedRows>,
            &Kernel::template multiply<3, kPackedRows>};
  }
}

/// The largest register tile of all levels, in elements.
inline constexpr Index kLargestTile = Index{8} * 48;

template <class T, class W, class Kernel>
inline constexpr GemmKernel<T, W> kScalarPacking{Kernel::kRows,
                                                 Kernel::kCols,
                                                 Kernel::kLanes,
                                                 parts_of<T, W, Kernel, true>(),
                                                 parts_of<T, W, Kernel, false>(),
                                                 &pack_transposed<T, Kernel::kRows>,
                                                 &pack_copied<T, Kernel::kRows>,
                                                 &pack_transposed<W, Kernel::kCols>,
                                                 &pack_copied<W, Kernel::kCols>};

#if defined(__x86_64__)
template <class T, class W, class Kernel>
inline constexpr GemmKernel<T, W> kVectorPacking{Kernel::kRows,
                                                 Kernel::kCols,
                                                 Kernel::kLanes,
                                                 parts_of<T, W, Kernel, true>(),
                                                 parts_of<T, W, Kernel, false>(),
                                                 &pack_transposed_avx2<T, Kernel::kRows>,
                                                 &pack_copied<T, Kernel::kRows>,
                                                 &pack_transposed_avx2<W, Kernel::kCols>,
                                                 &pack_copied<W, Kernel::kCols>};
#endif

#if defined(__x86_64__)
/// Of Level::kAvx512Bf16: rows are rounded to pairs where they lie, and packed by pack_columns alone.
inline constexpr GemmKernel<float, Bf16Pair> kPairKernel{
    .rows = Avx512Bf16Kernel::kRows,
    .cols = Avx512Bf16Kernel::kCols,
    .lanes = Avx512Bf16Kernel::kLanes,
    .multiply_packed = parts_of<float, Bf16Pair, Avx512Bf16Kernel, true>(),
    .multiply_rows = parts_of<float, Bf16Pair, Avx512Bf16Kernel, false>()};
#endif

/// How a packed weight lies in memory: panels of `cols` outputs, in which `group` elements of the depth lie side by
/// side.
struct PanelLayout {
  Index cols = 0;
  Index group = 1;

  /// @return  elements of one panel line, zeros at its end included
  [[nodiscard]] constexpr Index padded(Index depth) const { return (depth + group - 1) / group * group; }
  /// @return  where element (n, k) of a weight of `depth` inputs lies
  [[nodiscard]] constexpr Index index(Index n, Index k, Index depth) const {
    return n / cols * cols * padded(depth) + k / group * cols * group + n % cols * group + k % group;
  }
};

/// @return  whether the kernels of `level` multiply pairs with a weight of format W
template <class W>
[[nodiscard]] constexpr bool multiplies_pairs(Level level) {
  return std::same_as<W, Bf16Pair> && level >= Level::kAvx512Bf16;
}

template <class T, class W = T>
[[nodiscard]] constexpr const GemmKernel<T, W>& gemm_kernel([[maybe_unused]] Level level) {
#if defined(__x86_64__)
  if (level >= Level::kAvx512) {
    return kVectorPacking<T, W, Avx512Kernel<T, W>>;
  }
  if (level == Level::kAvx2) {
    return kVectorPacking<T, W, Avx2Kernel<T, W>>;
  }
#elif defined(__aarch64__)
  if (level == Level::kNeon || level == Level::kNeonDot) {
    return kScalarPacking<T, W, NeonKernel<T, W>>;
  }
#endif
  return kScalarPacking<T, W, PortableKernel<T, W>>;
}

/// @return  the layout in which the kernels of `level` read a weight of format W
template <class W>
[[nodiscard]] constexpr PanelLayout panel_layout(Level level) {
  if (multiplies_pairs<W>(level)) {
    return {48, 2};
  }
  return {gemm_kernel<Accumulator<W>, StoredElement<W>>(level).cols, 1};
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
