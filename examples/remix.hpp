#pragma once
/// @file ReMixer on the default data, with answers that were written for it in the place of a language model's.
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/remixer/annotate_relevance.hpp>
#include <reasonembed/remixer/assemble.hpp>
#include <reasonembed/remixer/benchmark_items.hpp>
#include <reasonembed/remixer/contamination.hpp>
#include <reasonembed/remixer/dense_retriever.hpp>
#include <reasonembed/remixer/generate_queries.hpp>
#include <reasonembed/remixer/inspect_items.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>
#include <reasonembed/remixer/pipeline.hpp>
#include <reasonembed/remixer/record_replay.hpp>
#include <reasonembed/remixer/sample_sources.hpp>
#include <reasonembed/remixer/write_reasoning_queries.hpp>

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace examples {

namespace re = reasonembed;
namespace rx = reasonembed::remixer;

/// Rows for the same queries, once with the documents that mining and annotation found relevant, once with the document
/// that the query was made from.
struct Remix {
  re::data::TrainingRows mined;
  re::data::TrainingRows source_as_positive;
};

/// What examples/data/remix.toml says.
inline rx::Task everyday_task() {
  return {.name = "everyday",
          .domain = "Science, technology and society",
          .query_form =
              "a question about an everyday situation, as somebody would post it who does not know the term "
              "for what puzzles them",
          .relevance =
              "it states the principle, mechanism, law or effect that explains the situation, so that whoever "
              "reads it can reason their way to the answer; speaking of the same things is not enough",
          .group_size = 8,
          .batch_size = 16};
}

inline re::data::TrainingRows rows_named(std::string name,
                                         std::vector<re::data::TrainingRow> rows,
                                         std::string contamination) {
  re::data::TrainingDataset dataset(std::move(name));
  for (re::data::TrainingRow& row : rows) {
    dataset.add(std::move(row));
  }
  re::data::TrainingRows all;
  all.datasets.push_back(std::move(dataset));
  all.contamination = std::move(contamination);
  return all;
}

/// Runs the pipeline of the paper on the corpus; documents judged for `held_out` are no sources.
///
/// @param recordings  directory of recorded answers
template <class Encoder>
Remix remix(const std::filesystem::path& recordings,
            const re::data::RetrievalDataset& held_out,
            const Encoder& encoder) {
  const std::vector<std::filesystem::path> files = {
      recordings / "queries.jsonl", recordings / "annotations.1.jsonl", recordings / "annotations.2.jsonl"};
  rx::Replay model(files);
  const rx::Task task = everyday_task();
  std::vector<rx::AnnotatedQuery> annotated;
  rx::Pipeline pipeline(
      rx::SampleSources({.most_documents = 72}, rx::benchmark_documents(held_out.qrels, held_out.queries)),
      rx::GenerateQueries(model, task, {.conditions = {.lengths = {{0, 40, 1}, {40, 80, 2}, {80, 120, 1}}}}),
      rx::MineCandidates(rx::DenseRetriever(encoder), held_out.corpus.texts(), "", {.kept = 10, .fill_gaps = true}),
      rx::AnnotateRelevance(model, task),
      rx::InspectItems<rx::AnnotatedQuery>(
          [&](std::span<const rx::AnnotatedQuery> items) { annotated.assign(items.begin(), items.end()); }),
      rx::Assemble(task),
      rx::WriteReasoningQueries(model, task));
  const auto result = pipeline.run(rx::source_documents(held_out.corpus));
  for (const rx::StageReport& report : result.reports) {
    if (const re::Index missing = report.failures_by(rx::CallFault::kNotRecorded); missing > 0) {
      std::fprintf(stderr, "%s: %td answers are not recorded\n", std::string(report.stage).c_str(), missing);
    }
  }
  std::vector<re::data::TrainingRow> source_rows = result.items;
  for (re::data::TrainingRow& row : source_rows) {
    for (const rx::AnnotatedQuery& query : annotated) {
      if (query.query == row.query) {
        row.pos = {query.source.text.str()};
        row.pos_scores = {};
        row.neg_scores = {};
      }
    }
  }
  rx::ContaminationGate gate;  // what it finds goes into the cards of models that these rows train
  gate.add("held-out questions", rx::benchmark_items(held_out));
  const std::string mined_leaks = gate.check(result.items).to_markdown();
  const std::string source_leaks = gate.check(source_rows).to_markdown();
  return {rows_named("mined", result.items, mined_leaks), rows_named("source", std::move(source_rows), source_leaks)};
}

}  // namespace examples
