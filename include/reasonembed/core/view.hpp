#pragma once
/// @file Non-owning row-major views with shapes.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI {

/// Extents, offsets and strides of tensors. Signed, so that differences and reverse loops are safe.
using Index = std::ptrdiff_t;

/// A row-major (rows, cols) matrix that somebody else owns; consecutive rows lie `stride >= cols` elements apart.
///
/// Cheap to copy. Constness is shallow: `MatrixView<const T>` is the read-only form, and `MatrixView<T>` converts to
/// it. Element access is checked by REASONEMBED_ASSERT only; functions that take views validate shapes first.
template <class T>
class MatrixView {
 public:
  using Element = T;

  constexpr MatrixView() = default;
  constexpr MatrixView(T* data, Index rows, Index cols, Index stride)
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {
    REASONEMBED_ASSERT(rows >= 0 && cols >= 0 && stride >= cols);
  }
  constexpr MatrixView(T* data, Index rows, Index cols) : MatrixView(data, rows, cols, cols) {}

  template <class U>
    requires(std::is_same_v<const U, T> && !std::is_const_v<U>)
  // NOLINTNEXTLINE(google-explicit-constructor): the same conversion as from `T*` to `const T*`
  constexpr MatrixView(MatrixView<U> other)
      : data_(other.data()), rows_(other.rows()), cols_(other.cols()), stride_(other.stride()) {}

  [[nodiscard]] constexpr T* data() const { return data_; }
  [[nodiscard]] constexpr Index rows() const { return rows_; }
  [[nodiscard]] constexpr Index cols() const { return cols_; }
  [[nodiscard]] constexpr Index stride() const { return stride_; }
  [[nodiscard]] constexpr Index size() const { return rows_ * cols_; }
  [[nodiscard]] constexpr bool empty() const { return rows_ == 0 || cols_ == 0; }
  [[nodiscard]] constexpr bool contiguous() const { return stride_ == cols_ || rows_ <= 1; }

  [[nodiscard]] constexpr T& operator()(Index row, Index col) const {
    REASONEMBED_ASSERT(row >= 0 && row < rows_ && col >= 0 && col < cols_);
    return data_[row * stride_ + col];
  }
  /// @return  (cols) elements of one row
  [[nodiscard]] constexpr std::span<T> row(Index row) const {
    REASONEMBED_ASSERT(row >= 0 && row < rows_);
    return {data_ + row * stride_, static_cast<std::size_t>(cols_)};
  }
  /// @return  (count, cols) rows [first, first + count)
  [[nodiscard]] constexpr MatrixView row_block(Index first, Index count) const {
    REASONEMBED_ASSERT(first >= 0 && count >= 0 && first + count <= rows_);
    return {data_ + first * stride_, count, cols_, stride_};
  }
  /// @return  (rows, count) columns [first, first + count)
  [[nodiscard]] constexpr MatrixView col_block(Index first, Index count) const {
    REASONEMBED_ASSERT(first >= 0 && count >= 0 && first + count <= cols_);
    return {data_ + first, rows_, count, stride_};
  }
  /// @return  (size) all elements; only for a contiguous view
  [[nodiscard]] constexpr std::span<T> flat() const {
    REASONEMBED_ASSERT(contiguous());
    return {data_, static_cast<std::size_t>(size())};
  }

 private:
  T* data_ = nullptr;
  Index rows_ = 0;
  Index cols_ = 0;
  Index stride_ = 0;
};

/// @throws ShapeError if `got` differs from `want`
inline void require_extent(std::string_view where, std::string_view what, Index got, Index want) {
  if (got != want) {
    throw ShapeError::mismatch(where, what, got, want);
  }
}

}  // namespace reasonembed
