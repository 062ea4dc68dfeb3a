#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/arena.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/gemm.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/pack_rounded.hpp>
#include <reasonembed/simd/packed_matrix.hpp>
#include <reasonembed/simd/reduce.hpp>
#include <reasonembed/simd/sequences.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

/// Heads of an attention: query head h reads key and value head h / (heads / kv_heads) [Ainslie et al. 2023].
struct AttentionShape {
  Index heads = 1;      ///< H, query heads
  Index kv_heads = 1;   ///< H_kv, key and value heads; divides heads
  Index head_dim = 0;   ///< E
  bool causal = false;  ///< a token sees itself and the tokens before it, not its whole sequence
};

namespace detail {

/// @return  rows of queries whose scores exist at a time, for `keys` keys: 64 K scores, which stay in the second-level
///          cache, in whole tiles of the product; few if causal, for a block computes scores up to its last row for all
[[nodiscard]] constexpr Index query_block(Index keys, bool causal) {
  constexpr Index kScores = Index{1} << 16;
  return std::clamp(kScores / std::max(keys, Index{1}) / 8 * 8, Index{16}, Index{causal ? 64 : 256});
}

/// @throws ShapeError if heads, operands and sequences do not fit
template <class T>
void require_attention(std::string_view where,
                       const AttentionShape& shape,
                       MatrixView<const T> q,
                       MatrixView<const T> k,
                       MatrixView<const T> v,
                       std::span<const std::int32_t> offsets) {
  if (shape.heads < 1 || shape.kv_heads < 1 || shape.head_dim < 0 || shape.heads % shape.kv_heads != 0) {
    const std::string got = "(" + std::to_string(shape.heads) + ", " + std::to_string(shape.kv_heads) + ", " +
                            std::to_string(shape.head_dim) + ")";
    throw ShapeError::invalid(where,
                              "(heads, kv_heads, head_dim)",
                              got,
                              "positive numbers of heads, the first a multiple of the second, and head_dim >= 0");
  }
  require_extent(where, "q.cols()", q.cols(), shape.heads * shape.head_dim);
  require_extent(where, "k.rows()", k.rows(), q.rows());
  require_extent(where, "k.cols()", k.cols(), shape.kv_heads * shape.head_dim);
  require_same_shape(where, "v.rows()", "v.cols()", v, k);
  require_offsets(where, offsets, q.rows());
}

/// @return  (L, E) one head of one sequence
template <class T>
[[nodiscard]] MatrixView<T> head_of(
    MatrixView<T> x, std::span<const std::int32_t> offsets, std::size_t b, Index head, Index dim) {
  return x.row_block(offsets[b], offsets[b + 1] - offsets[b]).col_block(head * dim, dim);
}

/// Keys (L, E) as the weight of a product, in the format of the products.
template <class Format, class T>
[[nodiscard]] PackedView<Format> pack_keys(MatrixView<const T> k, Arena& arena) {
  if constexpr (std::same_as<Format, Bf16Pair>) {
    return pack_rounded(k, arena);
  } else {
    return pack(k, arena);
  }
}
/// Values (L, E) as the other operand of a product with weights of tokens: where they lie, or rounded and packed.
template <class Format, class T>
[[nodiscard]] auto pack_values(MatrixView<const T> v, [[maybe_unused]] Arena& arena) {
  if constexpr (std::same_as<Format, Bf16Pair>) {
    return pack_rounded_columns(v, arena);
  } else {
    return v;
  }
}
/// out (R, E) = scores (R, L') times the first L' values
template <class T>
void weigh_values(MatrixView<const T> scores, MatrixView<const T> v, MatrixView<T> out, Arena& scratch) {
  gemm(Op::kNone, scores, Op::kNone, v.row_block(0, scores.cols()), out, Store::kOverwrite, scratch);
}
inline void weigh_values(MatrixView<const float> scores,
                         PackedView<Bf16Pair> v,
                         MatrixView<float> out,
                         Arena& scratch) {
  gemm(scores, v.first_inputs(scores.cols()), out, Store::kOverwrite, scratch);
}

/// One query head of one sequence.
template <class T>
struct QueryHead {
  MatrixView<const T> q;  // (L, E)
  MatrixView<T> out;      // (L, E)
  T* log_sum_exp;         // of the first token; next token `stride` further; null if not wanted
  Index stride;
};

/// Some rows of a head, which follow each other.
///
/// @param first   the token of the first row
/// @param length  keys of the sequence
/// @param seen    keys that enter the products: at least those that the last row sees
template <class T, class Arch, class Format, class Values>
void attend_rows(const QueryHead<T>& head,
                 PackedView<Format> keys,
                 const Values& v,
                 Index first,
                 Index seen,
                 bool causal,
                 T scale,
                 Arena& scratch) {
  using B = Batch<T, Arch>;
  const Index rows = head.q.rows();
  const ArenaScope scope(scratch);
  const MatrixView<T> scores = scratch.matrix<T>(rows, seen);
  const std::span<T> sums = scratch.allocate<T>(rows);
  gemm(head.q, keys.first_outputs(seen), scores, Store::kOverwrite, scratch);
  for (Index i = 0; i < rows; ++i) {
    const Index visible = causal ? first + i + 1 : seen;
    T* row = scores.row(i).data();
    const T largest = largest_multiple<T, Arch>(row, visible, scale);
    const T sum = exponentiate<T, Arch>(row, row, visible, scale, largest);
    std::fill(row + visible, row + seen, T{0});
    sums[static_cast<std::size_t>(i)] = sum;
    if (head.log_sum_exp != nullptr) {
      head.log_sum_exp[i * head.stride] = largest + std::log(sum);
    }
  }
  weigh_values(MatrixView<const T>(scores), v, head.out, scratch);
  for (Index i = 0; i < rows; ++i) {
    const B inverse(T{1} / sums[static_cast<std::size_t>(i)]);
    T* row = head.out.row(i).data();
    for_each_lanes<T, Arch>(head.out.cols(), [&](auto lanes) { lanes.store(row, lanes.load(row) * inverse); });
  }
}

template <class T, class Arch, class Format, class Values>
void attend_head(
    const QueryHead<T>& head, PackedView<Format> keys, const Values& v, bool causal, T scale, Arena& scratch) {
  const Index length = head.q.rows();
  const Index block = query_block(length, causal);
  for (Index first = 0; first < length; first += block) {
    const Index rows = std::min(block, length - first);
    const Index seen = causal ? first + rows : length;  // keys that any row of the block sees
    T* lse = head.log_sum_exp == nullptr ? nullptr : head.log_sum_exp + first * head.stride;
    const QueryHead<T> part{head.q.row_block(first, rows), head.out.row_block(first, rows), lse, head.stride};
    attend_rows<T, Arch, Format>(part, keys, v, first, seen, causal, scale, scratch);
  }
}

}  // namespace detail

/// Scaled dot-product attention over packed sequences, each head of each sequence by itself.
///
///   out_i = sum_j p_ij v_j,  p_i = softmax_j(scale q_i . k_j)                             [Vaswani et al. 2017, eq. 1]
///
/// over the tokens j of the sequence of i, with `causal` only those up to i.
///
/// @tparam Format      of the products' operands: T, or Bf16Pair, which rounds q, k, v and e^(score - largest) to bf16
/// @param shape        heads, kv_heads, head_dim, causal
/// @param q            (T, H E)
/// @param k            (T, H_kv E)
/// @param v            (T, H_kv E)
/// @param offsets      (B + 1) first token of each sequence, then T; empty sequences are allowed
/// @param scale        usually 1 / sqrt(E)
/// @param out          (T, H E), overwritten
/// @param log_sum_exp  (T * H) or empty, overwritten: element t H + h is log sum_j e^(scale q_i . k_j)
/// @param scratch      for a block of scores and packed operands, rewound before the return; one arena a thread
/// @throws ShapeError if the shapes do not fit
/// @pre    out overlaps neither q nor k nor v
/// @note   O(sum L^2 H E) time; at most 64 K scores (16 L from L = 4096 on) exist at a time. No allocation once the
///         arena has its size. A token's bits depend on its own sequence alone: not on neighbours, order, strides or
///         thread. NaN in q stays in its token; NaN in v also reaches up to 63 causal tokens before it
template <class T, class Format = T, class Arch = CompiledArch>
void attention(const AttentionShape& shape,
               std::type_identity_t<MatrixView<const T>> q,
               std::type_identity_t<MatrixView<const T>> k,
               std::type_identity_t<MatrixView<const T>> v,
               std::span<const std::int32_t> offsets,
               std::type_identity_t<T> scale,
               MatrixView<T> out,
               std::type_identity_t<std::span<T>> log_sum_exp,
               Arena& scratch) {
  constexpr const char* kWhere = "simd::attention";
  const Index dim = shape.head_dim;
  detail::require_attention<T>(kWhere, shape, q, k, v, offsets);
  require_same_shape(kWhere, "out.rows()", "out.cols()", out, q);
  if (!log_sum_exp.empty()) {
    require_extent(kWhere, "log_sum_exp.size()", static_cast<Index>(log_sum_exp.size()), q.rows() * shape.heads);
  }
  const Index group = shape.heads / shape.kv_heads;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    for (Index kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      const ArenaScope scope(scratch);
      const PackedView<Format> keys =
          detail::pack_keys<Format, T>(detail::head_of(k, offsets, b, kv_head, dim), scratch);
      const auto values = detail::pack_values<Format, T>(detail::head_of(v, offsets, b, kv_head, dim), scratch);
      for (Index h = kv_head * group; h < (kv_head + 1) * group; ++h) {
        T* lse = log_sum_exp.empty() ? nullptr : log_sum_exp.data() + offsets[b] * shape.heads + h;
        const detail::QueryHead<T> head{
            detail::head_of(q, offsets, b, h, dim), detail::head_of(out, offsets, b, h, dim), lse, shape.heads};
        detail::attend_head<T, Arch, Format>(head, keys, values, shape.causal, scale, scratch);
      }
    }
  }
}

/// One token's output of `attention` for each sequence, with the same bits.
///
/// @param q        (T, H E), of which the rows alone are read
/// @param rows     (B) a token of each sequence
/// @param out      (B, H E), overwritten
/// @throws ShapeError if the shapes do not fit, or a row is not of its sequence
/// @note   O(T H_kv E + sum L H E) time; the rest as `attention`
template <class T, class Format = T, class Arch = CompiledArch>
void attention_rows(const AttentionShape& shape,
                    std::type_identity_t<MatrixView<const T>> q,
                    std::type_identity_t<MatrixView<const T>> k,
                    std::type_identity_t<MatrixView<const T>> v,
                    std::span<const std::int32_t> offsets,
                    std::span<const std::int32_t> rows,
                    std::type_identity_t<T> scale,
                    MatrixView<T> out,
                    Arena& scratch) {
  constexpr const char* kWhere = "simd::attention_rows";
  const Index dim = shape.head_dim;
  detail::require_attention<T>(kWhere, shape, q, k, v, offsets);
  require_extent(kWhere, "rows.size()", static_cast<Index>(rows.size()), static_cast<Index>(offsets.size()) - 1);
  require_extent(kWhere, "out.rows()", out.rows(), static_cast<Index>(rows.size()));
  require_extent(kWhere, "out.cols()", out.cols(), q.cols());
  const Index group = shape.heads / shape.kv_heads;
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const Index length = offsets[b + 1] - offsets[b];
    const Index row = rows[b] - offsets[b];
    if (row < 0 || row >= length) {
      throw ShapeError::invalid(kWhere,
                                "rows[" + std::to_string(b) + "]",
                                std::to_string(rows[b]),
                                std::to_string(offsets[b]) + " <= row < " + std::to_string(offsets[b + 1]));
    }
    // keys enter as in attention's block of queries, so that sums are cut at the same places
    const Index block = detail::query_block(length, shape.causal);
    const Index seen = shape.causal ? std::min(row / block * block + block, length) : length;
    for (Index kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      const ArenaScope scope(scratch);
      const auto first = [&](MatrixView<const T> x) {
        return detail::head_of(x, offsets, b, kv_head, dim).row_block(0, seen);
      };
      const PackedView<Format> keys = detail::pack_keys<Format, T>(first(k), scratch);
      const auto values = detail::pack_values<Format, T>(first(v), scratch);
      for (Index h = kv_head * group; h < (kv_head + 1) * group; ++h) {
        const detail::QueryHead<T> head{q.row_block(rows[b], 1).col_block(h * dim, dim),
                                        out.row_block(static_cast<Index>(b), 1).col_block(h * dim, dim),
                                        nullptr,
                                        shape.heads};
        detail::attend_rows<T, Arch, Format>(head, keys, values, row, seen, shape.causal, scale, scratch);
      }
    }
  }
}

}  // namespace reasonembed::simd
