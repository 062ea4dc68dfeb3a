#pragma once
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/nn/cpu_weight.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/simd/activation.hpp>
#include <reasonembed/simd/attention.hpp>
#include <reasonembed/simd/attention_vjp.hpp>
#include <reasonembed/simd/dropout.hpp>
#include <reasonembed/simd/elementwise.hpp>
#include <reasonembed/simd/embedding.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/norm.hpp>
#include <reasonembed/simd/pooling.hpp>
#include <reasonembed/simd/rotary.hpp>
#include <reasonembed/simd/rounded_product.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::nn {

/// The CPU kernels: names of layers onto the functions of simd/, where shapes, equations and errors are documented.
///
/// Projections and tables rest in StoreType, with int8 tables in bf16; everything else in S, what the backend computes
/// in.
template <class StoreType, class FactorType>
struct Kernels<backend::Cpu<StoreType, FactorType>> {
  using S = typename backend::Cpu<StoreType, FactorType>::Scalar;
  using Format = std::conditional_t<std::same_as<FactorType, bf16>, simd::Bf16Pair, StoreType>;
  using Weight = std::conditional_t<std::same_as<FactorType, bf16>, CpuWeight<Format, StoreType>, CpuWeight<Format>>;
  using Factor = CpuWeight<S>;
  /// What attention's products are made of: as rounded as the projections' are, or more exact.
  using AttentionFormat =
      std::conditional_t<std::same_as<FactorType, bf16> || std::same_as<StoreType, int8>, simd::Bf16Pair, S>;
  using TableStore = std::conditional_t<std::same_as<StoreType, int8>, bf16, StoreType>;
  using Table = Matrix<TableStore>;
  using Vector = AlignedBuffer<S>;
  using View = MatrixView<S>;
  using ConstView = MatrixView<const S>;

  /// y (T, N) = x (T, K) weight^T + bias; `bias` may be empty
  template <class W, class V>
  static void linear(ConstView x, const CpuWeight<W, V>& weight, std::span<const S> bias, View y, Arena& scratch) {
    weight.with_packed([&](const auto& packed) {
      if (bias.empty()) {
        simd::gemm(x, packed, y, simd::Store::kOverwrite, scratch);
      } else {
        simd::gemm(x, packed, y, simd::Store::kOverwrite, scratch, simd::AddBias<S>{bias});
      }
    });
  }
  /// y (T, N) += x (T, K) weight^T
  static void linear_accumulate(ConstView x, const Factor& weight, View y, Arena& scratch) {
    simd::gemm(x, weight.packed(), y, simd::Store::kAccumulate, scratch);
  }
  /// dx (T, K) = dy (T, N) weight. @pre weight.differentiable()
  template <class W, class V>
  static void linear_vjp_input(ConstView dy, const CpuWeight<W, V>& weight, View dx, Arena& scratch) {
    static_assert(!std::same_as<W, int8>,
                  "reasonembed::nn::Kernels: Backend must not quantise what is differentiated: train with "
                  "backend::Cpu<float> or Cpu<float, bf16>, and serve the saved model with Cpu<int8>");
    if constexpr (std::same_as<W, S>) {
      simd::gemm(simd::Op::kNone, dy, simd::Op::kNone, weight.view(), dx, simd::Store::kOverwrite, scratch);
    } else {
      simd::gemm(dy, weight.transposed(), dx, simd::Store::kOverwrite, scratch);
    }
  }
  /// dweight (N, K) += dy^T x; dbias (N) += column sums of dy
  static void linear_vjp_weight(ConstView dy, ConstView x, View dweight, std::span<S> dbias, Arena& scratch) {
    if constexpr (std::same_as<Format, simd::Bf16Pair>) {
      simd::rounded_product(simd::Op::kTranspose, dy, simd::Op::kNone, x, dweight, simd::Store::kAccumulate, scratch);
    } else {
      simd::gemm(simd::Op::kTranspose, dy, simd::Op::kNone, x, dweight, simd::Store::kAccumulate, scratch);
    }
    if (!dbias.empty()) {
      simd::column_sums(dy, dbias);
    }
  }

  static void layer_norm(ConstView x,
                         std::span<const S> gain,
                         std::span<const S> bias,
                         S eps,
                         View y,
                         std::span<S> mean,
                         std::span<S> inv_std) {
    simd::layer_norm(x, gain, bias, eps, y, mean, inv_std);
  }
  static void layer_norm_vjp(ConstView x,
                             std::span<const S> gain,
                             std::span<const S> mean,
                             std::span<const S> inv_std,
                             ConstView dy,
                             View dx,
                             std::span<S> dgain,
                             std::span<S> dbias) {
    simd::layer_norm_vjp(x, gain, mean, inv_std, dy, dx, dgain, dbias);
  }
  static void rms_norm(ConstView x, std::span<const S> gain, S eps, View y, std::span<S> inv_rms) {
    simd::rms_norm(x, gain, eps, y, inv_rms);
  }
  static void rms_norm_vjp(
      ConstView x, std::span<const S> gain, std::span<const S> inv_rms, ConstView dy, View dx, std::span<S> dgain) {
    simd::rms_norm_vjp(x, gain, inv_rms, dy, dx, dgain);
  }
  static void gelu(ConstView x, View y) { simd::gelu(x, y); }
  static void gelu_vjp(ConstView x, ConstView dy, View dx) { simd::gelu_vjp(x, dy, dx); }
  static void silu_multiply(ConstView gate, ConstView up, View y) { simd::silu_multiply(gate, up, y); }
  static void silu_multiply_vjp(ConstView gate, ConstView up, ConstView dy, View dgate, View dup) {
    simd::silu_multiply_vjp(gate, up, dy, dgate, dup);
  }
  static void add(ConstView x, ConstView y, View out) { simd::add(x, y, out); }
  static void accumulate(ConstView x, View y) { simd::accumulate(x, y); }
  static void scale(ConstView x, S factor, View y) { simd::scale(x, factor, y); }
  static void dropout(ConstView x, View y, const simd::DropoutMask& mask, std::span<const std::int32_t> offsets) {
    simd::dropout(x, y, mask, offsets);
  }
  static void rotary_table(std::span<const std::int32_t> offsets,
                           std::span<const float> inverse_frequencies,
                           View cosine,
                           View sine) {
    simd::rotary_table(offsets, inverse_frequencies, cosine, sine);
  }
  static void rotate(ConstView x, ConstView cosine, ConstView sine, View y) { simd::rotate(x, cosine, sine, y); }
  static void rotate_vjp(ConstView dy, ConstView cosine, ConstView sine, View dx) {
    simd::rotate_vjp(dy, cosine, sine, dx);
  }
  static void attention(const simd::AttentionShape& shape,
                        ConstView q,
                        ConstView k,
                        ConstView v,
                        std::span<const std::int32_t> offsets,
                        S scale,
                        View out,
                        std::span<S> log_sum_exp,
                        Arena& scratch) {
    simd::attention<S, AttentionFormat>(shape, q, k, v, offsets, scale, out, log_sum_exp, scratch);
  }
  static void attention_rows(const simd::AttentionShape& shape,
                             ConstView q,
                             ConstView k,
                             ConstView v,
                             std::span<const std::int32_t> offsets,
                             std::span<const std::int32_t> rows,
                             S scale,
                             View out,
                             Arena& scratch) {
    simd::attention_rows<S, AttentionFormat>(shape, q, k, v, offsets, rows, scale, out, scratch);
  }
  static void attention_vjp(const simd::AttentionShape& shape,
                            ConstView q,
                            ConstView k,
                            ConstView v,
                            std::span<const std::int32_t> offsets,
                            S scale,
                            ConstView out,
                            std::span<const S> log_sum_exp,
                            ConstView d_out,
                            View dq,
                            View dk,
                            View dv,
                            Arena& scratch) {
    simd::attention_vjp<S, AttentionFormat>(
        shape, q, k, v, offsets, scale, out, log_sum_exp, d_out, dq, dk, dv, scratch);
  }
  static void embedding(std::span<const std::int32_t> ids, const Table& table, View y) {
    simd::embedding(ids, table.view(), y);
  }
  static void embedding_accumulate(std::span<const std::int32_t> ids, const Table& table, View y) {
    simd::embedding_accumulate(ids, table.view(), y);
  }
  static void embedding_vjp(std::span<const std::int32_t> ids, ConstView dy, View dtable) {
    if (!dtable.empty()) {  // frozen
      simd::embedding_vjp(ids, dy, dtable);
    }
  }
  static void mean_pool(ConstView x, std::span<const std::int32_t> offsets, View y) { simd::mean_pool(x, offsets, y); }
  static void mean_pool_vjp(ConstView dy, std::span<const std::int32_t> offsets, View dx) {
    simd::mean_pool_vjp(dy, offsets, dx);
  }
  static void select_rows(ConstView x, std::span<const std::int32_t> rows, View y) { simd::select_rows(x, rows, y); }
  static void select_rows_vjp(ConstView dy, std::span<const std::int32_t> rows, View dx) {
    simd::select_rows_vjp(dy, rows, dx);
  }
  static void l2_normalize(ConstView x, View y, std::span<S> inv_norm) { simd::l2_normalize(x, y, inv_norm); }
  static void l2_normalize_vjp(ConstView y, std::span<const S> inv_norm, ConstView dy, View dx) {
    simd::l2_normalize_vjp(y, inv_norm, dy, dx);
  }
};

static_assert(NeuralKernels<backend::Cpu<float>>);
static_assert(NeuralKernels<backend::Cpu<bf16>>);
static_assert(NeuralKernels<backend::Cpu<bf16, bf16>>);
static_assert(NeuralKernels<backend::Cpu<float, bf16>>);
static_assert(NeuralKernels<backend::Cpu<int8>>);
static_assert(NeuralKernels<backend::Cpu<double>>);

}  // namespace reasonembed::nn
