#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel_int8.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// A quantised weight that somebody else packed and owns; see PackedMatrix<int8>.
template <>
class PackedView<int8> {
 public:
  using Element = int8;

  PackedView() = default;
  PackedView(const int8* data, const float* scales, const std::int32_t* offsets, Index n, Index k, Level level)
      : data_(data), scales_(scales), offsets_(offsets), n_(n), k_(k), level_(level) {}

  [[nodiscard]] Index n() const { return n_; }
  [[nodiscard]] Index k() const { return k_; }
  [[nodiscard]] Level level() const { return level_; }
  [[nodiscard]] const int8* data() const { return data_; }
  /// @return  steps of the outputs, zero-padded to whole panels
  [[nodiscard]] const float* scales() const { return scales_; }
  /// @return  what a sum begins with, zero-padded to whole panels
  [[nodiscard]] const std::int32_t* offsets() const { return offsets_; }

 private:
  const int8* data_ = nullptr;
  const float* scales_ = nullptr;
  const std::int32_t* offsets_ = nullptr;
  Index n_ = 0;
  Index k_ = 0;
  Level level_ = Level::kPortable;
};

namespace detail {
/// @return  the layout in which the int8 kernel of `level` reads a weight
[[nodiscard]] constexpr PanelLayout int8_layout(Level level) {
  return {int8_kernel(level).cols, int8_kernel(level).group};
}
/// @return  n, up to whole panels
[[nodiscard]] constexpr Index int8_columns(Index n, Level level) {
  const Index cols = int8_kernel(level).cols;
  return n / cols * cols + (n % cols != 0 ? cols : 0);
}
}  // namespace detail

/// A weight (N, K) in int8, each output with a step of its own:
///
///   w_nk ~ t_n q_nk      t_n = max_k |w_nk| / 127,  q_nk = round(w_nk / t_n), ties to even
///
/// so a weight is off by at most half a step. Rows are given in float, quantised and packed; they come back as t_n
/// q_nk. An output whose weights are all smaller than 2^-100 counts as zero; one with a number that is not finite has a
/// step that is not, so that everything it gives is NaN.
///
/// Move-only; a moved-from weight is (0, 0).
template <>
class PackedMatrix<int8> {
 public:
  using T = float;

  /// Longest sum whose integers fit 32 bits.
  static constexpr Index kMostInputs = Index{1} << 16;

  PackedMatrix() = default;
  /// @param weight  (N, K)
  /// @throws ConfigError if the processor lacks `level`; ShapeError if K is beyond kMostInputs
  explicit PackedMatrix(MatrixView<const float> weight, Level level = best_level())
      : PackedMatrix(weight.rows(), weight.cols(), level) {
    assign_rows(0, weight);
  }
  /// Zeros of shape (n, k), to be filled by `assign_rows`.
  PackedMatrix(Index n, Index k, Level level = best_level())
      : codes_(checked_size(n, k, level)),
        scales_(detail::int8_columns(n, level)),
        offsets_(detail::int8_columns(n, level)),
        n_(n),
        k_(k),
        level_(level) {}
  PackedMatrix(PackedMatrix&& other) noexcept { swap(other); }
  PackedMatrix& operator=(PackedMatrix&& other) noexcept {
    PackedMatrix moved(std::move(other));
    swap(moved);
    return *this;
  }
  PackedMatrix(const PackedMatrix&) = delete;
  PackedMatrix& operator=(const PackedMatrix&) = delete;
  ~PackedMatrix() = default;

  void swap(PackedMatrix& other) noexcept {
    codes_.swap(other.codes_);
    scales_.swap(other.scales_);
    offsets_.swap(other.offsets_);
    std::swap(n_, other.n_);
    std::swap(k_, other.k_);
    std::swap(level_, other.level_);
  }

  /// @param weight  (n(), k())
  /// @throws ShapeError if the shape differs
  void assign(MatrixView<const float> weight) {
    require_extent("simd::PackedMatrix::assign", "weight.rows()", weight.rows(), n_);
    assign_rows(0, weight);
  }
  /// Quantises and packs some rows; all others stay as they are.
  ///
  /// @param first  row of the weight that rows.row(0) becomes
  /// @param rows   (R, k()), first + R <= n()
  /// @throws ShapeError, before any work, if they do not fit
  void assign_rows(Index first, MatrixView<const float> rows) {
    require_rows("simd::PackedMatrix::assign_rows", first, rows);
    const detail::PanelLayout layout = detail::int8_layout(level_);
    for (Index i = 0; i < rows.rows(); ++i) {
      const float* row = rows.row(i).data();
      const float largest = detail::largest_magnitude(row, k_);
      const float inverse = detail::int8_inverse_scale(largest);
      std::int32_t sum = 0;
      for (Index k = 0; k < k_; ++k) {
        const auto code = static_cast<int8>(std::isfinite(row[k]) ? std::lrint(row[k] * inverse) : 0);
        codes_.data()[layout.index(first + i, k, k_)] = code;
        sum += code;
      }
      scales_.data()[first + i] = detail::int8_scale(largest);
      offsets_.data()[first + i] = -detail::int8_kernel(level_).zero * sum;
    }
  }
  /// Writes t_n q_nk of some rows.
  ///
  /// @param rows  (R, k()), overwritten; first + R <= n()
  /// @throws ShapeError, before any work, if they do not fit
  void unpack_rows(Index first, MatrixView<float> rows) const {
    require_rows("simd::PackedMatrix::unpack_rows", first, rows);
    const detail::PanelLayout layout = detail::int8_layout(level_);
    for (Index i = 0; i < rows.rows(); ++i) {
      for (Index k = 0; k < k_; ++k) {
        rows(i, k) = scales_.data()[first + i] * static_cast<float>(codes_.data()[layout.index(first + i, k, k_)]);
      }
    }
  }
  void unpack(MatrixView<float> weight) const {
    require_extent("simd::PackedMatrix::unpack", "weight.rows()", weight.rows(), n_);
    unpack_rows(0, weight);
  }

  [[nodiscard]] PackedView<int8> view() const {
    return {codes_.data(), scales_.data(), offsets_.data(), n_, k_, level_};
  }
  [[nodiscard]] Index n() const { return n_; }
  [[nodiscard]] Index k() const { return k_; }
  [[nodiscard]] Level level() const { return level_; }
  /// @return  bytes held, padding included
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(codes_.size()) +
           static_cast<std::size_t>(scales_.size()) * (sizeof(float) + sizeof(std::int32_t));
  }
  /// @return  bytes that a weight (n, k) takes, as buffers take them
  [[nodiscard]] static std::size_t footprint(Index n, Index k, Level level = best_level()) {
    const Index columns = detail::int8_columns(n, level);
    return AlignedBuffer<int8>::footprint(columns * detail::int8_layout(level).padded(k)) +
           AlignedBuffer<float>::footprint(columns) + AlignedBuffer<std::int32_t>::footprint(columns);
  }

 private:
  void require_rows(const char* where, Index first, MatrixView<const float> rows) const {
    detail::require_packed_rows(where, n_, k_, first, rows);
  }
  static Index checked_size(Index n, Index k, Level level) {
    require_level("simd::PackedMatrix", level);
    if (k > kMostInputs) {
      throw ShapeError::invalid("simd::PackedMatrix", "weight.cols()", std::to_string(k), "at most 65536 for int8");
    }
    return reasonembed::checked_size(
        "simd::PackedMatrix", detail::int8_columns(n, level), detail::int8_layout(level).padded(k));
  }

  AlignedBuffer<int8> codes_;
  AlignedBuffer<float> scales_;
  AlignedBuffer<std::int32_t> offsets_;
  Index n_ = 0;
  Index k_ = 0;
  Level level_ = Level::kPortable;
};

}  // namespace reasonembed::simd
