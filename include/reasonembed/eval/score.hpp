#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/eval/evaluate.hpp>
#include <reasonembed/eval/evaluation_report.hpp>
#include <reasonembed/eval/retrieve.hpp>
#include <reasonembed/retrieval/run.hpp>

#include <chrono>
#include <span>
#include <string>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::eval {

/// What a system found, and how good it is.
struct ScoredRun {
  retrieval::Run run;
  EvaluationRow row;
};

/// Searches for every query of a dataset and measures the result by nDCG@10.
///
/// @param name    of the system, for the report
/// @param search  see DatasetSearch; its time is the row's `seconds`, so indexing inside of it counts
/// @throws        as retrieve and evaluate
template <DatasetSearch Search>
[[nodiscard]] ScoredRun score(std::string name,
                              const data::RetrievalDataset& dataset,
                              Search&& search,
                              const RetrieveOptions& options = {}) {
  constexpr const char* kMetric = "ndcg_cut_10";
  const auto start = std::chrono::steady_clock::now();
  retrieval::Run run = retrieve(dataset, search, options);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const double mean = evaluate(run, dataset.qrels, EvaluationOptions{.measures = {kMetric}}).mean(kMetric);
  return {std::move(run), summarize(std::move(name), kMetric, std::span(&mean, 1), elapsed.count())};
}

}  // namespace reasonembed::eval
