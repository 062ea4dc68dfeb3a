#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/packed_int8_matrix.hpp>
#include <reasonembed/simd/packed_matrix.hpp>

#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// An (N, K) projection on the CPU: its values, and the same packed for products.
///
/// `pack` must follow every change of the values. A model that only serves drops the values and halves its memory;
/// `restore_values` brings them back to the bit. One made `packed_only` never has any: its rows are written and read in
/// packed form.
///
/// @tparam W  the format of the packed form, see simd::PackedMatrix
template <class W>
class CpuWeight {
  using S = simd::StoredElement<W>;

 public:
  using Store = S;

  CpuWeight() = default;
  CpuWeight(Index rows, Index cols) : values_(rows, cols), rows_(rows), cols_(cols) {}

  /// @return  packed zeros, without values
  [[nodiscard]] static CpuWeight packed_only(Index rows, Index cols) {
    CpuWeight weight;
    weight.packed_ = simd::PackedMatrix<W>(rows, cols);
    weight.rows_ = rows;
    weight.cols_ = cols;
    return weight;
  }

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index cols() const { return cols_; }
  /// @return  (N, K) values, or an empty view after `drop_values`
  [[nodiscard]] MatrixView<S> view() { return values_.view(); }
  [[nodiscard]] MatrixView<const S> view() const { return values_.view(); }
  [[nodiscard]] simd::PackedView<W> packed() const { return packed_.view(); }
  /// Calls f(packed view), of the form products read.
  template <class F>
  void with_packed(F&& f) const {
    f(packed());
  }
  /// Packs the values; allocates the first time alone.
  void pack() {
    if (packed_.n() == rows_ && packed_.k() == cols_) {
      packed_.assign(values_.view());
    } else {
      packed_ = simd::PackedMatrix<W>(values_.view());
    }
  }
  /// Rows of the packed form alone; see simd::PackedMatrix. @pre packed, or made packed_only
  void assign_packed_rows(Index first, MatrixView<const S> rows) { packed_.assign_rows(first, rows); }
  void unpack_rows(Index first, MatrixView<S> rows) const { packed_.unpack_rows(first, rows); }
  void drop_values() { values_ = Matrix<S>(); }
  /// Undoes `drop_values`. @pre packed
  void restore_values() {
    if (view().empty()) {
      values_ = Matrix<S>(rows_, cols_);
      packed_.unpack(values_.view());
    }
  }

 private:
  Matrix<S> values_;
  simd::PackedMatrix<W> packed_;
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
