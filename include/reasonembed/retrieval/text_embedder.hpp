#pragma once
/// @file What searching and mining ask of a model.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// Turns texts into vectors whose inner products rank documents for queries. model::TextEncoder<E, Cpu<float>> is one.
///
/// Valid expressions, for `const M m`, `std::span<const std::string_view> q` (B), `std::span<const std::string> d` (N),
/// `Progress* p` (may be null):
///
/// | expression                | result            | meaning                                                |
/// |---------------------------|-------------------|--------------------------------------------------------|
/// | `m.encode_query(q, p)`    | Matrix<float>     | (B, D); `p` is advanced by the texts that are finished |
/// | `m.encode_document(d, p)` | Matrix<float>     | (N, D)                                                 |
/// | `m.pool()`                | const ThreadPool& | the threads to search with                             |
template <class M>
concept TextEmbedder = requires(
    const M& m, std::span<const std::string_view> queries, std::span<const std::string> documents, Progress* progress) {
  { m.encode_query(queries, progress) } -> std::same_as<Matrix<float>>;
  { m.encode_document(documents, progress) } -> std::same_as<Matrix<float>>;
  { m.pool() } -> std::same_as<const ThreadPool&>;
};

}  // namespace reasonembed::retrieval
