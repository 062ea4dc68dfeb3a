#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/qrels.hpp>
#include <reasonembed/eval/judged_ranking.hpp>
#include <reasonembed/eval/measure.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/retrieval/run.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// Which queries a mean runs over; queries without judgements never count.
enum class AverageOver : bool {
  kJudgedQueries,  ///< all of the judgements, a query that is missing in the run scores 0 (trec_eval -c)
  kRunQueries,     ///< those that the run has a ranking for (trec_eval without -c)
};

/// The precision in which scores are compared: two scores that agree in it are a tie.
enum class ScorePrecision : bool {
  kDouble,  ///< trec_eval 10
  kSingle,  ///< trec_eval 9 and older, pytrec_eval
};

/// Options of evaluate.
struct EvaluationOptions {
  std::vector<Measure> measures = {"ndcg_cut_10"};
  AverageOver average_over = AverageOver::kJudgedQueries;
  int relevance_level = 1;      ///< lowest relevance that counts as relevant, >= 1 (trec_eval -l)
  Index depth = kWholeRanking;  ///< ranks looked at, after ties are broken (trec_eval -M)
  ScorePrecision score_precision = ScorePrecision::kDouble;
};

/// What evaluate found: M measures of Q queries and their means.
struct Evaluation {
  std::vector<std::string> measures;        ///< (M) names
  std::vector<std::string> queries;         ///< (Q) ids, in the order of the judgements
  std::vector<std::vector<double>> values;  ///< (Q, M)
  std::vector<double> means;                ///< (M) unweighted over the queries
  Index retrieved = 0;                      ///< documents over all queries (num_ret)
  Index relevant = 0;                       ///< judged relevant over all queries (num_rel)
  Index relevant_retrieved = 0;             ///< num_rel_ret
  Index queries_without_ranking = 0;        ///< judged queries the run misses; they score 0 or are left out
  Index queries_without_judgements = 0;     ///< rankings left out, for nothing is known about their query
  Index queries_without_relevant = 0;       ///< among the Q: judged, but nothing is relevant; they score 0

  /// @return  the number of a measure, by the name trec_eval prints
  /// @throws  ConfigError if it was not asked for
  [[nodiscard]] std::size_t measure(std::string_view name) const {
    const auto found = std::find(measures.begin(), measures.end(), name);
    if (found == measures.end()) {
      std::string known;
      for (const std::string& one : measures) {
        known += (known.empty() ? "one of " : ", ") + one;
      }
      throw ConfigError::invalid("eval::Evaluation", "measure", io::in_quotes(name), known);
    }
    return static_cast<std::size_t>(found - measures.begin());
  }
  /// @throws  ConfigError as measure
  [[nodiscard]] double mean(std::string_view name) const { return means[measure(name)]; }
};

namespace detail {

/// The relevances of a ranking in trec_eval's order: by score, descending, then by the bytes of the document id,
/// DESCENDING: a fixed order that no retriever can choose.
inline std::vector<int> judged(const std::vector<retrieval::RunEntry>& ranking,
                               const data::Qrels::Judgements& judgements,
                               const EvaluationOptions& options) {
  std::vector<const retrieval::RunEntry*> order;
  order.reserve(ranking.size());
  for (const retrieval::RunEntry& entry : ranking) {
    order.push_back(&entry);
  }
  const bool single = options.score_precision == ScorePrecision::kSingle;
  const auto key = [single](const retrieval::RunEntry& entry) {
    return single ? static_cast<double>(static_cast<float>(entry.score)) : entry.score;
  };
  std::sort(order.begin(), order.end(), [&](const retrieval::RunEntry* a, const retrieval::RunEntry* b) {
    const double score_a = key(*a);
    const double score_b = key(*b);
    return score_a != score_b ? score_a > score_b : a->document > b->document;
  });
  if (options.depth != kWholeRanking && order.size() > static_cast<std::size_t>(options.depth)) {
    order.resize(static_cast<std::size_t>(options.depth));
  }
  std::vector<int> relevances;
  relevances.reserve(order.size());
  for (const retrieval::RunEntry* entry : order) {
    const auto judgement = judgements.find(entry->document);
    relevances.push_back(judgement == judgements.end() ? kNotJudged : judgement->second);
  }
  return relevances;
}

/// The positive relevances, the highest first.
inline std::vector<int> ideal_gains(const data::Qrels::Judgements& judgements) {
  std::vector<int> gains;
  for (const auto& [document, relevance] : judgements) {
    if (relevance > 0) {
      gains.push_back(relevance);
    }
  }
  std::sort(gains.begin(), gains.end(), std::greater<>());
  return gains;
}

inline void score_query(const std::string& query,
                        const std::vector<retrieval::RunEntry>& ranking,
                        const data::Qrels::Judgements& judgements,
                        const EvaluationOptions& options,
                        Evaluation& result) {
  const std::vector<int> retrieved = judged(ranking, judgements, options);
  const std::vector<int> ideal = ideal_gains(judgements);
  const int level = options.relevance_level;
  const JudgedRanking view{retrieved, ideal, level, relevant_among(ideal, level)};
  std::vector<double> values;
  values.reserve(options.measures.size());
  for (const Measure& measure : options.measures) {
    values.push_back(measure(view));
    if (!std::isfinite(values.back())) {
      throw NonFiniteError(
          reasonembed::detail::error_text("eval::evaluate: query " + io::in_quotes(query),
                                          measure.name(),
                                          std::isnan(values.back()) ? "nan" : std::to_string(values.back()),
                                          "a finite number"));
    }
  }
  result.retrieved += static_cast<Index>(retrieved.size());
  result.relevant += view.relevant;
  result.relevant_retrieved += relevant_among(retrieved, level);
  result.queries_without_relevant += view.relevant == 0 ? 1 : 0;
  result.queries.push_back(query);
  result.values.push_back(std::move(values));
}

inline void check_options(const EvaluationOptions& options) {
  if (options.relevance_level < 1) {
    throw ConfigError::invalid(
        "eval::evaluate", "relevance_level", std::to_string(options.relevance_level), "at least 1");
  }
  if (options.depth < 0) {
    throw ConfigError::invalid("eval::evaluate", "depth", std::to_string(options.depth), "at least 0");
  }
}

}  // namespace detail

/// Measures a run against judgements as trec_eval does.
///
/// Documents are ranked by score, descending, ties by the bytes of their id, descending; the order within the run plays
/// no part. Documents without a judgement are not relevant. Judgements of documents that were not retrieved count in
/// the ideal ranking and in recall.
///
/// @throws  ConfigError if an option is out of range, DataError if there is no query to average over, NonFiniteError if
///          a measure returns NaN or infinity
/// @note    O(n log n) for n retrieved documents; deterministic: sums run in the order of the judgements
[[nodiscard]] inline Evaluation evaluate(const retrieval::Run& run,
                                         const data::Qrels& qrels,
                                         const EvaluationOptions& options = {}) {
  detail::check_options(options);
  Evaluation result;
  for (const Measure& measure : options.measures) {
    result.measures.push_back(measure.name());
  }
  Index known = 0;
  for (Index i = 0; i < qrels.size(); ++i) {
    const std::string& query = qrels.queries()[static_cast<std::size_t>(i)];
    const std::vector<retrieval::RunEntry>* ranking = run.find(query);
    known += ranking == nullptr ? 0 : 1;
    if (ranking != nullptr) {
      detail::score_query(query, *ranking, qrels.judgements(i), options, result);
    } else if (options.average_over == AverageOver::kJudgedQueries) {
      detail::score_query(query, {}, qrels.judgements(i), options, result);
    }
  }
  result.queries_without_ranking = qrels.size() - known;
  result.queries_without_judgements = run.size() - known;
  // A run none of whose queries is known belongs to other judgements: 0 would be a wrong answer.
  if (result.queries.empty() || (known == 0 && !run.empty())) {
    throw DataError::invalid("eval::evaluate", "number of queries with a ranking and judgements", "0", "at least 1");
  }
  result.means.assign(options.measures.size(), 0);
  for (std::size_t m = 0; m < result.means.size(); ++m) {
    for (const std::vector<double>& values : result.values) {
      result.means[m] += values[m];
    }
    result.means[m] /= static_cast<double>(result.queries.size());
  }
  return result;
}

}  // namespace reasonembed::eval
