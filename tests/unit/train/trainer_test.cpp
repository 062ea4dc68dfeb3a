#include <reasonembed/train/trainer.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/scratch.hpp>
#include <support/training.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::train::Flow;
using re::train::RunEnd;
using re::train::RunStart;
using re::train::StepReport;
using test::InfoNce;
using test::Redapter;

namespace {

using Bert = test::ByteBert<>;
template <class Loss, class Model = Bert>
using Trainer = re::train::Trainer<Model, Loss>;
using Options = Trainer<Redapter>::Options;

/// Twelve steps of four queries; intensities are measured from the fifth on.
Options short_run() {
  return {.loss = {.temperature = 0.1, .weighting = {.warmup_steps = 4}},
          .optimizer = {.lr = 1e-2, .weight_decay = 0.01},
          .sampler = {.group_size = 3, .batch_size = 4},
          .cache = {.chunk_tokens = 64, .shards = 2},
          .epochs = 2};
}

/// @return  the weights after a run, and its losses
struct Outcome {
  std::vector<float> weights;
  std::vector<double> losses;
  RunEnd end;
};
template <class Loss = Redapter>
Outcome run(typename Trainer<Loss>::Options options, int threads = 1) {
  Trainer<Loss> trainer(test::byte_bert(0.1, {.threads = threads}), std::move(options));
  Outcome outcome;
  outcome.end =
      trainer.fit(test::tiny_rows(), [&](const StepReport& report) { outcome.losses.push_back(report.loss); });
  outcome.weights = test::weights_of(trainer.model());
  return outcome;
}

}  // namespace

TEST_SUITE("train/trainer") {
  TEST_CASE("fit: the loss falls, and every step is reported") {
    Options options = short_run();
    options.epochs = 10;
    Trainer<Redapter> trainer(test::byte_bert(0.0), options);
    std::vector<StepReport> reports;
    RunStart start;
    RunEnd end;
    (void)trainer.fit(
        test::tiny_rows(),
        [&](const RunStart& event) { start = event; },
        [&](const StepReport& report) {
          CHECK(report.losses.size() == 4);
          CHECK(report.weights.size() == 4);
          double sum = 0.0;
          for (std::size_t i = 0; i < 4; ++i) {
            sum += report.weights[i] * report.losses[i];
          }
          CHECK(std::abs(sum - report.loss) <= 1e-12);
          reports.push_back(report);
        },
        [&](const RunEnd& event) { end = event; });
    CHECK(start.first_step == 0);
    CHECK(start.total_steps == 60);
    CHECK(start.epoch_steps == 6);
    CHECK(start.rows == 24);
    CHECK(start.parameters == static_cast<Index>(test::weights_of(trainer.model()).size()));
    REQUIRE(reports.size() == 60);
    Index tokens = 0;
    for (std::size_t i = 0; i < reports.size(); ++i) {
      CHECK(reports[i].step == static_cast<std::int64_t>(i) + 1);
      CHECK(reports[i].epoch == doctest::Approx(static_cast<double>(i + 1) / 6.0));
      CHECK(reports[i].measured == (i >= 4));
      CHECK(reports[i].queries == 4);
      CHECK(reports[i].documents == 12);
      CHECK(reports[i].tokens > 16);
      CHECK(reports[i].gradient_norm > 0.0);
      tokens += reports[i].tokens;
    }
    CHECK(reports.front().lr == 0.0);  // a warm-up begins with 0
    CHECK(end.steps == 60);
    CHECK(end.tokens == tokens);
    CHECK(end.missing_reasoning > 0);
    const auto mean = [&](std::size_t first) {
      double sum = 0.0;
      for (std::size_t i = first; i < first + 12; ++i) {
        sum += reports[i].loss;
      }
      return sum / 12.0;
    };
    CHECK(mean(48) < 0.5 * mean(0));
  }
  TEST_CASE("fit: a run and its repeat, with 1, 2 and 3 threads, are the same to the bit") {
    const Outcome first = run(short_run());
    for (const int threads : {1, 2, 3}) {
      CAPTURE(threads);
      const Outcome again = run(short_run(), threads);
      CHECK(test::same_bits(again.weights, first.weights));
      CHECK(again.losses == first.losses);
    }
  }
  TEST_CASE("fit: another seed draws other batches and masks") {
    Options other = short_run();
    other.seed = 43;
    CHECK(run(other).losses != run(short_run()).losses);
  }
  TEST_CASE("fit: Redapter whose weights are all equal is InfoNCE to the bit") {
    Options options = short_run();
    options.loss.weighting = {.ceiling = 1e-9, .warmup_steps = 2};  // every intensity is clamped to the same
    const Outcome clamped = run(options);
    const Options with = short_run();
    const Outcome uniform = run<InfoNce>({.loss = {.temperature = 0.1},
                                          .optimizer = with.optimizer,
                                          .sampler = with.sampler,
                                          .cache = with.cache,
                                          .epochs = 2});
    CHECK(test::same_bits(clamped.weights, uniform.weights));
    CHECK(clamped.losses == uniform.losses);
    CHECK(run(with).losses != uniform.losses);
  }
  TEST_CASE("fit: an encoder that was loaded to serve is trained like one that was loaded to train") {
    Trainer<Redapter> serve(test::byte_bert(0.1, {.threads = 1, .residency = re::model::Residency::kServe}),
                            short_run());
    (void)serve.fit(test::tiny_rows());
    CHECK(test::same_bits(test::weights_of(serve.model()), run(short_run()).weights));
  }
  TEST_CASE("fit: the trained model encodes with its new weights") {
    Trainer<Redapter> trainer(test::byte_bert(), short_run());
    const re::Matrix<float> before = trainer.model().encode_query({"why salt?"});
    (void)trainer.fit(test::tiny_rows());
    const re::Matrix<float> after = trainer.model().encode_query({"why salt?"});
    CHECK(!test::same_bits<float>(before.flat(), after.flat()));
    const test::Scratch scratch;
    trainer.model().save(scratch / "model");
    const Bert loaded = Bert::load(scratch / "model", {.threads = 1});
    CHECK(test::same_bits<float>(loaded.encode_query({"why salt?"}).flat(), after.flat()));
    const Bert taken = std::move(trainer).take_model();
    CHECK(test::same_bits<float>(taken.encode_query({"why salt?"}).flat(), after.flat()));
  }
  TEST_CASE("fit: a causal decoder trains from random weights") {
    Trainer<Redapter, test::ByteQwen3<>> trainer(test::byte_qwen3(), short_run());
    std::vector<double> losses;
    (void)trainer.fit(test::tiny_rows(), [&](const StepReport& report) { losses.push_back(report.loss); });
    CHECK(losses.size() == 12);
    CHECK(losses.back() < losses.front());
  }
  TEST_CASE("fit: max_steps ends within an epoch, or goes on beyond it") {
    for (const std::int64_t steps : {1, 7, 13}) {
      Options options = short_run();
      options.max_steps = steps;
      CHECK(run(options).losses.size() == static_cast<std::size_t>(steps));
    }
  }
  TEST_CASE("fit: a second call is a run of its own, from the weights there are") {
    Trainer<Redapter> trainer(test::byte_bert(), short_run());
    (void)trainer.fit(test::tiny_rows());
    const std::vector<float> middle = test::weights_of(trainer.model());
    std::int64_t first = 0;
    (void)trainer.fit(test::tiny_rows(), [&](const StepReport& report) { first = first == 0 ? report.step : first; });
    CHECK(first == 1);
    CHECK(!test::same_bits(test::weights_of(trainer.model()), middle));
  }
  TEST_CASE("fit: a callback ends the run, and all callbacks see its last step") {
    Trainer<Redapter> trainer(test::byte_bert(), short_run());
    std::int64_t seen = 0;
    const RunEnd end = trainer.fit(
        test::tiny_rows(),
        [](const StepReport& report) { return report.step == 3 ? Flow::kStop : Flow::kContinue; },
        [&](const StepReport& report) { seen = report.step; });
    CHECK(end.steps == 3);
    CHECK(end.total_steps == 12);
    CHECK(seen == 3);
  }
  TEST_CASE("fit: what is unusual is told before the first step") {
    const auto notes_of = [](const Options& options) {
      Trainer<Redapter> trainer(test::byte_bert(), options);
      re::data::TrainingRows rows = test::tiny_rows(22);
      rows.notes = {"a note of the reader"};
      std::vector<std::string> notes;
      (void)trainer.fit(rows, [&](const RunStart& start) { notes = start.notes; });
      return notes;
    };
    CHECK(
        notes_of(short_run()) ==
        std::vector<std::string>{
            "a note of the reader",
            "tiny: 2 of 22 row(s) with groups of 3 are left out of each epoch, other ones each time, by batches of 4",
            "contrastive<reasoning_intensity>: 4 of 22 row(s) have no reasoning query; their intensity is taken as 1"});
    Options never = short_run();
    never.loss.weighting.warmup_steps = 100;
    CHECK(notes_of(never).back() ==
          "contrastive<reasoning_intensity>: the run of 10 step(s) ends within the loss's warm-up, so reasoning is "
          "never measured");
  }
  TEST_CASE("constructor: options out of range are refused by name") {
    const auto refuse = [](auto change, const char* message) {
      Options options = short_run();
      change(options);
      CHECK_THROWS_WITH_AS(Trainer<Redapter>(test::byte_bert(), options), message, re::ConfigError);
    };
    refuse([](Options& o) { o.epochs = 0; }, "train::Trainer: epochs is 0, expected at least 1");
    refuse([](Options& o) { o.max_steps = -1; }, "train::Trainer: max_steps is -1, expected at least 0");
    refuse([](Options& o) { o.clip_norm = 0.0; }, "train::Trainer: clip_norm is 0.000000, expected a number > 0");
    refuse([](Options& o) { o.clip_norm = std::nan(""); }, "train::Trainer: clip_norm is nan, expected a number > 0");
    refuse([](Options& o) { o.checkpoint.every = 0; }, "train::Trainer: checkpoint.every is 0, expected at least 1");
    refuse([](Options& o) { o.query_tokens = 0; },
           "train::ContrastiveGradient: query_tokens is 0, expected at least 1");
    refuse([](Options& o) { o.document_tokens = -2; },
           "train::ContrastiveGradient: document_tokens is -2, expected at least 1");
    refuse([](Options& o) { o.cache.shards = 0; }, "train::GradientCache: shards is 0, expected at least 1");
    refuse([](Options& o) { o.optimizer.lr = -1.0; }, "optim::AdamW: lr is -1.000000, expected a number >= 0");
    refuse([](Options& o) { o.loss.temperature = 0.0; },
           "loss::Contrastive: temperature is 0.000000, expected a number > 0");
  }
  TEST_CASE("fit: no rows, and more epochs than steps can be counted, are refused") {
    Trainer<Redapter> trainer(test::byte_bert(), short_run());
    CHECK_THROWS_WITH_AS(trainer.fit(re::data::TrainingRows{}),
                         "data::SameTaskSampler: number of batches is 0, expected rows to train on",
                         re::ConfigError);
    Options options = short_run();
    options.epochs = std::numeric_limits<std::int64_t>::max();
    Trainer<Redapter> endless(test::byte_bert(), options);
    CHECK_THROWS_WITH_AS(endless.fit(test::tiny_rows()),
                         "train::Trainer: epochs is 9223372036854775807, expected fewer for epochs of 6 steps",
                         re::ConfigError);
  }
  TEST_CASE("step: after the run's last one there is no further") {
    Trainer<Redapter> trainer(test::byte_bert(), short_run());
    CHECK_THROWS_WITH_AS(trainer.step({}),
                         "train::Trainer::step: step is 1, expected at most 0, the steps that begin() was given",
                         re::ConfigError);
  }
}
