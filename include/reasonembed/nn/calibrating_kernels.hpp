#pragma once
#include <reasonembed/backend/calibrating.hpp>
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/cpu_kernels.hpp>
#include <reasonembed/nn/cpu_weight.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/simd/epilogue.hpp>

#include <cmath>
#include <span>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// A projection in float and in int8, and how far their results were apart.
///
/// @note  const functions of one weight are for one thread at a time
class CalibratedWeight {
 public:
  using Store = float;

  CalibratedWeight() = default;
  CalibratedWeight(Index rows, Index cols)
      : exact_(CpuWeight<float>::packed_only(rows, cols)), quantized_(rows, cols) {}
  [[nodiscard]] static CalibratedWeight packed_only(Index rows, Index cols) { return {rows, cols}; }

  [[nodiscard]] Index rows() const { return exact_.rows(); }
  [[nodiscard]] Index cols() const { return exact_.cols(); }
  /// @return  empty: the weight serves alone
  [[nodiscard]] MatrixView<float> view() { return {}; }
  [[nodiscard]] MatrixView<const float> view() const { return {}; }
  void pack() {}
  void drop_values() {}
  static constexpr bool kKeepsValues = false;
  void assign_packed_rows(Index first, MatrixView<const float> rows) {
    exact_.assign_packed_rows(first, rows);
    quantized_.assign_packed_rows(first, rows);
  }
  void unpack_rows(Index first, MatrixView<float> rows) const { exact_.unpack_rows(first, rows); }

  [[nodiscard]] const CpuWeight<float>& exact() const { return exact_; }
  [[nodiscard]] const CpuWeight<int8>& quantized() const { return quantized_; }
  /// Adds one product's results to what is known, without the bias.
  void compare(MatrixView<const float> exact, MatrixView<const float> quantized) const {
    for (Index i = 0; i < exact.rows(); ++i) {
      for (Index j = 0; j < exact.cols(); ++j) {
        const double want = exact(i, j);
        const double off = quantized(i, j) - want;
        error_ += off * off;
        power_ += want * want;
      }
    }
  }
  /// @return  |y_int8 - y| / |y| over all results so far; 0 where there were none
  [[nodiscard]] double relative_error() const {
    return error_ == 0.0 ? 0.0 : power_ == 0.0 ? 1.0 : std::sqrt(error_ / power_);
  }

 private:
  CpuWeight<float> exact_;
  CpuWeight<int8> quantized_;
  mutable double error_ = 0.0;
  mutable double power_ = 0.0;
};

/// The kernels of Cpu<float>, but that a projection is computed twice.
template <>
struct Kernels<backend::Calibrating> : Kernels<backend::Cpu<float>> {
  using Exact = Kernels<backend::Cpu<float>>;
  using Weight = CalibratedWeight;
  using Exact::linear;

  static void linear(ConstView x, const Weight& weight, std::span<const float> bias, View y, Arena& scratch) {
    const ArenaScope scope(scratch);
    const View quantized = scratch.matrix<float>(y.rows(), y.cols());
    Exact::linear(x, weight.exact(), {}, y, scratch);
    Exact::linear(x, weight.quantized(), {}, quantized, scratch);
    weight.compare(y, quantized);
    if (!bias.empty()) {
      for (Index row = 0; row < y.rows(); ++row) {
        simd::AddBias<float>{bias}(row, 0, y.row(row));
      }
    }
  }
};

static_assert(NeuralKernels<backend::Calibrating>);

}  // namespace reasonembed::nn
