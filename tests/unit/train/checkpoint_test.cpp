#include <reasonembed/train/checkpoint.hpp>
#include <reasonembed/train/trainer.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/scratch.hpp>
#include <support/training.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::train::Flow;
using re::train::Resume;
using re::train::StepReport;

namespace {

using Trainer = re::train::Trainer<test::ByteBert<>, test::Redapter>;
using Options = Trainer::Options;

Options options_in(const std::filesystem::path& directory) {
  return {.loss = {.temperature = 0.1, .weighting = {.warmup_steps = 4}},
          .optimizer = {.lr = 1e-2},
          .sampler = {.group_size = 3, .batch_size = 4},
          .cache = {.chunk_tokens = 64, .shards = 2},
          .epochs = 2,
          .checkpoint = {.directory = directory, .every = 2}};
}

/// Thrown by a callback in the place of a kill.
struct Killed {};

/// Trains until `steps` steps have been taken, then throws; the checkpoints are those of a killed process.
void run_until(std::int64_t steps, const Options& options) {
  Trainer trainer(test::byte_bert(), options);
  CHECK_THROWS_AS(trainer.fit(test::tiny_rows(),
                              [&](const StepReport& report) {
                                if (report.step == steps) {
                                  throw Killed{};
                                }
                              }),
                  Killed);
}

struct Outcome {
  std::vector<float> weights;
  std::vector<std::int64_t> steps;
  std::vector<std::string> notes;
  re::train::RunEnd end;
};
Outcome run(const Options& options, int rows = 24) {
  Trainer trainer(test::byte_bert(), options);
  Outcome outcome;
  outcome.end = trainer.fit(
      test::tiny_rows(rows),
      [&](const StepReport& report) { outcome.steps.push_back(report.step); },
      [&](const re::train::RunStart& start) { outcome.notes = start.notes; });
  outcome.weights = test::weights_of(trainer.model());
  return outcome;
}

template <class Error>
std::string refusal(const Options& options, const std::filesystem::path& directory, int rows = 24) {
  std::string message = "nothing thrown";
  try {
    (void)run(options, rows);
  } catch (const Error& error) {
    message = error.what();
  }
  for (std::size_t at = message.find(directory.string()); at != std::string::npos;
       at = message.find(directory.string())) {
    message.replace(at, directory.string().size(), "D");
  }
  return message;
}

}  // namespace

TEST_SUITE("train/checkpoint") {
  TEST_CASE("fit: a run that ended after any step goes on to the same weights, to the bit") {
    const test::Scratch scratch;
    const std::vector<float> want = run(options_in(scratch / "alone")).weights;
    for (std::int64_t step = 1; step <= 12; ++step) {
      CAPTURE(step);
      const auto place = scratch / ("killed" + std::to_string(step));
      run_until(step, options_in(place));
      const Outcome rest = run(options_in(place));
      CHECK(rest.steps.front() == (step - 1) / 2 * 2 + 1);
      CHECK(rest.steps.back() == 12);
      CHECK(test::same_bits(rest.weights, want));
      CHECK(rest.end.steps == 12);
    }
  }
  TEST_CASE("fit: counters of the whole run survive") {
    const test::Scratch scratch;
    const Outcome alone = run(options_in(scratch / "alone"));
    run_until(9, options_in(scratch / "killed"));
    const Outcome rest = run(options_in(scratch / "killed"));
    CHECK(rest.end.tokens == alone.end.tokens);
    CHECK(rest.end.missing_reasoning == alone.end.missing_reasoning);
    CHECK(rest.end.missing_reasoning > 0);
  }
  TEST_CASE("fit: a run that has ended is not run again, nor one that a callback has stopped") {
    const test::Scratch scratch;
    const Options options = options_in(scratch / "run");
    const Outcome first = run(options);
    const Outcome again = run(options);
    CHECK(again.steps.empty());
    CHECK(again.end.steps == 12);
    CHECK(test::same_bits(again.weights, first.weights));

    Trainer stopped(test::byte_bert(), options_in(scratch / "stopped"));
    (void)stopped.fit(test::tiny_rows(),
                      [](const StepReport& report) { return report.step == 5 ? Flow::kStop : Flow::kContinue; });
    const Outcome after = run(options_in(scratch / "stopped"));
    CHECK(after.steps.empty());
    CHECK(after.end.steps == 5);
    CHECK(test::same_bits(after.weights, test::weights_of(stopped.model())));
  }
  TEST_CASE("fit: kNever begins anew, kRequire wants a checkpoint") {
    const test::Scratch scratch;
    Options options = options_in(scratch / "run");
    run_until(7, options);
    options.checkpoint.resume = Resume::kNever;
    CHECK(run(options).steps.front() == 1);
    options.checkpoint.resume = Resume::kRequire;
    CHECK(run(options).steps.empty());
    options.checkpoint.directory = scratch / "elsewhere";
    CHECK(refusal<re::IoError>(options, scratch.path()) ==
          "D/elsewhere/state.json: file is missing, expected a readable file");
    options.checkpoint.directory.clear();
    CHECK(refusal<re::ConfigError>(options, scratch.path()) ==
          "train::Trainer: checkpoint.directory is empty, expected where the run to resume lies");
  }
  TEST_CASE("fit: a checkpoint of a run with other options is refused, and the option named") {
    const test::Scratch scratch;
    const auto place = scratch / "run";
    run_until(5, options_in(place));
    const std::string prefix = "D/run/state.json: a run with other options: ";
    const auto refuse = [&](auto change, const std::string& message) {
      Options options = options_in(place);
      change(options);
      CHECK(refusal<re::ConfigError>(options, scratch.path()) == prefix + message + ", as the run began");
    };
    refuse([](Options& o) { o.optimizer.lr = 2e-2; }, "optimizer.options.lr is 0.02, expected 0.01");
    refuse([](Options& o) { o.loss.temperature = 0.2; }, "loss.options.temperature is 0.2, expected 0.1");
    refuse([](Options& o) { o.loss.weighting.warmup_steps = 5; },
           "loss.options.weighting.warmup_steps is 5, expected 4");
    refuse([](Options& o) { o.schedule.warmup_steps = 3; }, "schedule.options.warmup_steps is 3, expected null");
    refuse([](Options& o) { o.cache.chunk_tokens = 65; }, "cache.chunk_tokens is 65, expected 64");
    refuse([](Options& o) { o.cache.shards = 3; }, "cache.shards is 3, expected 2");
    refuse([](Options& o) { o.epochs = 3; }, "total_steps is 18, expected 12");
    refuse([](Options& o) { o.max_steps = 9; }, "total_steps is 9, expected 12");
    refuse([](Options& o) { o.seed = 1; }, "seed is 1, expected 42");
    refuse([](Options& o) { o.clip_norm = 2.0; }, "clip_norm is 2.0, expected 1.0");
    refuse([](Options& o) { o.dropout = false; }, "dropout is false, expected true");
    refuse([](Options& o) { o.query_tokens = 9; }, "query_tokens is 9, expected 512");
    refuse([](Options& o) { o.sampler.group_size = 2; }, "sampler.group_size is 2, expected 3");
    Options same = options_in(place);  // what does not change a number may change
    same.cache.keep_bytes = 0;
    same.checkpoint.every = 5;
    CHECK(run(same).steps.front() == 5);
  }
  TEST_CASE("fit: other rows than those the run began with are refused") {
    const test::Scratch scratch;
    Options options = options_in(scratch / "run");
    options.max_steps = 12;
    run_until(5, options);
    CHECK(refusal<re::ConfigError>(options, scratch.path(), 25)
              .starts_with("data::SameTaskSampler: fingerprint of the position is "));
  }
  TEST_CASE("fit: a checkpoint of another loss or architecture is refused by name") {
    const test::Scratch scratch;
    run_until(5, options_in(scratch / "run"));
    re::train::Trainer<test::ByteBert<>, test::InfoNce> other(test::byte_bert(),
                                                              {.loss = {.temperature = 0.1},
                                                               .optimizer = {.lr = 1e-2},
                                                               .sampler = {.group_size = 3, .batch_size = 4},
                                                               .cache = {.chunk_tokens = 64, .shards = 2},
                                                               .epochs = 2,
                                                               .checkpoint = {.directory = scratch / "run"}});
    CHECK_THROWS_AS(other.fit(test::tiny_rows()), re::ConfigError);
    re::train::Trainer<test::ByteQwen3<>, test::Redapter> decoder(test::byte_qwen3(), options_in(scratch / "run"));
    CHECK_THROWS_AS(decoder.fit(test::tiny_rows()), re::ConfigError);
  }
  TEST_CASE("write_checkpoint: a full disk leaves the old one whole, and says so") {
    const test::Scratch scratch;
    const auto place = scratch / "run";
    run_until(5, options_in(place));  // a checkpoint of step 4
    const std::string state = test::content_of(place / "state.json");
    const std::string weights = test::content_of(place / "weights.safetensors");
    std::string message;
    {
      Trainer trainer(test::byte_bert(), options_in(place));
      const test::FileSizeLimit limit(2048);
      message = refusal<re::IoError>(options_in(place), scratch.path());
    }
    CHECK(
        message ==
        "D/run/weights.safetensors: write is refused by the system (File too large), expected room for all bytes; the "
        "directory still holds what it held before");
    CHECK(test::content_of(place / "state.json") == state);
    CHECK(test::content_of(place / "weights.safetensors") == weights);
    CHECK(scratch.count() == 1);  // nothing half-written beside it
    const test::Scratch other;
    CHECK(test::same_bits(run(options_in(place)).weights, run(options_in(other / "run")).weights));
  }
  TEST_CASE("fit: a directory that holds other files is never replaced") {
    const test::Scratch scratch;
    std::filesystem::create_directory(scratch / "photos");
    (void)scratch.write("photos/cat.png", "meow");
    CHECK(refusal<re::ConfigError>(options_in(scratch / "photos"), scratch.path()) ==
          "train::Checkpoint: D/photos: content is \"cat.png\", which a checkpoint would delete, expected no directory "
          "yet, an empty one, or a checkpoint and nothing else");
    CHECK(test::content_of(scratch / "photos/cat.png") == "meow");
  }
  TEST_CASE("read_checkpoint: malformed files are refused where they are wrong") {
    const auto broken = [](auto change) {
      const test::Scratch scratch;
      const auto place = scratch / "run";
      run_until(5, options_in(place));
      change(place);
      return refusal<re::Error>(options_in(place), scratch.path());
    };
    CHECK(broken([](const auto& place) { test::replace_in(place / "state.json", "\"step\": 4", "\"step\": -4"); }) ==
          "D/run/state.json: step is -4, expected an integer >= 0");
    CHECK(broken([](const auto& place) { test::replace_in(place / "state.json", "\"format\": 1", "\"format\": 2"); }) ==
          "D/run/state.json: format is 2, expected an integer in [1, 1]");
    CHECK(broken([](const auto& place) {
            test::replace_in(place / "state.json", "\"batch\": 4", "\"batch\": 400");
          }).starts_with("data::SameTaskSampler: batch is 400, expected in [0, 6]"));
    CHECK(broken([](const auto& place) {
            std::filesystem::remove(place / "optimizer.safetensors");
          }).starts_with("D/run/optimizer.safetensors: "));
    CHECK(broken([](const auto& place) {
            std::filesystem::resize_file(place / "weights.safetensors",
                                         std::filesystem::file_size(place / "weights.safetensors") - 8);
          }).starts_with("D/run/weights.safetensors: "));
    CHECK(broken([](const auto& place) {
            std::filesystem::resize_file(place / "state.json", 20);
          }).starts_with("D/run/state.json: JSON is malformed at "));
  }
  TEST_CASE("read_checkpoint: one of another instruction-set level goes on, with a note") {
    const test::Scratch scratch;
    run_until(5, options_in(scratch / "run"));
    const std::string level = re::simd::name_of(re::simd::best_level());
    test::replace_in(scratch / "run" / "state.json", "\"level\": \"" + level + "\"", "\"level\": \"abacus\"");
    const Outcome rest = run(options_in(scratch / "run"));
    REQUIRE(!rest.notes.empty());
    CHECK(rest.notes.back() == (scratch / "run").string() + ": written at instruction-set level abacus, this is " +
                                   level + ": the run goes on with other roundings than it began with");
    CHECK(rest.steps.front() == 5);
  }
}
