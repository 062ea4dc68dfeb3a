#include <reasonembed/train/jsonl_log.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/scratch.hpp>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::train::CheckpointSaved;
using re::train::JsonlLog;
using re::train::RunEnd;
using re::train::RunStart;
using re::train::StepReport;

static_assert(std::is_move_constructible_v<JsonlLog> && !std::is_copy_constructible_v<JsonlLog>);

namespace {

std::vector<Json> lines_of(const std::filesystem::path& path) {
  std::vector<Json> lines;
  re::io::for_each_json_line(path, [&](const re::io::JsonFields& fields) { lines.push_back(fields.json()); });
  return lines;
}

/// "start 0", "step 3", "checkpoint 4", "end 5" of each line.
std::vector<std::string> events_of(const std::filesystem::path& path) {
  std::vector<std::string> events;
  for (const Json& line : lines_of(path)) {
    const std::string event = line["event"];
    const char* number = event == "start" ? "first_step" : event == "end" ? "steps" : "step";
    events.push_back(event + " " + line[number].dump());
  }
  return events;
}

/// Logs the steps after `first` up to `last`, with a checkpoint after every second one.
void log_run(const std::filesystem::path& path, std::int64_t first, std::int64_t last, bool ends) {
  JsonlLog log(path);
  log(RunStart{.first_step = first, .total_steps = 6});
  for (std::int64_t step = first + 1; step <= last; ++step) {
    log(StepReport{.step = step, .loss = 0.5});
    if (step % 2 == 0) {
      log(CheckpointSaved{step, "run"});
    }
  }
  if (ends) {
    log(RunEnd{.steps = last});
  }
}

using Events = std::vector<std::string>;
constexpr const char* kStart = "{\"event\":\"start\",\"first_step\":0}\n";
constexpr const char* kFirst = "{\"event\":\"step\",\"step\":1}\n";
constexpr const char* kSecond = "{\"event\":\"step\",\"step\":2}\n";

/// What is left of `content` when a run goes on after step 2, without the line of its start.
std::string kept(const test::Scratch& scratch, const std::string& content) {
  const auto path = scratch.write("log.jsonl", content);
  JsonlLog log(path);
  log(RunStart{.first_step = 2, .total_steps = 6});
  const std::string now = test::content_of(path);
  const std::size_t start = now.rfind("{\"epoch_steps\"");
  REQUIRE(start != std::string::npos);
  return now.substr(0, start);
}

}  // namespace

TEST_SUITE("train/jsonl_log") {
  TEST_CASE("JsonlLog: a run is a line for its start, each step, each checkpoint and its end") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    const std::vector<double> intensities = {1.5, 0.1 + 0.2};
    JsonlLog log(path);
    log(RunStart{.first_step = 0,
                 .total_steps = 2,
                 .epoch_steps = 3,
                 .rows = 24,
                 .parameters = 100,
                 .notes = {"a note"},
                 .options = {{"seed", 42}}});
    log(StepReport{.step = 1,
                   .total_steps = 2,
                   .epoch = 0.25,
                   .loss = 0.1,
                   .lr = 1e-4,
                   .gradient_norm = 3.5,
                   .queries = 4,
                   .documents = 12,
                   .false_negatives = 1,
                   .truncated = 2,
                   .tokens = 345,
                   .seconds = 0.5});
    log(StepReport{.step = 2,
                   .loss = 0.2,
                   .measured = true,
                   .mean_intensity = 0.9,
                   .missing_reasoning = 3,
                   .intensities = intensities});
    log(CheckpointSaved{2, "place"});
    log(RunEnd{.steps = 2,
               .total_steps = 2,
               .skipped_steps = 1,
               .tokens = 690,
               .missing_reasoning = 3,
               .loss = 0.2,
               .seconds = 1.5});
    const std::vector<Json> lines = lines_of(path);
    REQUIRE(lines.size() == 5);
    CHECK(lines[0] == Json{{"event", "start"},
                           {"first_step", 0},
                           {"total_steps", 2},
                           {"epoch_steps", 3},
                           {"rows", 24},
                           {"parameters", 100},
                           {"notes", {"a note"}},
                           {"options", {{"seed", 42}}}});
    CHECK(lines[1] == Json{{"event", "step"},
                           {"step", 1},
                           {"epoch", 0.25},
                           {"loss", 0.1},
                           {"lr", 1e-4},
                           {"gradient_norm", 3.5},
                           {"queries", 4},
                           {"documents", 12},
                           {"false_negatives", 1},
                           {"truncated", 2},
                           {"tokens", 345},
                           {"seconds", 0.5}});
    CHECK(lines[2]["mean_intensity"] == Json(0.9));
    CHECK(lines[2]["missing_reasoning"] == Json(3));
    CHECK(lines[2]["intensities"] == Json(intensities));
    CHECK(lines[3] == Json{{"event", "checkpoint"}, {"step", 2}, {"directory", "place"}});
    CHECK(lines[4] == Json{{"event", "end"},
                           {"steps", 2},
                           {"skipped_steps", 1},
                           {"tokens", 690},
                           {"missing_reasoning", 3},
                           {"seconds", 1.5}});
  }
  TEST_CASE("JsonlLog: a step that was skipped has neither loss nor intensities") {
    const test::Scratch scratch;
    JsonlLog log(scratch / "log.jsonl");
    log(RunStart{});
    log(StepReport{.step = 1, .measured = true, .mean_intensity = 2.0, .skipped = true});
    const Json line = lines_of(scratch / "log.jsonl").back();
    CHECK(line["loss"].is_null());
    CHECK(line["skipped"] == Json(true));
    CHECK_FALSE(line.contains("mean_intensity"));
    CHECK_FALSE(line.contains("intensities"));
  }
  TEST_CASE("JsonlLog: every line is in the file when its event is over") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    JsonlLog log(path);
    CHECK_FALSE(std::filesystem::exists(path));  // opened when a run starts
    log(RunStart{});
    CHECK(lines_of(path).size() == 1);
    log(StepReport{.step = 1});
    CHECK(lines_of(path).size() == 2);
    log(CheckpointSaved{1, "place"});
    CHECK(lines_of(path).size() == 3);
  }
  TEST_CASE("JsonlLog: a run that starts replaces the file, whatever it held") {
    const test::Scratch scratch;
    const auto path = scratch.write("log.jsonl", "no log at all \xFF\n{\"event\":");
    log_run(path, 0, 2, true);
    CHECK(events_of(path) == Events{"start 0", "step 1", "step 2", "checkpoint 2", "end 2"});
    JsonlLog log(path);
    for (int run = 0; run < 2; ++run) {  // the second run of one object, too
      log(RunStart{});
      log(StepReport{.step = 1});
      CHECK(events_of(path) == Events{"start 0", "step 1"});
    }
  }
  TEST_CASE("JsonlLog: a run that goes on keeps the lines up to its checkpoint, and has each step once") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    log_run(path, 0, 5, false);  // killed after step 5, one after the checkpoint
    log_run(path, 4, 6, true);
    CHECK(events_of(path) == Events{"start 0",
                                    "step 1",
                                    "step 2",
                                    "checkpoint 2",
                                    "step 3",
                                    "step 4",
                                    "checkpoint 4",
                                    "start 4",
                                    "step 5",
                                    "step 6",
                                    "checkpoint 6",
                                    "end 6"});
  }
  TEST_CASE("JsonlLog: a run that is killed again and again has each step once") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    log_run(path, 0, 3, false);
    log_run(path, 2, 3, false);
    log_run(path, 2, 5, false);
    log_run(path, 4, 6, true);
    std::vector<std::int64_t> steps;
    for (const Json& line : lines_of(path)) {
      if (line["event"] == Json("step")) {
        steps.push_back(line["step"]);
      }
    }
    CHECK(steps == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
  }
  TEST_CASE("JsonlLog: a finished run that is started again gets another end, and keeps its steps") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    log_run(path, 0, 2, true);
    log_run(path, 2, 2, true);
    CHECK(events_of(path) == Events{"start 0", "step 1", "step 2", "checkpoint 2", "start 2", "end 2"});
  }
  TEST_CASE("JsonlLog: a line that was cut off is dropped with what follows it") {
    const test::Scratch scratch;
    const std::string sound = std::string(kStart) + kFirst + kSecond;
    CHECK(kept(scratch, sound) == sound);
    CHECK(kept(scratch, sound + "{\"event\":\"step\",\"st") == sound);
    CHECK(kept(scratch, sound + "{\"event\":\"checkpoint\",\"step\":2}") ==
          sound + "{\"event\":\"checkpoint\",\"step\":2}\n");  // whole, without its newline alone
    CHECK(kept(scratch, std::string(kStart) + "{\"event\":\"st\n" + kFirst) == kStart);
  }
  TEST_CASE("JsonlLog: what is no line of a log ends what is kept") {
    const test::Scratch scratch;
    const std::string sound = std::string(kStart) + kFirst;
    for (const std::string garbage : {"\n",
                                      "word\n",
                                      "[1]\n",
                                      "{}\n",
                                      "{\"event\":1}\n",
                                      "{\"event\":\"step\"}\n",
                                      "{\"event\":\"step\",\"step\":0}\n",
                                      "{\"event\":\"step\",\"step\":1.5}\n",
                                      "{\"event\":\"step\",\"step\":\"1\"}\n",
                                      "{\"event\":\"step\",\"step\":18446744073709551615}\n",
                                      "{\"event\":\"end\",\"steps\":1}\n",
                                      "{\"event\":\"step\",\"step\":1,\"note\":\"\xFF\"}\n",
                                      "\xC3\x28\n"}) {
      CAPTURE(garbage);
      CHECK(kept(scratch, sound + garbage + kSecond) == sound);
    }
    CHECK(kept(scratch, sound + std::string(1, '\0') + "\n" + kSecond) == sound);
  }
  TEST_CASE("JsonlLog: nothing is kept of an empty file, and a file that is missing is made") {
    const test::Scratch scratch;
    CHECK(kept(scratch, "") == "");
    CHECK(kept(scratch, "{\"event\":\"step\",\"step\":3}\n") == "");
    JsonlLog log(scratch / "other.jsonl");
    log(RunStart{.first_step = 5});
    CHECK(events_of(scratch / "other.jsonl") == Events{"start 5"});
    CHECK(scratch.count() == 2);  // no temporary file is left
  }
  TEST_CASE("JsonlLog: a place where no file can be is refused by name") {
    const test::Scratch scratch;
    JsonlLog absent(scratch / "absent" / "log.jsonl");
    CHECK_THROWS_WITH_AS(
        absent(RunStart{}),
        ((scratch / "absent" / "log.jsonl").string() + ": directory is missing, expected a writable directory").c_str(),
        re::IoError);
    std::filesystem::create_directory(scratch / "directory");
    JsonlLog directory(scratch / "directory");
    CHECK_THROWS_WITH_AS(directory(RunStart{}),
                         ((scratch / "directory").string() + ": path is a directory, expected a regular file").c_str(),
                         re::IoError);
  }
  TEST_CASE("JsonlLog: on a full disk the row is taken back, and the run can go on once there is room") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    JsonlLog log(path);
    log(RunStart{});
    log(StepReport{.step = 1});
    const std::string before = test::content_of(path);
    std::string message;
    {
      const test::FileSizeLimit limit(before.size() + 20);
      try {
        log(StepReport{.step = 2});
      } catch (const re::IoError& error) {
        message = error.what();
      }
    }
    CHECK(message == path.string() + ": write is refused by the system (File too large), expected room for all bytes");
    CHECK(test::content_of(path) == before);
    log(StepReport{.step = 2});
    CHECK(events_of(path) == Events{"start 0", "step 1", "step 2"});
  }
  TEST_CASE("JsonlLog: on a full disk a run that would go on leaves the log as it was") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    log_run(path, 0, 3, false);
    const std::string before = test::content_of(path);
    {
      const test::FileSizeLimit limit(100);
      JsonlLog log(path);
      CHECK_THROWS_AS(log(RunStart{.first_step = 2}), re::IoError);
    }
    CHECK(test::content_of(path) == before);
    CHECK(scratch.count() == 1);
  }
  TEST_CASE("JsonlLog: numbers that JSON has no word for are refused, not written as null") {
    const test::Scratch scratch;
    JsonlLog log(scratch / "log.jsonl");
    log(RunStart{});
    CHECK_THROWS_AS(log(StepReport{.step = 1, .loss = std::numeric_limits<double>::quiet_NaN()}), re::NonFiniteError);
    CHECK(events_of(scratch / "log.jsonl") == Events{"start 0"});
  }
}
