#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/sampler.hpp>
#include <reasonembed/data/training_batch.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/io/atomic_directory.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/loss/batch_loss.hpp>
#include <reasonembed/nn/parameters.hpp>
#include <reasonembed/optim/clip_gradient_norm.hpp>
#include <reasonembed/simd/reduce.hpp>
#include <reasonembed/train/adapter_names.hpp>
#include <reasonembed/train/checkpoint.hpp>
#include <reasonembed/train/contrastive_gradient.hpp>
#include <reasonembed/train/events.hpp>
#include <reasonembed/train/option_names.hpp>
#include <reasonembed/train/options.hpp>
#include <reasonembed/train/recipe.hpp>
#include <reasonembed/train/trainable.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// Trains a model, every weight or one of its adapters, on batches of queries and documents.
///
///   theta_{t+1} = optimizer(theta_t, clip(dloss/dtheta(batch_t)), lr f(t))      t = 0, 1, ..., total - 1
///
/// Killed at any moment and started again with the same options and rows, a run with checkpoints gives the model that
/// the uninterrupted run gives, to the bit (within one build and instruction-set level); so do a repeated run, and any
/// number of threads.
///
/// @tparam Model       models Trainable, such as model::TextEncoder
/// @tparam Loss        models loss::BatchLoss: loss::Contrastive<loss::Uniform> is InfoNCE,
///                     loss::Contrastive<loss::ReasoningIntensity> is Redapter
/// @tparam RecipeType  models TrainingRecipe: optimiser, schedule, sampler
/// @note  memory: three further numbers for each trained parameter with AdamW, one for each shard of the gradient
///        cache, and activations of one chunk a thread; plan_training says it in bytes. Neither copied nor moved
template <Trainable Model, loss::BatchLoss Loss, TrainingRecipe RecipeType = Recipe<>>
class Trainer {
 public:
  using Scalar = typename Model::Backend::Scalar;
  using Options = TrainerOptions<Loss, RecipeType>;
  using Optimizer = typename RecipeType::Optimizer;
  using Schedule = typename RecipeType::Schedule;
  using Sampler = typename RecipeType::Sampler;

  /// @param model  made trainable, whatever its residency was
  /// @throws       ConfigError naming the option that is out of its range
  explicit Trainer(Model model, Options options = {})
      : model_(trainable(std::move(model), options.adapter)),
        options_((require_options(options), std::move(options))),
        optimizer_(options_.optimizer),
        gradient_(model_, Loss(options_.loss), gradient_options(options_)) {
    collect_parameters();
    begin(options_.max_steps);
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;
  Trainer(Trainer&&) = delete;
  Trainer& operator=(Trainer&&) = delete;
  ~Trainer() = default;

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const Options& options() const { return options_; }
  /// @return  what has been done of the run
  [[nodiscard]] const RunState& state() const { return state_; }
  /// Gives the model away; the trainer can't be used any more.
  [[nodiscard]] Model take_model() && { return std::move(model_); }

  /// Trains on rows for the steps or epochs of the options: a run of its own, from the present weights, or the rest of
  /// the run whose checkpoint lies in `options.checkpoint.directory`.
  ///
  /// @param rows       unchanged until the call returns
  /// @param callbacks  each models Callback, e.g. ProgressBar, JsonlLog, a lambda that takes a StepReport
  /// @return           the same as the callbacks' RunEnd
  /// @throws           what the sampler throws for rows that make no batch; ConfigError if the checkpoint is of another
  ///                   run, naming the option; IoError if a checkpoint can't be written or read (an older one stays
  ///                   whole); NonFiniteError as NonFiniteSteps says; what a callback throws. The model is then that of
  ///                   the last complete step
  template <Callback... Callbacks>
  RunEnd fit(const data::TrainingRows& rows, Callbacks&&... callbacks) {
    const auto start = std::chrono::steady_clock::now();
    typename Sampler::Options sampling = options_.sampler;
    sampling.seed = options_.seed;
    Sampler sampler(rows, sampling);
    const std::int64_t epoch_steps = sampler.epoch_batches();
    begin(options_.max_steps > 0 ? options_.max_steps : checked_product(options_.epochs, epoch_steps));
    RunStart begun = describe(rows, sampler);
    resume(sampler, begun);
    detail::notify_all(begun, callbacks...);
    double loss = 0.0;
    while (!state_.finished && state_.step < total_) {
      sampler.next(batch_);
      StepReport report = step(batch_);
      loss = report.loss;
      report.epoch = static_cast<double>(state_.step) / static_cast<double>(epoch_steps);
      state_.sampler = sampler.state();
      const bool stop = detail::notify_all(std::as_const(report), callbacks...);
      state_.finished = stop || state_.step == total_;
      if (!options_.checkpoint.directory.empty() && (state_.finished || state_.step % options_.checkpoint.every == 0)) {
        save_checkpoint();
        detail::notify_all(CheckpointSaved{state_.step, options_.checkpoint.directory.string()}, callbacks...);
      }
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const RunEnd end{.steps = state_.step,
                     .total_steps = total_,
                     .skipped_steps = state_.skipped_steps,
                     .tokens = state_.tokens,
                     .missing_reasoning = state_.missing_reasoning,
                     .loss = loss,
                     .seconds = seconds.count()};
    detail::notify_all(end, callbacks...);
    return end;
  }

  /// Begins a run of `total` steps for whoever makes the batches: counters and moments from 0, weights as they are.
  /// @throws  ConfigError if total < 0
  void begin(std::int64_t total) {
    (void)Schedule(options_.schedule, total);  // refuses what is impossible now, not in the first step
    total_ = total;
    state_ = {};
    moments_ = {};  // first, or two runs' moments would be there at once
    moments_ = optimizer_.init(parameters_);
  }

  /// One step on a batch of the caller's.
  ///
  /// @return  the step; its spans live until the next one
  /// @throws  ConfigError after the last step of the run; NonFiniteError as NonFiniteSteps says, with the weights of
  ///          before; DataError naming a text that is not UTF-8
  StepReport step(const data::TrainingBatch& batch) {
    if (state_.step >= total_) {
      throw ConfigError::invalid("train::Trainer::step",
                                 "step",
                                 std::to_string(state_.step + 1),
                                 "at most " + std::to_string(total_) + ", the steps that begin() was given");
    }
    const auto start = std::chrono::steady_clock::now();
    const double lr = optimizer_.lr() * Schedule(options_.schedule, total_).factor(state_.step);
    StepReport report{.total_steps = total_,
                      .lr = lr,
                      .queries = batch.size(),
                      .documents = static_cast<Index>(batch.documents.size()),
                      .false_negatives = static_cast<Index>(batch.false_negatives.size())};
    try {
      take_step(batch, report);
      state_.skipped_in_a_row = 0;
    } catch (const NonFiniteError& error) {
      skip_or_throw(error);
      report.skipped = true;
    }
    ++state_.step;
    state_.tokens += report.tokens;
    state_.missing_reasoning += report.missing_reasoning;
    report.step = state_.step;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  }

  /// @return  (P) the gradient of the last step, clipped, by name
  [[nodiscard]] const std::vector<nn::ParameterSlice<Scalar>>& gradients() const { return gradient_.slices(); }
  /// @return  all options by name
  [[nodiscard]] io::Json option_names() const {
    io::Json names = {{"architecture", Model::Description::architecture()},
                      {"loss", {{"name", Loss::name()}, {"options", option_json(options_.loss)}}},
                      {"optimizer", {{"name", Optimizer::name}, {"options", option_json(options_.optimizer)}}},
                      {"schedule", {{"name", Schedule::name}, {"options", option_json(options_.schedule)}}},
                      {"sampler", option_json(options_.sampler)},
                      {"cache", option_json(options_.cache)},
                      {"total_steps", total_},
                      {"clip_norm", option_json(options_.clip_norm)},
                      {"query_tokens", options_.query_tokens},
                      {"document_tokens", options_.document_tokens},
                      {"dropout", options_.dropout},
                      {"non_finite", option_json(options_.non_finite)},
                      {"seed", options_.seed}};
    if constexpr (HasAdapters<Model>) {
      if (!options_.adapter.empty()) {
        names["adapter"] = adapter_names(model_.adapter(options_.adapter));
        names["adapter"]["frozen_weights"] = frozen_;
      }
    }
    return names;
  }

 private:
  static constexpr std::int64_t kMostSkipped = 10;
  static constexpr bool kTrainsWeights = std::same_as<typename Model::Backend::Store, Scalar>;

  /// Both roles use the adapter that is trained: the vectors trained are the vectors encoded.
  static Model trainable(Model model, const std::string& adapter) {
    if (adapter.empty() && !kTrainsWeights) {
      throw ConfigError::invalid("train::Trainer",
                                 "adapter",
                                 "empty",
                                 "the name of one, for weights in bf16 are frozen: load the model on "
                                 "backend::Cpu<float, bf16> to train them");
    }
    model.make_trainable();
    if constexpr (HasAdapters<Model>) {
      for (const std::string& used : {model.query_role().adapter, model.document_role().adapter}) {
        if (adapter.empty() && !used.empty()) {
          throw ConfigError::invalid(
              "train::Trainer", "adapter", "empty", io::in_quotes(used) + ", with which the model's roles encode");
        }
      }
      model.use_adapter(adapter);
    }
    return model;
  }
  void collect_parameters() {
    const auto collect = [this](const nn::ParameterSlice<Scalar>& slice) { parameters_.push_back(slice); };
    if (options_.adapter.empty()) {
      if constexpr (kTrainsWeights) {
        model_.update_weights([&](typename Model::Weights& weights) { model_.encoder().visit(weights, collect); });
      }
    } else if constexpr (HasAdapters<Model>) {
      model_.update_adapter(options_.adapter, [&](auto& adapter) { adapter.visit(collect); });
      frozen_ = fingerprint(model_.encoder(), model_.weights());
    }
  }
  /// Calls `change()`, which may write into the parameters, and makes the model use them.
  template <class Change>
  void update_parameters(Change&& change) {
    if constexpr (HasAdapters<Model>) {
      if (!options_.adapter.empty()) {
        model_.update_adapter(options_.adapter, [&](auto&) { change(); });
        return;
      }
    }
    model_.update_weights([&](typename Model::Weights&) { change(); });
  }
  static void require_options(const Options& options) {
    const auto require = [](bool possible, const char* name, const std::string& got, const char* want) {
      if (!possible) {
        throw ConfigError::invalid("train::Trainer", name, got, want);
      }
    };
    require(options.epochs >= 1, "epochs", std::to_string(options.epochs), "at least 1");
    require(options.max_steps >= 0, "max_steps", std::to_string(options.max_steps), "at least 0");
    require(options.clip_norm > 0.0, "clip_norm", std::to_string(options.clip_norm), "a number > 0");
    require(options.checkpoint.every >= 1, "checkpoint.every", std::to_string(options.checkpoint.every), "at least 1");
  }
  static ContrastiveGradientOptions gradient_options(const Options& options) {
    return {.query_tokens = options.query_tokens,
            .document_tokens = options.document_tokens,
            .dropout = options.dropout,
            .seed = options.seed,
            .adapter = options.adapter,
            .cache = options.cache};
  }
  static std::int64_t checked_product(std::int64_t epochs, std::int64_t steps) {
    if (epochs > std::numeric_limits<std::int64_t>::max() / steps) {
      throw ConfigError::invalid("train::Trainer",
                                 "epochs",
                                 std::to_string(epochs),
                                 "fewer for epochs of " + std::to_string(steps) + " steps");
    }
    return epochs * steps;
  }

  [[nodiscard]] RunStart describe(const data::TrainingRows& rows, const Sampler& sampler) const {
    RunStart begun{.total_steps = total_,
                   .epoch_steps = sampler.epoch_batches(),
                   .rows = rows.size(),
                   .parameters = optim::count_elements(parameters_),
                   .notes = rows.notes,
                   .options = option_names()};
    if constexpr (requires { sampler.notes(); }) {
      begun.notes.insert(begun.notes.end(), sampler.notes().begin(), sampler.notes().end());
    }
    const Loss& loss = gradient_.loss();
    if (!loss.needs_reasoning(std::numeric_limits<std::int64_t>::max())) {
      return begun;
    }
    if (!loss.needs_reasoning(total_ - 1)) {
      begun.notes.push_back(Loss::name() + ": the run of " + std::to_string(total_) +
                            " step(s) ends within the loss's warm-up, so reasoning is never measured");
    } else if (const Index missing = rows.size() - rows.reasoning_count(); missing > 0) {
      begun.notes.push_back(Loss::name() + ": " + std::to_string(missing) + " of " + std::to_string(rows.size()) +
                            " row(s) have no reasoning query; their intensity is taken as 1");
    }
    return begun;
  }

  void resume(Sampler& sampler, RunStart& begun) {
    const CheckpointOptions& checkpoint = options_.checkpoint;
    if (checkpoint.directory.empty()) {
      if (checkpoint.resume == Resume::kRequire) {
        throw ConfigError::invalid("train::Trainer", "checkpoint.directory", "empty", "where the run to resume lies");
      }
      return;
    }
    detail::require_checkpoint_place(checkpoint.directory);
    (void)io::restore_interrupted_directory(checkpoint.directory);
    (void)io::remove_abandoned_directories(checkpoint.directory);
    if (checkpoint.resume == Resume::kNever ||
        (checkpoint.resume == Resume::kAuto && !checkpoint_exists(checkpoint.directory))) {
      return;
    }
    update_parameters(
        [&] { state_ = read_checkpoint(checkpoint.directory, begun.options, parameters_, moments_, begun.notes); });
    sampler.seek(state_.sampler);
    begun.first_step = state_.step;
  }

  void save_checkpoint() {
    write_checkpoint(options_.checkpoint.directory, state_, option_names(), parameters_, moments_);
  }

  void take_step(const data::TrainingBatch& batch, StepReport& report) {
    const BatchEvaluation found = gradient_.evaluate(batch, state_.step);
    report.tokens = found.tokens;
    report.truncated = found.truncated;
    const double norm = optim::clip_gradient_norm(gradient_.gradient(), options_.clip_norm);
    if (!std::isfinite(norm)) {
      throw_non_finite_gradient(norm);
    }
    update_parameters([&] {
      if constexpr (requires {
                      optimizer_.step(moments_, parameters_, gradient_.slices(), report.lr, model_.pool());
                    }) {
        optimizer_.step(moments_, parameters_, gradient_.slices(), report.lr, model_.pool());
      } else {
        optimizer_.step(moments_, parameters_, gradient_.slices(), report.lr);
      }
    });
    const std::span<const double> intensities = found.loss.intensities;
    report.loss = found.loss.loss;
    report.measured = found.measured;
    report.mean_intensity =
        std::accumulate(intensities.begin(), intensities.end(), 0.0) / static_cast<double>(intensities.size());
    report.gradient_norm = norm;
    report.missing_reasoning = found.loss.missing_reasoning;
    report.losses = found.loss.losses;
    report.intensities = intensities;
    report.weights = found.loss.weights;
  }

  [[noreturn]] void throw_non_finite_gradient(double norm) const {
    for (const nn::ParameterSlice<Scalar>& slice : gradient_.slices()) {
      for (Index row = 0; row < slice.values.rows(); ++row) {
        if (const Index bad = simd::first_non_finite(std::span<const Scalar>(slice.values.row(row))); bad >= 0) {
          throw NonFiniteError::found("train::Trainer::step",
                                      "gradient of " + slice.name,
                                      static_cast<std::size_t>(row * slice.values.cols() + bad),
                                      static_cast<double>(slice.values(row, bad)));
        }
      }
    }
    throw NonFiniteError(reasonembed::detail::error_text(
        "train::Trainer::step", "length of the gradient", std::to_string(norm), "a finite number"));
  }

  void skip_or_throw(const NonFiniteError& error) {
    const std::string step = "step " + std::to_string(state_.step + 1) + ": ";
    if (options_.non_finite == NonFiniteSteps::kStop) {
      throw NonFiniteError(step + error.what() + "; weights and checkpoint are those of the step before");
    }
    ++state_.skipped_steps;
    if (++state_.skipped_in_a_row >= kMostSkipped) {
      throw NonFiniteError(step + error.what() + ", after " + std::to_string(kMostSkipped - 1) +
                           " skipped steps in a row");
    }
  }

  Model model_;
  Options options_;
  Optimizer optimizer_;
  ContrastiveGradient<Model, Loss> gradient_;
  std::vector<nn::ParameterSlice<Scalar>> parameters_;  // those that are trained, by name
  std::string frozen_;                                  // fingerprint of the weights, if an adapter is trained
  typename Optimizer::template State<Scalar> moments_;
  std::int64_t total_ = 0;
  RunState state_;
  data::TrainingBatch batch_;
};

}  // namespace reasonembed::train
