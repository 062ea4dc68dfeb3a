#pragma once
/// @file The measures of trec_eval, value for value. Ranks i count from 1; r_i is the relevance of the document at rank
/// i, n the number retrieved, R the number of relevant documents, [..] is 1 or 0, and "relevant" means r_i >= the
/// level.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/eval/judged_ranking.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// Cut-off of the measures that look at the whole ranking unless told otherwise.
inline constexpr Index kWholeRanking = 0;

namespace detail {

inline std::span<const int> first_ranks(std::span<const int> relevances, Index cutoff) {
  const auto count = cutoff == kWholeRanking ? relevances.size() : static_cast<std::size_t>(cutoff);
  return relevances.first(std::min(count, relevances.size()));
}
/// sum_i gain_i / log2(i + 1), negative relevances as 0
inline double discounted_gain(std::span<const int> relevances) {
  double sum = 0;
  for (std::size_t i = 0; i < relevances.size(); ++i) {
    if (relevances[i] > 0) {
      sum += relevances[i] / std::log2(static_cast<double>(i + 2));
    }
  }
  return sum;
}
inline Index relevant_among(std::span<const int> relevances, int level) {
  return static_cast<Index>(
      std::count_if(relevances.begin(), relevances.end(), [level](int relevance) { return relevance >= level; }));
}
inline double ratio(double part, Index whole) {
  return whole == 0 ? 0 : part / static_cast<double>(whole);
}
inline std::string cut_name(std::string_view name, std::string_view separator, Index cutoff) {
  return cutoff == kWholeRanking ? std::string(name)
                                 : std::string(name).append(separator).append(std::to_string(cutoff));
}
inline Index checked_cutoff(std::string_view where, Index cutoff, Index least) {
  if (cutoff < least) {
    throw ConfigError::invalid(where, "cutoff", std::to_string(cutoff), "at least " + std::to_string(least));
  }
  return cutoff;
}

}  // namespace detail

/// Normalised discounted cumulative gain: `ndcg`, `ndcg_cut_k`.
///
///   DCG_k = sum_{i <= k} max(r_i, 0) / log2(i + 1),   nDCG_k = DCG_k / (DCG_k of the ideal ranking)
///                                                                  [Jarvelin & Kekalainen 2002; gains = relevance]
/// The ideal ranks all judged documents, retrieved or not, by relevance. The relevance level has no part in it.
///
/// Models: RankingMeasure.
class Ndcg {
 public:
  /// @param cutoff  k, kWholeRanking for none
  /// @throws        ConfigError if cutoff < 0
  explicit Ndcg(Index cutoff = kWholeRanking) : cutoff_(detail::checked_cutoff("eval::Ndcg", cutoff, 0)) {}
  [[nodiscard]] double operator()(const JudgedRanking& ranking) const {
    const double ideal = detail::discounted_gain(detail::first_ranks(ranking.ideal, cutoff_));
    return ideal > 0 ? detail::discounted_gain(detail::first_ranks(ranking.retrieved, cutoff_)) / ideal : 0;
  }
  [[nodiscard]] std::string name() const { return detail::cut_name("ndcg", "_cut_", cutoff_); }

 private:
  Index cutoff_;
};

/// Average precision: `map`, `map_cut_k`.
///
///   AP_k = 1/R sum_{i <= k} [r_i relevant] P_i                                            [Buckley & Voorhees 2000]
///
/// Models: RankingMeasure.
class AveragePrecision {
 public:
  /// @param cutoff  k, kWholeRanking for none
  /// @throws        ConfigError if cutoff < 0
  explicit AveragePrecision(Index cutoff = kWholeRanking)
      : cutoff_(detail::checked_cutoff("eval::AveragePrecision", cutoff, 0)) {}
  [[nodiscard]] double operator()(const JudgedRanking& ranking) const {
    double sum = 0;
    Index found = 0;
    Index rank = 0;
    for (const int relevance : detail::first_ranks(ranking.retrieved, cutoff_)) {
      ++rank;
      if (relevance >= ranking.relevance_level) {
        ++found;
        sum += static_cast<double>(found) / static_cast<double>(rank);
      }
    }
    return detail::ratio(sum, ranking.relevant);
  }
  [[nodiscard]] std::string name() const { return detail::cut_name("map", "_cut_", cutoff_); }

 private:
  Index cutoff_;
};

/// Reciprocal rank of the first relevant document, 0 if there is none within the cut-off: `recip_rank`,
/// `recip_rank_cut_k`. Its mean over queries is MRR (MRR@k).
///
/// Models: RankingMeasure.
class ReciprocalRank {
 public:
  /// @param cutoff  k, kWholeRanking for none
  /// @throws        ConfigError if cutoff < 0
  explicit ReciprocalRank(Index cutoff = kWholeRanking)
      : cutoff_(detail::checked_cutoff("eval::ReciprocalRank", cutoff, 0)) {}
  [[nodiscard]] double operator()(const JudgedRanking& ranking) const {
    Index rank = 0;
    for (const int relevance : detail::first_ranks(ranking.retrieved, cutoff_)) {
      ++rank;
      if (relevance >= ranking.relevance_level) {
        return 1 / static_cast<double>(rank);
      }
    }
    return 0;
  }
  [[nodiscard]] std::string name() const { return detail::cut_name("recip_rank", "_cut_", cutoff_); }

 private:
  Index cutoff_;
};

/// Recall at k: relevant documents among the first k over all relevant ones; `recall_k`.
///
/// Models: RankingMeasure.
class Recall {
 public:
  /// @throws  ConfigError if cutoff < 1
  explicit Recall(Index cutoff) : cutoff_(detail::checked_cutoff("eval::Recall", cutoff, 1)) {}
  [[nodiscard]] double operator()(const JudgedRanking& ranking) const {
    const auto ranks = detail::first_ranks(ranking.retrieved, cutoff_);
    const Index found = detail::relevant_among(ranks, ranking.relevance_level);
    return detail::ratio(static_cast<double>(found), ranking.relevant);
  }
  [[nodiscard]] std::string name() const { return detail::cut_name("recall", "_", cutoff_); }

 private:
  Index cutoff_;
};

/// Precision at k: relevant documents among the first k over k, also where fewer were retrieved; `P_k`.
///
/// Models: RankingMeasure.
class Precision {
 public:
  /// @throws  ConfigError if cutoff < 1
  explicit Precision(Index cutoff) : cutoff_(detail::checked_cutoff("eval::Precision", cutoff, 1)) {}
  [[nodiscard]] double operator()(const JudgedRanking& ranking) const {
    const auto ranks = detail::first_ranks(ranking.retrieved, cutoff_);
    return detail::ratio(static_cast<double>(detail::relevant_among(ranks, ranking.relevance_level)), cutoff_);
  }
  [[nodiscard]] std::string name() const { return detail::cut_name("P", "_", cutoff_); }

 private:
  Index cutoff_;
};

/// Success at k: 1 if a relevant document is among the first k; `success_k`.
///
/// Models: RankingMeasure.
class Success {
 public:
  /// @throws  ConfigError if cutoff < 1
  explicit Success(Index cutoff) : cutoff_(detail::checked_cutoff("eval::Success", cutoff, 1)) {}
  [[nodiscard]] double operator()(const JudgedRanking& ranking) const {
    const auto ranks = detail::first_ranks(ranking.retrieved, cutoff_);
    return detail::relevant_among(ranks, ranking.relevance_level) > 0 ? 1 : 0;
  }
  [[nodiscard]] std::string name() const { return detail::cut_name("success", "_", cutoff_); }

 private:
  Index cutoff_;
};

/// R-precision: precision at R, the number of relevant documents; `Rprec`.
///
/// Models: RankingMeasure.
class RPrecision {
 public:
  [[nodiscard]] double operator()(const JudgedRanking& ranking) const {
    // R == 0 must not read as "no cut-off"
    return ranking.relevant == 0 ? 0 : Precision(ranking.relevant)(ranking);
  }
  [[nodiscard]] std::string name() const { return "Rprec"; }
};

static_assert(RankingMeasure<Ndcg> && RankingMeasure<AveragePrecision> && RankingMeasure<ReciprocalRank> &&
              RankingMeasure<Recall> && RankingMeasure<Precision> && RankingMeasure<Success> &&
              RankingMeasure<RPrecision>);

}  // namespace reasonembed::eval
