#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/cpu_features.hpp>
#include <reasonembed/simd/gemm_kernel.hpp>
#include <reasonembed/simd/gemm_rounding.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// A weight (N, K) that somebody else packed and owns: panels of columns of its transpose, zero-padded to whole panels,
/// in the order in which the kernels of one level read them.
///
/// @tparam W  what the weight is stored in: float, bf16 or double; or Bf16Pair
template <class W>
class PackedView {
  static_assert(std::same_as<W, float> || std::same_as<W, bf16> || std::same_as<W, double> || std::same_as<W, Bf16Pair>,
                "reasonembed::simd::PackedView: W must be float, bf16, double or Bf16Pair");

 public:
  using Element = StoredElement<W>;

  PackedView() = default;
  /// @param data  panels for the kernel of `level` (see detail::PanelLayout), aligned to kAlignment
  PackedView(const Element* data, Index n, Index k, Level level)
      : data_(data), n_(n), k_(k), packed_k_(k), level_(level) {}

  /// @return  the weight that has the first `rows` outputs of this one
  [[nodiscard]] PackedView first_outputs(Index rows) const {
    PackedView part = *this;
    part.n_ = rows;
    return part;
  }
  /// @return  the weight that has the first `cols` inputs of this one
  [[nodiscard]] PackedView first_inputs(Index cols) const {
    PackedView part = *this;
    part.k_ = cols;
    return part;
  }

  /// @return  rows of the weight: outputs
  [[nodiscard]] Index n() const { return n_; }
  /// @return  columns of the weight: inputs
  [[nodiscard]] Index k() const { return k_; }
  /// @return  inputs that lie in a panel, at least k()
  [[nodiscard]] Index packed_k() const { return packed_k_; }
  [[nodiscard]] Level level() const { return level_; }
  [[nodiscard]] const Element* data() const { return data_; }

 private:
  const Element* data_ = nullptr;
  Index n_ = 0;
  Index k_ = 0;
  Index packed_k_ = 0;
  Level level_ = Level::kPortable;
};

namespace detail {

/// @return  the kernel that multiplies with a weight of format W, pairs apart
template <class W>
[[nodiscard]] const GemmKernel<Accumulator<W>, StoredElement<W>>& weight_kernel(Level level) {
  return gemm_kernel<Accumulator<W>, StoredElement<W>>(level);
}

/// @return  elements of a packed (n, k) weight
/// @throws  ShapeError if that is not representable
template <class W>
[[nodiscard]] Index packed_size(Index n, Index k, Level level) {
  (void)checked_size("simd::pack", n, k);
  const PanelLayout layout = panel_layout<W>(level);
  const Index panels = n / layout.cols + (n % layout.cols != 0 ? 1 : 0);
  return checked_size("simd::pack", checked_size("simd::pack", panels, layout.cols), layout.padded(k));
}

/// @throws ShapeError unless `rows` (R, k) fit into a packed weight (n, k) from its row `first` on
template <class T>
void require_packed_rows(const char* where, Index n, Index k, Index first, MatrixView<const T> rows) {
  require_extent(where, "rows.cols()", rows.cols(), k);
  if (first < 0 || first > n || rows.rows() > n - first) {
    throw ShapeError::invalid(where,
                              "rows",
                              std::to_string(first) + " to " + std::to_string(first + rows.rows()),
                              "rows of 0 to " + std::to_string(n));
  }
}

/// @param weight  rows of whole panels, but for the last of a weight
/// @param out     packed_size elements
template <class W, class Element = StoredElement<W>>
void pack_weight(std::type_identity_t<MatrixView<const Element>> weight, Level level, Element* out) {
  if (!multiplies_pairs<W>(level)) {
    weight_kernel<W>(level).pack_b_transposed(weight.data(), weight.stride(), weight.rows(), weight.cols(), out);
    return;
  }
  const PanelLayout layout = panel_layout<W>(level);
  std::fill_n(out, packed_size<W>(weight.rows(), weight.cols(), level), Element{});
  for (Index n = 0; n < weight.rows(); ++n) {
    const std::span<const Element> row = weight.row(n);
    for (Index k = 0; k < weight.cols(); ++k) {
      out[layout.index(n, k, weight.cols())] = row[static_cast<std::size_t>(k)];
    }
  }
}

}  // namespace detail

/// Packs a weight for `gemm` into an arena.
///
/// @param weight  (N, K)
/// @param arena   owns the result, which lives until the arena is rewound below it
/// @param level   whose kernels shall read it
/// @return  N outputs, K inputs
/// @throws  ConfigError if the processor lacks `level`; ShapeError if the padded size is not representable
/// @note    O(N K) time
template <class T>
[[nodiscard]] PackedView<T> pack(MatrixView<const T> weight, Arena& arena, Level level = best_level()) {
  require_level("simd::pack", level);
  T* data = arena.allocate<T>(detail::packed_size<T>(weight.rows(), weight.cols(), level)).data();
  detail::pack_weight<T>(weight, level, data);
  return {data, weight.rows(), weight.cols(), level};
}

/// As above, for a view through which one may write.
template <class T>
  requires(!std::is_const_v<T>)
[[nodiscard]] PackedView<T> pack(MatrixView<T> weight, Arena& arena, Level level = best_level()) {
  return pack(MatrixView<const T>(weight), arena, level);
}

/// A packed weight that owns its memory: packed once at load, or after every change of the weight while training.
///
/// Move-only; a moved-from weight is (0, 0).
///
/// @tparam W  as PackedView
template <class W>
class PackedMatrix {
 public:
  using T = StoredElement<W>;

  PackedMatrix() = default;
  /// @param weight  (N, K)
  /// @throws ConfigError if the processor lacks `level`; ShapeError if the padded size is not representable
  explicit PackedMatrix(MatrixView<const T> weight, Level level = best_level())
      : buffer_(checked_packed_size(weight, level)), n_(weight.rows()), k_(weight.cols()), level_(level) {
    detail::pack_weight<W>(weight, level, buffer_.data());
  }
  /// Zeros of shape (n, k), to be filled by `assign_rows`: for a weight that never exists unpacked.
  ///
  /// @throws ConfigError if the processor lacks `level`; ShapeError if the padded size is not representable
  PackedMatrix(Index n, Index k, Level level = best_level())
      : buffer_((require_level("simd::PackedMatrix", level), detail::packed_size<W>(n, k, level))),
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
    buffer_.swap(other.buffer_);
    std::swap(n_, other.n_);
    std::swap(k_, other.k_);
    std::swap(level_, other.level_);
  }

  /// Packs other values of the same shape in place; views stay valid.
  ///
  /// @param weight  (n(), k())
  /// @throws ShapeError if the shape differs
  /// @note   no allocation
  void assign(MatrixView<const T> weight) {
    require_extent("simd::PackedMatrix::assign", "weight.rows()", weight.rows(), n_);
    require_extent("simd::PackedMatrix::assign", "weight.cols()", weight.cols(), k_);
    detail::pack_weight<W>(weight, level_, buffer_.data());
  }

  /// As assign, of values that are rounded to bf16.
  ///
  /// @param weight  (n(), k())
  void assign_rounded(MatrixView<const float> weight)
    requires std::same_as<W, Bf16Pair>
  {
    require_extent("simd::PackedMatrix::assign_rounded", "weight.rows()", weight.rows(), n_);
    require_extent("simd::PackedMatrix::assign_rounded", "weight.cols()", weight.cols(), k_);
    detail::round_into_panels(weight, level_, buffer_.data());
  }
  /// As assign_rounded, of the transpose.
  ///
  /// @param columns  (k(), n())
  void assign_rounded_columns(MatrixView<const float> columns)
    requires std::same_as<W, Bf16Pair>
  {
    require_extent("simd::PackedMatrix::assign_rounded_columns", "columns.rows()", columns.rows(), k_);
    require_extent("simd::PackedMatrix::assign_rounded_columns", "columns.cols()", columns.cols(), n_);
    detail::round_columns_into_panels(columns, level_, buffer_.data());
  }

  /// Packs some rows in place; all others stay as they are.
  ///
  /// @param first  row of the weight that rows.row(0) becomes
  /// @param rows   (R, k()), first + R <= n()
  /// @throws ShapeError, before any work, if they do not fit
  /// @note   no allocation; quickest where whole panels change
  void assign_rows(Index first, MatrixView<const T> rows) {
    require_rows("simd::PackedMatrix::assign_rows", first, rows);
    const detail::PanelLayout layout = detail::panel_layout<W>(level_);
    const Index last = first + rows.rows();
    Index row = first;
    while (row < last) {
      const Index within = row % layout.cols;
      const Index whole = within == 0 ? (last - row) / layout.cols * layout.cols : 0;
      const Index count = whole > 0 ? whole : std::min(layout.cols - within, last - row);
      const MatrixView<const T> block = rows.row_block(row - first, count);
      if (whole > 0) {
        detail::pack_weight<W>(block, level_, buffer_.data() + layout.index(row, 0, k_));
      } else {  // a panel that other rows share
        for (Index i = 0; i < count; ++i) {
          for (Index k = 0; k < k_; ++k) {
            buffer_.data()[layout.index(row + i, k, k_)] = block(i, k);
          }
        }
      }
      row += count;
    }
  }

  /// Writes some rows of the weight as they were before packing, to the bit.
  ///
  /// @param rows  (R, k()), overwritten; first + R <= n()
  /// @throws ShapeError, before any work, if they do not fit
  void unpack_rows(Index first, MatrixView<T> rows) const {
    require_rows("simd::PackedMatrix::unpack_rows", first, rows);
    const detail::PanelLayout layout = detail::panel_layout<W>(level_);
    for (Index i = 0; i < rows.rows(); ++i) {
      for (Index k = 0; k < k_; ++k) {
        rows(i, k) = buffer_.data()[layout.index(first + i, k, k_)];
      }
    }
  }

  /// Writes the weight as it was before packing, to the bit.
  ///
  /// @param weight  (n(), k()), overwritten
  /// @throws ShapeError if the shape differs
  void unpack(MatrixView<T> weight) const {
    require_extent("simd::PackedMatrix::unpack", "weight.rows()", weight.rows(), n_);
    require_extent("simd::PackedMatrix::unpack", "weight.cols()", weight.cols(), k_);
    unpack_rows(0, weight);
  }

  /// Packs the transpose of another packed weight, to the bit; views stay valid.
  ///
  /// @param other  (k(), n())
  /// @throws ShapeError if the shape differs
  /// @note   no allocation; element for element
  void assign_transpose(const PackedMatrix& other) {
    require_extent("simd::PackedMatrix::assign_transpose", "other.n()", other.n_, k_);
    require_extent("simd::PackedMatrix::assign_transpose", "other.k()", other.k_, n_);
    const detail::PanelLayout from = detail::panel_layout<W>(other.level_);
    const detail::PanelLayout to = detail::panel_layout<W>(level_);
    for (Index row = 0; row < k_; ++row) {
      for (Index i = 0; i < n_; ++i) {
        buffer_.data()[to.index(i, row, k_)] = other.buffer_.data()[from.index(row, i, n_)];
      }
    }
  }

  [[nodiscard]] PackedView<W> view() const { return {buffer_.data(), n_, k_, level_}; }
  [[nodiscard]] Index n() const { return n_; }
  [[nodiscard]] Index k() const { return k_; }
  [[nodiscard]] Level level() const { return level_; }
  /// @return  bytes held, padding included
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(buffer_.size()) * sizeof(T); }
  /// @return  bytes that a weight (n, k) takes, as buffers take them
  [[nodiscard]] static std::size_t footprint(Index n, Index k, Level level = best_level()) {
    return AlignedBuffer<T>::footprint(detail::packed_size<W>(n, k, level));
  }

 private:
  void require_rows(const char* where, Index first, MatrixView<const T> rows) const {
    detail::require_packed_rows(where, n_, k_, first, rows);
  }
  static Index checked_packed_size(MatrixView<const T> weight, Level level) {
    require_level("simd::PackedMatrix", level);
    return detail::packed_size<W>(weight.rows(), weight.cols(), level);
  }

  AlignedBuffer<T> buffer_;
  Index n_ = 0;
  Index k_ = 0;
  Level level_ = Level::kPortable;
};

}  // namespace reasonembed::simd
