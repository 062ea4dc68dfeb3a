#include <reasonembed/train/history.hpp>
#include <reasonembed/train/jsonl_log.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/training.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::train::History;
using re::train::JsonlLog;
using re::train::read_history;
using re::train::RecordHistory;
using re::train::RunStart;
using re::train::StepReport;

namespace {

using Trainer = re::train::Trainer<test::ByteBert<>, test::Redapter>;

Trainer::Options short_run() {
  return {.loss = {.temperature = 0.1, .weighting = {.warmup_steps = 2}},
          .optimizer = {.lr = 1e-2},
          .sampler = {.group_size = 3, .batch_size = 4}};
}

/// The message of the refusal of a log whose third line is `line`, without its path; "accepted" if there is none.
std::string refusal(const test::Scratch& scratch, const std::string& line) {
  const auto path =
      scratch.write("log.jsonl", "{\"event\":\"start\"}\n{\"event\":\"step\",\"step\":1,\"loss\":0.5}\n" + line + "\n");
  try {
    (void)read_history(path);
  } catch (const re::DataError& error) {
    std::string message = error.what();
    REQUIRE(message.starts_with(path.string()));
    return message.substr(path.string().size());
  }
  return "accepted";
}

}  // namespace

TEST_SUITE("train/history") {
  TEST_CASE("read_history: a log gives back, to the bit, what was recorded during the run") {
    const test::Scratch scratch;
    Trainer trainer(test::byte_bert(), short_run());
    History recorded;
    (void)trainer.fit(test::tiny_rows(), RecordHistory(recorded), JsonlLog(scratch / "log.jsonl"));
    CHECK(recorded.steps == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
    CHECK(recorded.losses.size() == 6);
    CHECK(recorded.measured_steps == std::vector<std::int64_t>{3, 4, 5, 6});
    CHECK(recorded.mean_intensities.size() == 4);
    CHECK(recorded.intensities.size() == 4 * 4);
    CHECK(read_history(scratch / "log.jsonl") == recorded);
  }
  TEST_CASE("read_history: the log of a run in two parts is that of the run in one") {
    const test::Scratch scratch;
    Trainer::Options options = short_run();
    History whole;
    (void)Trainer(test::byte_bert(), options).fit(test::tiny_rows(), RecordHistory(whole));
    options.checkpoint = {.directory = scratch / "run", .every = 2};
    {
      Trainer trainer(test::byte_bert(), options);
      CHECK_THROWS_AS(trainer.fit(test::tiny_rows(),
                                  JsonlLog(scratch / "log.jsonl"),
                                  [](const StepReport& report) {
                                    if (report.step == 3) {
                                      throw std::runtime_error("killed");
                                    }
                                  }),
                      std::runtime_error);
    }
    (void)Trainer(test::byte_bert(), options).fit(test::tiny_rows(), JsonlLog(scratch / "log.jsonl"));
    CHECK(read_history(scratch / "log.jsonl") == whole);
  }
  TEST_CASE("RecordHistory: a run that starts clears what was there, and skipped steps are left out") {
    History history{
        .steps = {9}, .losses = {9.0}, .measured_steps = {9}, .mean_intensities = {9.0}, .intensities = {9}};
    const RecordHistory record(history);
    record(RunStart{});
    CHECK(history == History{});
    const std::vector<double> intensities = {1.0, 3.0};
    record(StepReport{.step = 1, .loss = 0.5});
    record(StepReport{.step = 2, .measured = true, .skipped = true});
    record(StepReport{.step = 3, .loss = 0.25, .measured = true, .mean_intensity = 2.0, .intensities = intensities});
    CHECK(history == History{.steps = {1, 3},
                             .losses = {0.5, 0.25},
                             .measured_steps = {3},
                             .mean_intensities = {2.0},
                             .intensities = {1.0, 3.0}});
  }
  TEST_CASE("read_history: skipped steps are left out of a log, too") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    History recorded;
    const std::vector<double> intensities = {1.0, 3.0};
    {
      JsonlLog log(path);
      const RecordHistory record(recorded);
      const auto tell = [&](const StepReport& report) {
        log(report);
        record(report);
      };
      log(RunStart{});
      record(RunStart{});
      tell({.step = 1, .loss = 0.1 + 0.2});
      tell({.step = 2, .measured = true, .skipped = true});
      tell({.step = 3, .loss = 5e-324, .measured = true, .mean_intensity = 2.0, .intensities = intensities});
    }
    CHECK(read_history(path) == recorded);
    CHECK(recorded.steps == std::vector<std::int64_t>{1, 3});
  }
  TEST_CASE("read_history: an empty log has no steps, a missing one is refused by name") {
    const test::Scratch scratch;
    CHECK(read_history(scratch.write("empty.jsonl", "")) == History{});
    CHECK(read_history(scratch.write("start.jsonl", "{\"event\":\"start\"}\n\n")) == History{});
    CHECK_THROWS_WITH_AS((void)read_history(scratch / "absent.jsonl"),
                         ((scratch / "absent.jsonl").string() + ": file is missing, expected a readable file").c_str(),
                         re::IoError);
  }
  TEST_CASE("read_history: what is no line of a log is named by file and line") {
    const test::Scratch scratch;
    CHECK(refusal(scratch, R"({"event":"checkpoint","step":1})") == "accepted");
    CHECK(refusal(scratch, R"({"event":"step","step":2,"loss":1,"unknown":[]})") == "accepted");
    CHECK(refusal(scratch, R"({"event":"step","skipped":true})") == "accepted");
    CHECK(refusal(scratch, "[]") == ":3: JSON value is an array, expected an object");
    CHECK(refusal(scratch, "{}") == ":3: event is missing, expected a string");
    CHECK(refusal(scratch, R"({"event":4})") == ":3: event is 4, expected a string");
    CHECK(refusal(scratch, R"({"event":"step","loss":1})") == ":3: step is missing, expected an integer >= 1");
    CHECK(refusal(scratch, R"({"event":"step","step":0,"loss":1})") == ":3: step is 0, expected an integer >= 1");
    CHECK(refusal(scratch, R"({"event":"step","step":2})") == ":3: loss is missing, expected a number");
    CHECK(refusal(scratch, R"({"event":"step","step":2,"loss":null})") == ":3: loss is null, expected a number");
    CHECK(refusal(scratch, R"({"event":"step","step":2,"loss":1,"skipped":1})") ==
          ":3: skipped is 1, expected true or false");
    CHECK(refusal(scratch, R"({"event":"step","step":2,"loss":1,"mean_intensity":"x"})") ==
          ":3: mean_intensity is \"x\", expected a number");
    CHECK(refusal(scratch, R"({"event":"step","step":2,"loss":1,"mean_intensity":1})") ==
          ":3: intensities is missing, expected an array");
    CHECK(refusal(scratch, R"({"event":"step","step":2,"loss":1,"mean_intensity":1,"intensities":[1,null]})") ==
          ":3: an intensity is null, expected a number");
    CHECK(refusal(scratch, R"({"event":"st)").starts_with(":3: "));
    CHECK(refusal(scratch, "\xFF") == ":3: byte 1 is 0xFF, expected UTF-8 text");
  }
}
