#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/attention.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/pack_rounded.hpp>
#include <reasonembed/simd/packed_matrix.hpp>
#include <reasonembed/simd/reduce.hpp>
#include <reasonembed/simd/rounded_product.hpp>
#include <reasonembed/simd/sequences.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

namespace detail {

/// One query head of one sequence on the way back.
template <class T>
struct QueryHeadVjp {
  MatrixView<const T> q;      // (L, E)
  MatrixView<const T> out;    // (L, E)
  MatrixView<const T> d_out;  // (L, E)
  MatrixView<T> dq;           // (L, E)
  const T* log_sum_exp;       // of the first token; next token `stride` further
  Index stride;
};

/// The key and value head that it reads.
template <class T, class Format>
struct KeyValueHeadVjp {
  PackedView<Format> keys;    // (L, E), packed
  PackedView<Format> values;  // (L, E), packed
  // (L, E) keys as the other operand of a product with weights of tokens, see pack_values
  std::conditional_t<std::same_as<Format, Bf16Pair>, PackedView<Bf16Pair>, MatrixView<const T>> k;
  MatrixView<T> dk;  // (L, E), accumulated
  MatrixView<T> dv;  // (L, E), accumulated
};

/// y (L', E) += weights (R, L')^T x (R, E), in the format of the products
template <class Format, class T>
void accumulate_weighed(MatrixView<const T> weights, MatrixView<const T> x, MatrixView<T> y, Arena& scratch) {
  if constexpr (std::same_as<Format, Bf16Pair>) {
    rounded_product(Op::kTranspose, weights, Op::kNone, x, y, Store::kAccumulate, scratch);
  } else {
    gemm(Op::kTranspose, weights, Op::kNone, x, y, Store::kAccumulate, scratch);
  }
}

/// ds_j = scale p_j (dp_j - sum_j p_j dp_j), the sum being that of out d_out
template <class T, class Arch>
void softmax_row_vjp(const T* p, T* dp, Index size, T scale, T along) {
  using B = Batch<T, Arch>;
  for_each_lanes<T, Arch>(
      size, [&](auto lanes) { lanes.store(dp, (lanes.load(p) * B(scale)) * (lanes.load(dp) - B(along))); });
}

template <class T, class Arch, class Format>
void attend_head_vjp(
    const QueryHeadVjp<T>& head, const KeyValueHeadVjp<T, Format>& kv, bool causal, T scale, Arena& scratch) {
  const Index length = head.q.rows();
  const Index block = query_block(length, causal);
  for (Index first = 0; first < length; first += block) {
    const Index rows = std::min(block, length - first);
    const Index seen = causal ? first + rows : length;
    const ArenaScope scope(scratch);
    const MatrixView<T> p = scratch.matrix<T>(rows, seen);
    const MatrixView<T> ds = scratch.matrix<T>(rows, seen);
    const MatrixView<const T> q = head.q.row_block(first, rows);
    const MatrixView<const T> d_out = head.d_out.row_block(first, rows);
    gemm(q, kv.keys.first_outputs(seen), p, Store::kOverwrite, scratch);
    gemm(d_out, kv.values.first_outputs(seen), ds, Store::kOverwrite, scratch);
    for (Index i = 0; i < rows; ++i) {
      const Index t = first + i;
      const T log_sum_exp = head.log_sum_exp[t * head.stride];
      const Index visible = causal ? t + 1 : length;
      T* row = p.row(i).data();
      (void)exponentiate<T, Arch>(row, row, visible, scale, log_sum_exp);
      std::fill(row + visible, row + seen, T{0});
      const T* out = head.out.row(t).data();
      const T* d = head.d_out.row(t).data();
      const auto along = sum_lanes<T, Arch, 1>(head.q.cols(), [&](auto lanes, auto& sums) {
        sums[0] = BatchOps<T, Arch>::fma(lanes.load(out), lanes.load(d), sums[0]);
      });
      softmax_row_vjp<T, Arch>(row, ds.row(i).data(), seen, scale, along[0]);
    }
    accumulate_weighed<Format, T>(p, d_out, kv.dv.row_block(0, seen), scratch);
    accumulate_weighed<Format, T>(ds, q, kv.dk.row_block(0, seen), scratch);
    weigh_values(MatrixView<const T>(ds), kv.k, head.dq.row_block(first, rows), scratch);
  }
}

template <class T>
void clear(MatrixView<T> x) {
  for (Index row = 0; row < x.rows(); ++row) {
    std::fill_n(x.data() + row * x.stride(), x.cols(), T{0});
  }
}

}  // namespace detail

/// The gradients of attention; the probabilities are computed again from log_sum_exp [Dao et al. 2022, alg. 4].
///
///   dv_j = sum_i p_ij d_out_i,  ds_ij = scale p_ij (d_out_i . v_j - d_out_i . out_i)
///   dq_i = sum_j ds_ij k_j,     dk_j = sum_i ds_ij q_i
///
/// where dk and dv are summed over the query heads of a group too, in the order of heads and tokens.
///
/// @tparam Format      of the products' operands, as given to attention: with Bf16Pair p, ds and d_out are rounded too
/// @param shape        as given to attention
/// @param q            (T, H E), as given to attention
/// @param k            (T, H_kv E), as given to attention
/// @param v            (T, H_kv E), as given to attention
/// @param offsets      (B + 1), as given to attention
/// @param scale        as given to attention
/// @param out          (T, H E), from attention
/// @param log_sum_exp  (T * H), from attention
/// @param d_out        (T, H E)
/// @param dq           (T, H E), overwritten
/// @param dk           (T, H_kv E), overwritten
/// @param dv           (T, H_kv E), overwritten; dq, dk and dv may be column blocks of one matrix
/// @param scratch      for two blocks of scores and packed operands, rewound before the return; one arena a thread
/// @throws ShapeError if the shapes do not fit
/// @pre    dq, dk and dv overlap neither each other nor the other operands
/// @note   O(sum L^2 H E) time, 2.5 times that of attention; twice its scores exist at a time. No allocation once the
///         arena has its size. A token's bits depend on its own sequence alone
template <class T, class Format = T, class Arch = CompiledArch>
void attention_vjp(const AttentionShape& shape,
                   std::type_identity_t<MatrixView<const T>> q,
                   std::type_identity_t<MatrixView<const T>> k,
                   std::type_identity_t<MatrixView<const T>> v,
                   std::span<const std::int32_t> offsets,
                   std::type_identity_t<T> scale,
                   std::type_identity_t<MatrixView<const T>> out,
                   std::type_identity_t<std::span<const T>> log_sum_exp,
                   std::type_identity_t<MatrixView<const T>> d_out,
                   MatrixView<T> dq,
                   MatrixView<T> dk,
                   MatrixView<T> dv,
                   Arena& scratch) {
  constexpr const char* kWhere = "simd::attention_vjp";
  const Index dim = shape.head_dim;
  detail::require_attention<T>(kWhere, shape, q, k, v, offsets);
  require_same_shape(kWhere, "out.rows()", "out.cols()", out, q);
  require_extent(kWhere, "log_sum_exp.size()", static_cast<Index>(log_sum_exp.size()), q.rows() * shape.heads);
  require_same_shape(kWhere, "d_out.rows()", "d_out.cols()", d_out, q);
  require_same_shape(kWhere, "dq.rows()", "dq.cols()", dq, q);
  require_same_shape(kWhere, "dk.rows()", "dk.cols()", dk, k);
  require_same_shape(kWhere, "dv.rows()", "dv.cols()", dv, v);
  const Index group = shape.heads / shape.kv_heads;
  detail::clear(dk);
  detail::clear(dv);
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    if (offsets[b] == offsets[b + 1]) {
      continue;  // with no token at all there is nothing to point into
    }
    const auto of = [&](auto x, Index head) { return detail::head_of(x, offsets, b, head, dim); };
    for (Index kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      const ArenaScope scope(scratch);
      const detail::KeyValueHeadVjp<T, Format> kv{detail::pack_keys<Format, T>(of(k, kv_head), scratch),
                                                  detail::pack_keys<Format, T>(of(v, kv_head), scratch),
                                                  detail::pack_values<Format, T>(of(k, kv_head), scratch),
                                                  of(dk, kv_head),
                                                  of(dv, kv_head)};
      for (Index h = kv_head * group; h < (kv_head + 1) * group; ++h) {
        const T* lse = log_sum_exp.data() + offsets[b] * shape.heads + h;
        const detail::QueryHeadVjp<T> head{of(q, h), of(out, h), of(d_out, h), of(dq, h), lse, shape.heads};
        detail::attend_head_vjp<T, Arch, Format>(head, kv, shape.causal, scale, scratch);
      }
    }
  }
}

}  // namespace reasonembed::simd
