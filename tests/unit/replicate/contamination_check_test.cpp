#include "replicate/contamination_check.hpp"

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/scratch.hpp"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using replicate::ContaminationCheck;
using replicate::SynthesisConfig;

namespace {

SynthesisConfig config_of(const test::Scratch& scratch) {
  SynthesisConfig config;
  config.out = scratch.path();
  config.tasks.resize(1);
  config.tasks[0].task.name = "everyday";
  config.tasks[0].data = test::source_path("examples/data").string();
  config.tasks[0].splits = {"test"};
  std::filesystem::create_directories(scratch / "rows");
  return config;
}
/// The first question of the held-out split, in capitals, between two that stand nowhere.
std::vector<re::data::TrainingRow> rows_with_leak() {
  const auto dataset = re::data::read_retrieval_dataset(test::source_path("examples/data"), {.split = "test"});
  std::string leaked = dataset.queries.texts().front();
  for (char& c : leaked) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return {{.query = "Who sings at dawn?", .pos = {"a bird"}, .neg = {"a stone"}},
          {.query = leaked, .pos = {"a text of nobody"}, .neg = {"a stone"}},
          {.query = "Who swims at dusk?", .pos = {"a fish"}, .neg = {"a stone"}}};
}

}  // namespace

TEST_SUITE("replicate/contamination_check") {
  TEST_CASE("named_file: a name may stand before the file, or is its stem") {
    CHECK(replicate::named_file("ours=dir/rows.jsonl") ==
          std::pair<std::string, std::string>("ours", "dir/rows.jsonl"));
    CHECK(replicate::named_file("dir/rows.jsonl") == std::pair<std::string, std::string>("rows", "dir/rows.jsonl"));
    CHECK(replicate::named_file("=x") == std::pair<std::string, std::string>("", "x"));
  }
  TEST_CASE("check: finds the planted question, and lets it pass unless the check is strict") {
    for (const bool strict : {false, true}) {
      const test::Scratch scratch;
      SynthesisConfig config = config_of(scratch);
      config.contamination.strict = strict;
      ContaminationCheck check(config);
      std::vector<re::data::TrainingRow> rows = rows_with_leak();
      CHECK(check.check(rows) == (strict ? 1 : 0));
      CHECK(rows.size() == (strict ? 2 : 3));
      std::vector<re::data::TrainingRow> more = rows_with_leak();  // of a second task
      (void)check.check(more);
      check.write();
      const re::io::Json report = re::io::read_json(scratch / "rows" / "contamination.json");
      CHECK(report["rows"] == 6);
      CHECK(report["leaking_rows"] == re::io::Json::parse("[1,4]"));
      const std::string text = test::content_of(scratch / "rows" / "contamination.md");
      CHECK(text.starts_with("## Contamination\n\n2 of 6 training rows"));
      CHECK((text.find("these 2 rows were left out") != std::string::npos) == strict);
    }
  }
  TEST_CASE("check: benchmarks that the file names take the place of the task's own data") {
    const test::Scratch scratch;
    SynthesisConfig config = config_of(scratch);
    config.contamination.benchmarks = {"ours=" + config.tasks[0].data};
    config.contamination.split = "train";
    ContaminationCheck check(config);
    std::vector<re::data::TrainingRow> rows = rows_with_leak();
    CHECK(check.check(rows) == 0);
    check.write();
    const re::io::Json report = re::io::read_json(scratch / "rows" / "contamination.json");
    CHECK(report["benchmarks"].size() == 1);
    CHECK(report["benchmarks"][0]["name"] == "ours");
    CHECK(report["leaks"].empty());  // the planted question is of the other split
    config.contamination.benchmarks = {(scratch / "nowhere").string()};
    CHECK_THROWS_AS(ContaminationCheck{config}, re::Error);
  }
  TEST_CASE("check: with nothing to look for there is no report, and an old one is removed") {
    const test::Scratch scratch;
    for (const bool enabled : {false, true}) {
      SynthesisConfig config = config_of(scratch);
      (void)scratch.write("rows/contamination.md", "old");
      config.contamination.enabled = enabled;
      config.tasks[0].data.clear();
      config.tasks[0].corpus = "corpus.jsonl";
      ContaminationCheck check(config);
      std::vector<re::data::TrainingRow> rows = rows_with_leak();
      CHECK(check.check(rows) == 0);
      check.write();
      CHECK(!std::filesystem::exists(scratch / "rows" / "contamination.md"));
      CHECK(!std::filesystem::exists(scratch / "rows" / "contamination.json"));
    }
  }
}
