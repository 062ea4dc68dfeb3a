#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/eval/evaluation_report.hpp>
#include <reasonembed/model/model_card.hpp>

#include <string>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// What a run knows for the card of the model it has trained: data sets with their rows, every option by name, and what
/// was found when the rows were checked for texts of benchmarks.
///
/// @param trainer  after or before `fit`, a Trainer
/// @param rows     what it was trained on
/// @return         a card without scores
template <class Trainer>
[[nodiscard]] model::ModelCard training_card(const Trainer& trainer, const data::TrainingRows& rows) {
  model::ModelCard card;
  for (const data::TrainingDataset& dataset : rows.datasets) {
    const Index reasoned = dataset.reasoning_count();
    card.datasets.push_back({.name = dataset.name(),
                             .rows = dataset.size(),
                             .note = reasoned == 0 ? "" : std::to_string(reasoned) + " with a reasoning query"});
  }
  card.settings = trainer.option_names();
  card.contamination = rows.contamination;
  return card;
}

/// @param dataset  that was scored on
/// @param row      of an evaluation report: its mean, over seeds if there are several
/// @param command  that prints it
[[nodiscard]] inline model::CardScore card_score(std::string dataset,
                                                 const eval::EvaluationRow& row,
                                                 std::string command = "") {
  return {std::move(dataset), row.metric, row.mean, std::move(command)};
}

}  // namespace reasonembed::train
