#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/simd/batch.hpp>
#include <reasonembed/simd/map.hpp>
#include <reasonembed/simd/sequences.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace reasonembed::inline REASONEMBED_ABI::simd {

namespace detail {

/// to += from
template <class T, class Arch>
void add_row(const T* from, T* to, Index size) {
  for_each_lanes<T, Arch>(size, [&](auto lanes) { lanes.store(to, lanes.load(to) + lanes.load(from)); });
}

template <class W, class T>
void require_lookup(std::string_view where,
                    std::string_view rows,
                    std::string_view cols,
                    std::span<const std::int32_t> ids,
                    MatrixView<const W> table,
                    MatrixView<const T> y) {
  require_extent(where, rows, y.rows(), static_cast<Index>(ids.size()));
  require_extent(where, cols, y.cols(), table.cols());
  require_row_numbers(where, "ids", ids, table.rows());
}

}  // namespace detail

/// y_t = table_{ids_t}
///
/// @param ids    (T), row numbers of the table
/// @param table  (V, D)
/// @param y      (T, D), overwritten
/// @throws ShapeError, before any work, if the shapes do not fit or an id is not a row: position and id are named
/// @note   O(T D), no allocation
template <class T>
void embedding(std::span<const std::int32_t> ids, std::type_identity_t<MatrixView<const T>> table, MatrixView<T> y) {
  detail::require_lookup<T, T>("simd::embedding", "y.rows()", "y.cols()", ids, table, y);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    std::copy_n(table.data() + ids[t] * table.stride(), y.cols(), y.data() + static_cast<Index>(t) * y.stride());
  }
}

/// y_t += table_{ids_t}
///
/// @param ids    (T), row numbers of the table
/// @param table  (V, D)
/// @param y      (T, D)
/// @throws ShapeError as embedding
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void embedding_accumulate(std::span<const std::int32_t> ids,
                          std::type_identity_t<MatrixView<const T>> table,
                          MatrixView<T> y) {
  detail::require_lookup<T, T>("simd::embedding_accumulate", "y.rows()", "y.cols()", ids, table, y);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    T* row = y.data() + static_cast<Index>(t) * y.stride();
    detail::add_row<T, Arch>(table.data() + ids[t] * table.stride(), row, y.cols());
  }
}

/// As embedding, of a table stored in bf16: rows are widened, exactly.
inline void embedding(std::span<const std::int32_t> ids, MatrixView<const bf16> table, MatrixView<float> y) {
  detail::require_lookup<bf16, float>("simd::embedding", "y.rows()", "y.cols()", ids, table, y);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    convert(table.row(ids[t]), y.row(static_cast<Index>(t)));
  }
}

/// As embedding_accumulate, of a table stored in bf16.
inline void embedding_accumulate(std::span<const std::int32_t> ids, MatrixView<const bf16> table, MatrixView<float> y) {
  detail::require_lookup<bf16, float>("simd::embedding_accumulate", "y.rows()", "y.cols()", ids, table, y);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    const std::span<const bf16> from = table.row(ids[t]);
    const std::span<float> to = y.row(static_cast<Index>(t));
    for (std::size_t d = 0; d < to.size(); ++d) {
      to[d] += static_cast<float>(from[d]);
    }
  }
}

/// The gradient of both: dtable_{ids_t} += dy_t, in token order.
///
/// @param ids     (T), row numbers of the table
/// @param dy      (T, D)
/// @param dtable  (V, D), accumulated
/// @throws ShapeError as embedding
/// @note   O(T D), no allocation
template <class T, class Arch = CompiledArch>
void embedding_vjp(std::span<const std::int32_t> ids,
                   std::type_identity_t<MatrixView<const T>> dy,
                   MatrixView<T> dtable) {
  detail::require_lookup<T, T>("simd::embedding_vjp", "dy.rows()", "dy.cols()", ids, dtable, dy);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    T* row = dtable.data() + ids[t] * dtable.stride();
    detail::add_row<T, Arch>(dy.data() + static_cast<Index>(t) * dy.stride(), row, dtable.cols());
  }
}

}  // namespace reasonembed::simd
