#pragma once
/// @file Several rankings of the same documents made into one.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/retrieval/search.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::retrieval {

/// Options of fuse_ranks and fuse_scores.
struct FusionOptions {
  Index top_k = 1000;                ///< hits per query at most, >= 1
  double rank_constant = 60;         ///< of fuse_ranks, >= 0: the larger, the less the first places count
  std::vector<double> weights = {};  ///< one for each system, >= 0; empty: all 1

  friend bool operator==(const FusionOptions&, const FusionOptions&) = default;
};

namespace detail {

inline void check_fusion(std::string_view where, std::span<const Rankings> systems, const FusionOptions& options) {
  if (systems.empty()) {
    throw ConfigError::invalid(where, "number of systems", "0", "at least 1");
  }
  for (std::size_t s = 0; s < systems.size(); ++s) {
    require_extent(where,
                   "systems[" + std::to_string(s) + "].size()",
                   static_cast<Index>(systems[s].size()),
                   static_cast<Index>(systems[0].size()));
  }
  if (!options.weights.empty()) {
    require_extent(
        where, "weights.size()", static_cast<Index>(options.weights.size()), static_cast<Index>(systems.size()));
  }
  for (std::size_t s = 0; s < options.weights.size(); ++s) {
    if (!(options.weights[s] >= 0) || !std::isfinite(options.weights[s])) {
      throw ConfigError::invalid(where,
                                 "weights[" + std::to_string(s) + "]",
                                 std::to_string(options.weights[s]),
                                 "a finite number of at least 0");
    }
  }
  if (options.top_k < 1) {
    throw ConfigError::invalid(where, "top_k", std::to_string(options.top_k), "at least 1");
  }
  if (!(options.rank_constant >= 0) || !std::isfinite(options.rank_constant)) {
    throw ConfigError::invalid(
        where, "rank_constant", std::to_string(options.rank_constant), "a finite number of at least 0");
  }
}

/// Sums `points(hits, rank)`, weighted, over the systems. Sums are formed in the order of the systems.
template <class Points>
Rankings fuse(std::span<const Rankings> systems, const FusionOptions& options, const Points& points) {
  Rankings fused(systems[0].size());
  for (std::size_t query = 0; query < fused.size(); ++query) {
    std::map<Index, double> sums;
    for (std::size_t s = 0; s < systems.size(); ++s) {
      const std::vector<Hit>& hits = systems[s][query];
      for (std::size_t rank = 0; rank < hits.size(); ++rank) {
        sums[hits[rank].document] += (options.weights.empty() ? 1.0 : options.weights[s]) * points(hits, rank);
      }
    }
    std::vector<Hit>& best = fused[query];
    for (const auto& [document, sum] : sums) {
      best.push_back({document, static_cast<float>(sum)});
    }
    std::sort(best.begin(), best.end(), [](const Hit& a, const Hit& b) { return ranks_before(a, b); });
    best.resize(std::min(best.size(), static_cast<std::size_t>(options.top_k)));
  }
  return fused;
}

}  // namespace detail

/// Reciprocal rank fusion: needs no common scale of scores.
///
///   score(q, n) = sum_s w_s / (k + rank_s(q, n)),   ranks from 1, nothing where s has not found n
///                                                                   [Cormack, Clarke & Buettcher 2009, eq. 1]
///
/// @param systems  (S) rankings of the same B queries, each in the order of `ranks_before`
/// @return         (B) hits in that order
/// @throws         ConfigError, ShapeError if the options or the systems don't fit
[[nodiscard]] inline Rankings fuse_ranks(std::span<const Rankings> systems, const FusionOptions& options = {}) {
  detail::check_fusion("retrieval::fuse_ranks", systems, options);
  return detail::fuse(systems, options, [&](const std::vector<Hit>&, std::size_t rank) {
    return 1.0 / (options.rank_constant + static_cast<double>(rank) + 1.0);
  });
}

/// Fusion of scores, each ranking stretched to [0, 1] first.
///
///   score(q, n) = sum_s w_s (s(q, n) - min_s(q)) / (max_s(q) - min_s(q)),   1 where all scores of s are the same
///
/// @throws  as fuse_ranks; NonFiniteError naming system, query and rank for NaN or infinity
[[nodiscard]] inline Rankings fuse_scores(std::span<const Rankings> systems, const FusionOptions& options = {}) {
  detail::check_fusion("retrieval::fuse_scores", systems, options);
  for (std::size_t s = 0; s < systems.size(); ++s) {
    for (std::size_t query = 0; query < systems[s].size(); ++query) {
      for (std::size_t rank = 0; rank < systems[s][query].size(); ++rank) {
        if (const float score = systems[s][query][rank].score; !std::isfinite(score)) {
          throw NonFiniteError::found("retrieval::fuse_scores",
                                      "systems[" + std::to_string(s) + "][" + std::to_string(query) + "].score",
                                      rank,
                                      static_cast<double>(score));
        }
      }
    }
  }
  return detail::fuse(systems, options, [](const std::vector<Hit>& hits, std::size_t rank) {
    const double most = hits.front().score;
    const double range = most - static_cast<double>(hits.back().score);
    return range == 0 ? 1.0 : 1.0 - (most - static_cast<double>(hits[rank].score)) / range;
  });
}

}  // namespace reasonembed::retrieval
