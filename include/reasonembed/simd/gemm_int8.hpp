#pragma once
/// @file The product with a quantised weight, whose other operand is quantised row by row on the way.
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/epilogue.hpp>
#include <reasonembed/simd/gemm_blocks.hpp>
#include <reasonembed/simd/gemm_kernel_int8.hpp>
#include <reasonembed/simd/packed_int8_matrix.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// @return  rows of a that are quantised at once, in whole tiles: 256 KB, which share the second-level cache with a
///          panel of the weight
[[nodiscard]] constexpr Index int8_rows(const Int8Kernel& kernel, Index m, Index k) {
  constexpr Index kBytes = Index{256} << 10;
  const Index whole_tiles = (m + kernel.rows - 1) / kernel.rows;
  return std::clamp(kBytes / (std::max(kernel.row_bytes(k), Index{1}) * kernel.rows), Index{1}, whole_tiles) *
         kernel.rows;
}

/// Where the quantised rows of a block and their steps lie in the scratch.
struct Int8Scratch {
  Index row_bytes = 0;
  Index rows = 0;
  Index steps_at = 0;  ///< floats before the steps
  Index floats = 0;    ///< in all

  constexpr Int8Scratch(const Int8Kernel& kernel, Index m, Index k)
      : row_bytes(kernel.row_bytes(k)), rows(int8_rows(kernel, m, k)) {
    constexpr Index kFloat = sizeof(float);
    steps_at = (rows * row_bytes + kAlignment - 1) / kAlignment * kAlignment / kFloat;
    floats = steps_at + rows;
  }
};

/// Quantised rows times every panel of a weight.
///
/// @param c    rows of the result
/// @param row  of c in the whole product, for the epilogue
template <class E>
void multiply_int8_panels(const Int8Kernel& kernel,
                          Int8Tile part,
                          PackedView<int8> b,
                          MatrixView<float> c,
                          Index row,
                          Store store,
                          const E& epilogue) {
  const std::byte* rows = part.a;
  const float* row_scales = part.row_scales;
  const Index panel = part.depth * kernel.group * kernel.cols;
  const Index tiles = (c.rows() + kernel.rows - 1) / kernel.rows;
  const Index line = kernel.group * kernel.cols;  // bytes of a panel for a step of the depth
  part.ahead_step = std::min(Index{64}, (line + tiles - 1) / tiles);
  for (Index j = 0; j < c.cols(); j += kernel.cols) {
    part.b = b.data() + j / kernel.cols * panel;
    part.offsets = b.offsets() + j;
    part.column_scales = b.scales() + j;
    const int8* next = j + kernel.cols < c.cols() ? part.b + panel : b.data();
    const MatrixView<float> columns = c.col_block(j, std::min(kernel.cols, c.cols() - j));
    for (Index i = 0; i < c.rows(); i += kernel.rows) {
      const MatrixView<float> tile = columns.row_block(i, std::min(kernel.rows, c.rows() - i));
      part.a = rows + i * part.a_stride;
      part.row_scales = row_scales + i;
      part.ahead = next + std::min(i / kernel.rows * part.ahead_step, line - part.ahead_step) * part.depth;
      multiply_into(kernel, kernel.multiply[part_of(kernel, tile)], part, tile, store == Store::kAccumulate);
      if constexpr (!std::same_as<E, NoEpilogue>) {
        for (Index at = 0; at < tile.rows(); ++at) {
          epilogue(row + i + at, j, tile.row(at));
        }
      }
    }
  }
}

/// The product with a quantised weight, see gemm. @pre the shapes fit, c is not empty, K > 0
template <class E>
void multiply_int8(MatrixView<const float> a,
                   PackedView<int8> b,
                   MatrixView<float> c,
                   Store store,
                   Arena& scratch,
                   const E& epilogue) {
  const Int8Kernel& kernel = int8_kernel(b.level());
  const Int8Scratch layout(kernel, c.rows(), b.k());
  const ArenaScope scope(scratch);
  float* memory = scratch.allocate<float>(layout.floats).data();
  auto* codes = reinterpret_cast<std::byte*>(memory);
  float* steps = memory + layout.steps_at;
  for (Index row = 0; row < c.rows(); row += layout.rows) {
    const Index rows = std::min(layout.rows, c.rows() - row);
    kernel.quantize(a.data() + row * a.stride(), a.stride(), rows, b.k(), codes, layout.row_bytes, steps);
    const Index whole = (rows + kernel.rows - 1) / kernel.rows * kernel.rows;
    std::fill_n(codes + rows * layout.row_bytes, (whole - rows) * layout.row_bytes, std::byte{});
    std::fill_n(steps + rows, whole - rows, 0.0F);
    const Int8Tile part{.depth = (b.k() + kernel.group - 1) / kernel.group,
                        .a = codes,
                        .a_stride = layout.row_bytes,
                        .row_scales = steps};
    multiply_int8_panels(kernel, part, b, c.row_block(row, rows), row, store, epilogue);
  }
}

}  // namespace reasonembed::simd::detail
