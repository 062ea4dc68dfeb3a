#pragma once
/// @file Matrices in float, rounded to bf16 into the panels of a rounded product.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel.hpp>

#include <algorithm>

namespace reasonembed::inline REASONEMBED_ABI::simd::detail {

/// Panels by the definition of their layout.
///
/// @param out      panels of Bf16Pair for `level`, overwritten
/// @param element  (n, k) -> float
template <class F>
void round_elements_into_panels(Index n, Index k, Level level, bf16* out, F&& element) {
  const PanelLayout layout = panel_layout<Bf16Pair>(level);
  std::fill_n(out, (n + layout.cols - 1) / layout.cols * layout.cols * layout.padded(k), bf16{});
  for (Index row = 0; row < n; ++row) {
    for (Index i = 0; i < k; ++i) {
      out[layout.index(row, i, k)] = bf16(element(row, i));
    }
  }
}

/// @param weight  (N, K)
/// @param out     panels of Bf16Pair for `level`, overwritten
/// @note  no allocation
inline void round_into_panels(MatrixView<const float> weight, Level level, bf16* out) {
  const Index n = weight.rows();
  const Index k = weight.cols();
#if defined(__x86_64__)
  if (multiplies_pairs<Bf16Pair>(level)) {
    // A pair is a word: words are moved into panels as floats are, bit by bit.
    constexpr Index kCols = Avx512Bf16Kernel::kCols;
    constexpr Index kWords = 128;
    alignas(kAlignment) Bf16Pair words[kCols * kWords];
    const auto pack_words = gemm_kernel<float>(level).pack_b_transposed;
    const Index pairs = (k + 1) / 2;
    for (Index row = 0; row < n; row += kCols) {
      const Index rows = std::min(kCols, n - row);
      auto* panel = reinterpret_cast<float*>(out) + row * pairs;
      for (Index pair = 0; pair < pairs; pair += kWords) {
        const Index count = std::min(kWords, pairs - pair);
        const Index depth = std::min(2 * kWords, k - 2 * pair);
        Avx512Bf16Kernel::round_rows(
            weight.data() + row * weight.stride() + 2 * pair, weight.stride(), rows, depth, words, kWords);
        pack_words(reinterpret_cast<const float*>(words), kWords, rows, count, panel + pair * kCols);
      }
    }
    return;
  }
#endif
  round_elements_into_panels(n, k, level, out, [&](Index row, Index i) { return weight(row, i); });
}

/// As round_into_panels, of the transpose.
///
/// @param columns  (K, N)
inline void round_columns_into_panels(MatrixView<const float> columns, Level level, bf16* out) {
  const Index n = columns.cols();
  const Index k = columns.rows();
#if defined(__x86_64__)
  if (multiplies_pairs<Bf16Pair>(level)) {
    Avx512Bf16Kernel::pack_columns(columns.data(), columns.stride(), n, k, reinterpret_cast<Bf16Pair*>(out));
    return;
  }
#endif
  round_elements_into_panels(n, k, level, out, [&](Index row, Index i) { return columns(i, row); });
}

}  // namespace reasonembed::simd::detail
