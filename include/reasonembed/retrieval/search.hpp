#pragma once
/// @file What every index takes and returns.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// A document found, by its number in the index.
struct Hit {
  Index document = 0;
  float score = 0;

  friend bool operator==(const Hit&, const Hit&) = default;
};

/// The order of a ranking: by score, descending, ties by document number, ascending.
[[nodiscard]] constexpr bool ranks_before(const Hit& a, const Hit& b) {
  return a.score != b.score ? a.score > b.score : a.document < b.document;
}

/// What a search returns: for each of its B queries the hits in the order of `ranks_before`.
///
/// Like a vector of vectors, but `index.search(queries)[0]` is the ranking itself and no reference into a temporary, so
/// that `for (const Hit& hit : index.search(queries)[0])` is sound in C++20.
class Rankings {
 public:
  Rankings() = default;
  explicit Rankings(std::size_t queries) : hits_(queries) {}

  [[nodiscard]] std::size_t size() const { return hits_.size(); }
  [[nodiscard]] bool empty() const { return hits_.empty(); }
  [[nodiscard]] std::vector<Hit>& operator[](std::size_t query) & { return hits_[query]; }
  [[nodiscard]] const std::vector<Hit>& operator[](std::size_t query) const& { return hits_[query]; }
  [[nodiscard]] std::vector<Hit> operator[](std::size_t query) && { return std::move(hits_[query]); }
  [[nodiscard]] auto begin() const { return hits_.begin(); }
  [[nodiscard]] auto end() const { return hits_.end(); }

  friend bool operator==(const Rankings&, const Rankings&) = default;

 private:
  std::vector<std::vector<Hit>> hits_;
};

/// Options of a search.
struct SearchOptions {
  Index top_k = 10;  ///< hits per query at most, >= 1
  /// (B) for each query the ascending numbers of documents that it must not find, removed before the cut-off; or empty
  std::span<const std::vector<Index>> excluded = {};
  const ThreadPool* pool = nullptr;  ///< shares the queries among its threads; null: the calling thread alone
};

namespace detail {

/// @throws  ConfigError, ShapeError if `options` don't fit `queries` queries
inline void check_search(std::string_view where, const SearchOptions& options, Index queries) {
  if (options.top_k < 1) {
    throw ConfigError::invalid(where, "top_k", std::to_string(options.top_k), "at least 1");
  }
  if (options.excluded.empty()) {
    return;
  }
  require_extent(where, "excluded.size()", static_cast<Index>(options.excluded.size()), queries);
  for (std::size_t query = 0; query < options.excluded.size(); ++query) {
    if (!std::is_sorted(options.excluded[query].begin(), options.excluded[query].end())) {
      throw ConfigError::invalid(where, "excluded[" + std::to_string(query) + "]", "unsorted", "ascending numbers");
    }
  }
}

/// Calls f(item, worker) for every item, on the threads of the pool if there is one.
template <class F>
void for_each_item(const ThreadPool* pool, Index count, const F& f) {
  if (pool != nullptr) {
    pool->for_each(count, f);
    return;
  }
  for (Index item = 0; item < count; ++item) {
    f(item, 0);
  }
}

inline std::size_t worker_count(const ThreadPool* pool) {
  return pool == nullptr ? 1 : static_cast<std::size_t>(pool->size());
}

}  // namespace detail

}  // namespace reasonembed::retrieval
