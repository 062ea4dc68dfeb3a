#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/sequences.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

namespace detail {

inline void require_filled_sequences(std::string_view where, std::span<const std::int32_t> offsets, Index tokens) {
  require_offsets(where, offsets, tokens);
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    if (offsets[b] == offsets[b + 1]) {
      throw ShapeError::invalid(where, "length of sequence " + std::to_string(b), "0", "at least 1");
    }
  }
}

template <class T>
[[nodiscard]] T one_over_length(std::span<const std::int32_t> offsets, std::size_t b) {
  return T{1} / static_cast<T>(offsets[b + 1] - offsets[b]);
}

}  // namespace detail

/// The mean over the tokens of each sequence.
///
///   y_b = (sum_{t in b} x_t) / L_b
///
/// @param x        (T, D)
/// @param offsets  (B + 1) first token of each sequence, then T
/// @param y        (B, D), overwritten
/// @throws ShapeError if the shapes do not fit or a sequence is empty
/// @note   O(T D), no allocation; summed in token order and multiplied by 1 / L_b, so a sequence's bits depend on its
///         own tokens alone
template <class T, class Arch = CompiledArch>
void mean_pool(std::type_identity_t<MatrixView<const T>> x, std::span<const std::int32_t> offsets, MatrixView<T> y) {
  using B = Batch<T, Arch>;
  detail::require_filled_sequences("simd::mean_pool", offsets, x.rows());
  require_extent("simd::mean_pool", "y.rows()", y.rows(), static_cast<Index>(offsets.size()) - 1);
  require_extent("simd::mean_pool", "y.cols()", y.cols(), x.cols());
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    T* out = y.data() + static_cast<Index>(b) * y.stride();
    const B weight(detail::one_over_length<T>(offsets, b));
    for_each_lanes<T, Arch>(x.cols(), [&](auto lanes) {
      B sum(T{0});
      for (Index t = offsets[b]; t < offsets[b + 1]; ++t) {
        sum = sum + lanes.load(x.data() + t * x.stride());
      }
      lanes.store(out, sum * weight);
    });
  }
}

/// The gradient of mean_pool: dx_t = dy_b / L_b for the sequence b of token t.
///
/// @param dy       (B, D)
/// @param offsets  (B + 1), as given to mean_pool
/// @param dx       (T, D), overwritten
/// @throws ShapeError if the shapes do not fit or a sequence is empty
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void mean_pool_vjp(std::type_identity_t<MatrixView<const T>> dy,
                   std::span<const std::int32_t> offsets,
                   MatrixView<T> dx) {
  using B = Batch<T, Arch>;
  detail::require_filled_sequences("simd::mean_pool_vjp", offsets, dx.rows());
  require_extent("simd::mean_pool_vjp", "dy.rows()", dy.rows(), static_cast<Index>(offsets.size()) - 1);
  require_extent("simd::mean_pool_vjp", "dy.cols()", dy.cols(), dx.cols());
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    const T* d_out = dy.data() + static_cast<Index>(b) * dy.stride();
    const B weight(detail::one_over_length<T>(offsets, b));
    for (Index t = offsets[b]; t < offsets[b + 1]; ++t) {
      T* d_in = dx.data() + t * dx.stride();
      for_each_lanes<T, Arch>(dx.cols(), [&](auto lanes) { lanes.store(d_in, lanes.load(d_out) * weight); });
    }
  }
}

/// y_i = x_{rows_i}: the first or the last token of each sequence, for instance.
///
/// @param x     (T, D)
/// @param rows  (N), row numbers of x
/// @param y     (N, D), overwritten
/// @throws ShapeError, before any work, if the shapes do not fit or a number is not a row: its position is named
/// @note   O(N D), no allocation
template <class T>
void select_rows(std::type_identity_t<MatrixView<const T>> x, std::span<const std::int32_t> rows, MatrixView<T> y) {
  require_extent("simd::select_rows", "y.rows()", y.rows(), static_cast<Index>(rows.size()));
  require_extent("simd::select_rows", "y.cols()", y.cols(), x.cols());
  require_row_numbers("simd::select_rows", "rows", rows, x.rows());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(x.data() + rows[i] * x.stride(), x.cols(), y.data() + static_cast<Index>(i) * y.stride());
  }
}

/// The gradient of select_rows: dx_t = sum over the i with rows_i = t of dy_i, in order; zero where there is none.
///
/// @param dy    (N, D)
/// @param rows  (N), as given to select_rows
/// @param dx    (T, D), overwritten
/// @throws ShapeError as select_rows
/// @note   O((T + N) D), no allocation
template <class T, class Arch = CompiledArch>
void select_rows_vjp(std::type_identity_t<MatrixView<const T>> dy,
                     std::span<const std::int32_t> rows,
                     MatrixView<T> dx) {
  require_extent("simd::select_rows_vjp", "dy.rows()", dy.rows(), static_cast<Index>(rows.size()));
  require_extent("simd::select_rows_vjp", "dy.cols()", dy.cols(), dx.cols());
  require_row_numbers("simd::select_rows_vjp", "rows", rows, dx.rows());
  for (Index t = 0; t < dx.rows(); ++t) {
    std::fill_n(dx.data() + t * dx.stride(), dx.cols(), T{0});
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const T* d_out = dy.data() + static_cast<Index>(i) * dy.stride();
    T* d_in = dx.data() + rows[i] * dx.stride();
    for_each_lanes<T, Arch>(dx.cols(), [&](auto lanes) { lanes.store(d_in, lanes.load(d_in) + lanes.load(d_out)); });
  }
}

}  // namespace reasonembed::simd
