#pragma once
/// @file Operands in float, rounded to bf16 as they are packed: for products of activations with activations.
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <algorithm>

namespace reasonembed::inline REASONEMBED_ABI::simd {

namespace detail {

/// Panels by the definition of their layout.
///
/// @param element  (n, k) -> float
template <class F>
void pack_rounded_elements(Index n, Index k, Level level, bf16* out, F&& element) {
  const PanelLayout layout = panel_layout<Bf16Pair>(level);
  std::fill_n(out, packed_size<Bf16Pair>(n, k, level), bf16{});
  for (Index row = 0; row < n; ++row) {
    for (Index i = 0; i < k; ++i) {
      out[layout.index(row, i, k)] = bf16(element(row, i));
    }
  }
}

}  // namespace detail

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
#if defined(__x86_64__)
  if (detail::multiplies_pairs<Bf16Pair>(level)) {
    // A pair is a word: words are moved into panels as floats are, bit by bit.
    const Index pairs = (k + 1) / 2;
    const ArenaScope scope(arena);
    const MatrixView<Bf16Pair> words = arena.matrix<Bf16Pair>(n, pairs);
    detail::Avx512Bf16Kernel::round_rows(weight.data(), weight.stride(), n, k, words.data(), words.stride());
    detail::weight_kernel<float>(level).pack_b_transposed(
        reinterpret_cast<const float*>(words.data()), words.stride(), n, pairs, reinterpret_cast<float*>(out));
    return {out, n, k, level};
  }
#endif
  detail::pack_rounded_elements(n, k, level, out, [&](Index row, Index i) { return weight(row, i); });
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
#if defined(__x86_64__)
  if (detail::multiplies_pairs<Bf16Pair>(level)) {
    detail::Avx512Bf16Kernel::pack_columns(columns.data(), columns.stride(), n, k, reinterpret_cast<Bf16Pair*>(out));
    return {out, n, k, level};
  }
#endif
  detail::pack_rounded_elements(n, k, level, out, [&](Index row, Index i) { return columns(i, row); });
  return {out, n, k, level};
}

}  // namespace reasonembed::simd
