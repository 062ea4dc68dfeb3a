#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/eval/evaluation_report.hpp>
#include <reasonembed/eval/score.hpp>
#include <reasonembed/eval/score_encoder.hpp>
#include <reasonembed/loss/batch_loss.hpp>
#include <reasonembed/model/model_card.hpp>
#include <reasonembed/retrieval/run.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>
#include <reasonembed/train/charts.hpp>
#include <reasonembed/train/history.hpp>
#include <reasonembed/train/jsonl_log.hpp>
#include <reasonembed/train/options.hpp>
#include <reasonembed/train/progress_bar.hpp>
#include <reasonembed/train/recipe.hpp>
#include <reasonembed/train/trainable.hpp>
#include <reasonembed/train/trainer.hpp>
#include <reasonembed/train/training_card.hpp>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// What several runs that differ in their seed alone have reached.
template <class Model>
struct SeedStudy {
  eval::EvaluationRow row;  ///< mean and spread over seeds; seconds of training and scoring, all seeds together
  NamedRuns runs;           ///< the history of each
  std::vector<double> scores = {};
  retrieval::Run last_run;  ///< what the last seed's model found
  model::ModelCard card;    ///< of the last model, without scores
  Model last_model;         ///< of the last seed
};

/// Trains the same start with several seeds, and scores each model on a retrieval dataset.
///
/// @tparam Loss     models loss::BatchLoss
/// @param name      for the report, the progress line, and directories below `options.checkpoint.directory`
/// @param start     makes the model that each run begins with, always the same
/// @param rows      to learn from
/// @param dataset   to be scored on, by nDCG@10
/// @param options   of the first run; each further one counts `seed` up by one. If they name a checkpoint directory,
///                  each run has its own below it, NAME-SEED, beside its log, so a study that was killed goes on
/// @param seeds     runs, >= 1
/// @param progress  how training and encoding are shown
/// @throws          ConfigError if seeds < 1; as Trainer::fit and eval::score_encoder
template <loss::BatchLoss Loss, TrainingRecipe RecipeType = Recipe<>, std::invocable Start>
  requires Trainable<std::invoke_result_t<Start>> && retrieval::TextEmbedder<std::invoke_result_t<Start>>
[[nodiscard]] SeedStudy<std::invoke_result_t<Start>> study_seeds(const std::string& name,
                                                                 Start&& start,
                                                                 const data::TrainingRows& rows,
                                                                 const data::RetrievalDataset& dataset,
                                                                 TrainerOptions<Loss, RecipeType> options,
                                                                 int seeds,
                                                                 const ProgressOptions& progress = {}) {
  using Model = std::invoke_result_t<Start>;
  if (seeds < 1) {
    throw ConfigError::invalid("train::study_seeds", "seeds", std::to_string(seeds), "at least 1");
  }
  const auto checkpoints = options.checkpoint.directory;
  std::vector<double> scores;
  NamedRuns runs{.name = name};
  model::ModelCard card;
  std::unique_ptr<Model> model;
  eval::ScoredRun scored;
  double seconds = 0.0;
  for (int i = 0; i < seeds; ++i) {
    const std::string run = name + "-" + std::to_string(options.seed);
    if (!checkpoints.empty()) {
      std::filesystem::create_directories(checkpoints);
      options.checkpoint.directory = checkpoints / run;
    }
    Trainer<Model, Loss, RecipeType> trainer(start(), options);
    ProgressBar bar(run, progress, i == 0);
    History& history = runs.runs.emplace_back();
    RunEnd end;
    if (checkpoints.empty()) {
      end = trainer.fit(rows, bar, RecordHistory(history));
    } else {  // a part of the run may have been before
      const auto log = checkpoints / (run + ".jsonl");
      end = trainer.fit(rows, bar, JsonlLog(log));
      history = read_history(log);
    }
    card = training_card(trainer, rows);
    model = std::make_unique<Model>(std::move(trainer).take_model());
    scored = eval::score_encoder(run, dataset, *model, {}, progress);
    scores.push_back(scored.row.mean);
    seconds += end.seconds + scored.row.seconds;
    ++options.seed;
  }
  return {eval::summarize(name, scored.row.metric, scores, seconds),
          std::move(runs),
          std::move(scores),
          std::move(scored.run),
          std::move(card),
          std::move(*model)};
}

}  // namespace reasonembed::train
