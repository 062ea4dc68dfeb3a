#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

#include <concepts>
#include <span>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// Relevance of a retrieved document that nobody judged.
inline constexpr int kNotJudged = -1;

/// What a measure sees of one query: the judgements of the documents retrieved, and of all documents judged.
struct JudgedRanking {
  /// Relevance by rank, kNotJudged where there is none; negative judgements are kept as they are.
  std::span<const int> retrieved;
  /// The positive relevances of all judged documents, retrieved or not, the highest first.
  std::span<const int> ideal;
  /// Lowest relevance that counts as relevant for measures without gains; >= 1.
  int relevance_level = 1;
  /// Judged documents of at least that level, retrieved or not.
  Index relevant = 0;
};

/// A measure of one ranking against its judgements.
///
/// Valid expressions, with `m` a const object of the type:
///   m(ranking)   the value, a double that is finite for every JudgedRanking; 0 where nothing is relevant
///   m.name()     a std::string that names the measure and its parameters, as trec_eval prints it
/// Models must not depend on anything but the ranking, and be safe to call from many threads.
template <class T>
concept RankingMeasure = requires(const T& measure, const JudgedRanking& ranking) {
  { measure(ranking) } -> std::same_as<double>;
  { measure.name() } -> std::same_as<std::string>;
};

}  // namespace reasonembed::eval
