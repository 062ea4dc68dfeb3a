#pragma once
/// @file Operands in float, rounded to bf16 as they are packed: for products of activations with activations.
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_rounding.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// Rounds a matrix to bf16 and packs it as the weight of a rounded product, see gemm.
///
/// @param weight  (N, K)
/// @param arena   owns the result, which lives until the arena is rewound below it
/// @return  N outputs, K inputs
/// @throws  ConfigError if the processor lacks `level`; ShapeError if the padded size is not representable
[[nodiscard]] inline PackedView<Bf16Pair> pack_rounded(MatrixView<const float> weight,
                                                       Arena& arena,
                                                       Level level = best_level()) {
  require_level("simd::pack_rounded", level);
  const Index n = weight.rows();
  const Index k = weight.cols();
  bf16* out = arena.allocate<bf16>(detail::packed_size<Bf16Pair>(n, k, level)).data();
  detail::round_into_panels(weight, level, out);
  return {out, n, k, level};
}

/// As pack_rounded, of the transpose.
///
/// @param columns  (K, N)
/// @return  N outputs, K inputs
[[nodiscard]] inline PackedView<Bf16Pair> pack_rounded_columns(MatrixView<const float> columns,
                                                               Arena& arena,
                                                               Level level = best_level()) {
  require_level("simd::pack_rounded_columns", level);
  const Index n = columns.cols();
  const Index k = columns.rows();
  bf16* out = arena.allocate<bf16>(detail::packed_size<Bf16Pair>(n, k, level)).data();
  detail::round_columns_into_panels(columns, level, out);
  return {out, n, k, level};
}

}  // namespace reasonembed::simd
