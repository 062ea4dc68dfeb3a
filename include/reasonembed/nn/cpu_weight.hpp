#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/packed_int8_matrix.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <algorithm>
#include <concepts>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// An (N, K) projection on the CPU: its values, and the same packed for products.
///
/// `pack` must follow every change of the values. A model that only serves drops the values and halves its memory. One
/// made `packed_only` never has any: its rows are written and read in packed form. Where values are float and products
/// take bf16 they are the masters of training, which nothing could bring back: they are never dropped.
///
/// For gradients, `make_differentiable` brings the values back to the bit, or, where products do not take them as they
/// are, packs the transpose as well.
///
/// @tparam W  the format of the packed form, see simd::PackedMatrix
/// @tparam V  of the values: what W is made of, or float for W = Bf16Pair
template <class W, class V = simd::StoredElement<W>>
class CpuWeight {
  /// Values are rounded when they are packed.
  static constexpr bool kMasters = !std::same_as<V, simd::StoredElement<W>>;
  static_assert(!kMasters || (std::same_as<V, float> && std::same_as<W, simd::Bf16Pair>));

 public:
  using Store = V;
  static constexpr bool kKeepsValues = kMasters;
  /// The values are what a product on the way back takes, not the packed transpose.
  static constexpr bool kComputesInValues = !kMasters && std::same_as<V, simd::detail::Accumulator<W>>;

  CpuWeight() = default;
  CpuWeight(Index rows, Index cols) : values_(rows, cols), rows_(rows), cols_(cols) {}

  /// @return  packed zeros, without values unless they are masters
  [[nodiscard]] static CpuWeight packed_only(Index rows, Index cols) {
    CpuWeight weight;
    if constexpr (kMasters) {
      weight.values_ = Matrix<V>(rows, cols);
    }
    weight.packed_ = simd::PackedMatrix<W>(rows, cols);
    weight.rows_ = rows;
    weight.cols_ = cols;
    return weight;
  }

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index cols() const { return cols_; }
  /// @return  (N, K) values, or an empty view after `drop_values`
  [[nodiscard]] MatrixView<V> view() { return values_.view(); }
  [[nodiscard]] MatrixView<const V> view() const { return values_.view(); }
  [[nodiscard]] simd::PackedView<W> packed() const { return packed_.view(); }
  /// @return  (K, N) the transpose; empty before `make_differentiable`, and where `view` takes its place
  [[nodiscard]] simd::PackedView<W> transposed() const { return transposed_.view(); }
  /// Calls f(packed view), of the form products read.
  template <class F>
  void with_packed(F&& f) const {
    f(packed());
  }
  /// Packs the values, in every form there is; allocates the first time alone. Without values nothing changes.
  void pack() {
    if (packed_.n() != rows_ || packed_.k() != cols_) {
      packed_ = simd::PackedMatrix<W>(rows_, cols_);
    } else if (view().empty()) {
      return;
    }
    if constexpr (kMasters) {
      packed_.assign_rounded(values_.view());
    } else {
      packed_.assign(values_.view());
    }
    pack_transpose();
  }
  /// Rows of every packed form, and of masters; values that are not masters do not follow.
  /// @pre packed, or made packed_only
  void assign_packed_rows(Index first, MatrixView<const V> rows) {
    if constexpr (kMasters) {
      simd::detail::require_packed_rows("nn::CpuWeight::assign_packed_rows", rows_, cols_, first, rows);
      copy(rows, values_.view().row_block(first, rows.rows()));
      packed_.assign_rounded(values_.view());
    } else {
      packed_.assign_rows(first, rows);
    }
    pack_transpose();
  }
  void unpack_rows(Index first, MatrixView<V> rows) const {
    if constexpr (kMasters) {
      copy(view().row_block(first, rows.rows()), rows);
    } else {
      packed_.unpack_rows(first, rows);
    }
  }
  void drop_values() {
    if constexpr (!kMasters) {
      values_ = Matrix<V>();
    }
  }
  /// Undoes `drop_values`, to the bit. @pre packed
  void restore_values() {
    if constexpr (!kMasters) {
      if (view().empty()) {
        values_ = Matrix<V>(rows_, cols_);
        packed_.unpack(values_.view());
      }
    }
  }
  /// From now on there is what a product on the way back reads. @pre packed
  void make_differentiable() {
    if constexpr (kComputesInValues) {
      restore_values();
    } else if (!differentiable()) {
      transposed_ = simd::PackedMatrix<W>(cols_, rows_);
      transposed_.assign_transpose(packed_);
    }
  }
  [[nodiscard]] bool differentiable() const {
    if constexpr (kComputesInValues) {
      return !view().empty() || rows_ * cols_ == 0;
    } else {
      return transposed_.n() == cols_ && transposed_.k() == rows_;
    }
  }

 private:
  /// The transpose follows, where there is one.
  void pack_transpose() {
    if constexpr (kMasters) {
      if (differentiable()) {
        transposed_.assign_rounded_columns(values_.view());
      }
    } else if constexpr (!kComputesInValues) {
      if (differentiable()) {
        transposed_.assign_transpose(packed_);
      }
    }
  }
  static void copy(MatrixView<const V> from, MatrixView<V> to) {
    for (Index row = 0; row < from.rows(); ++row) {
      std::copy_n(from.row(row).begin(), from.cols(), to.row(row).begin());
    }
  }

  Matrix<V> values_;
  simd::PackedMatrix<W> packed_;
  simd::PackedMatrix<W> transposed_;
  Index rows_ = 0;
  Index cols_ = 0;
};

/// A projection in int8, or, where calibration found that int8 would spoil it, in bf16.
///
/// Its rows are given and come back in float; see simd::PackedMatrix<int8>. It serves alone, so it never has values.
template <>
class CpuWeight<int8> {
 public:
  using Store = float;
  static constexpr bool kKeepsValues = false;
  static constexpr bool kComputesInValues = false;

  CpuWeight() = default;
  /// Zeros in int8.
  CpuWeight(Index rows, Index cols) : codes_(rows, cols), rows_(rows), cols_(cols) {}
  [[nodiscard]] static CpuWeight packed_only(Index rows, Index cols) { return {rows, cols}; }
  /// Zeros in bf16 from now on, for all rows.
  void store_in_bf16() {
    codes_ = simd::PackedMatrix<int8>();
    rounded_ = simd::PackedMatrix<bf16>(rows_, cols_);
  }

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index cols() const { return cols_; }
  [[nodiscard]] bool in_bf16() const { return codes_.n() != rows_; }
  /// @return  empty, see above
  [[nodiscard]] MatrixView<float> view() { return {}; }
  [[nodiscard]] MatrixView<const float> view() const { return {}; }
  void pack() {}
  void drop_values() {}
  template <class F>
  void with_packed(F&& f) const {
    if (in_bf16()) {
      f(rounded_.view());
    } else {
      f(codes_.view());
    }
  }
  void assign_packed_rows(Index first, MatrixView<const float> rows) {
    if (!in_bf16()) {
      codes_.assign_rows(first, rows);
      return;
    }
    Matrix<bf16> rounded(rows.rows(), rows.cols());
    for (Index i = 0; i < rows.rows(); ++i) {
      convert(rows.row(i), rounded.row(i));
    }
    rounded_.assign_rows(first, rounded.view());
  }
  void unpack_rows(Index first, MatrixView<float> rows) const {
    if (!in_bf16()) {
      codes_.unpack_rows(first, rows);
      return;
    }
    Matrix<bf16> rounded(rows.rows(), rows.cols());
    rounded_.unpack_rows(first, rounded.view());
    for (Index i = 0; i < rows.rows(); ++i) {
      convert(std::as_const(rounded).row(i), rows.row(i));
    }
  }

 private:
  simd::PackedMatrix<int8> codes_;
  simd::PackedMatrix<bf16> rounded_;
  Index rows_ = 0;
  Index cols_ = 0;
};

}  // namespace reasonembed::nn
