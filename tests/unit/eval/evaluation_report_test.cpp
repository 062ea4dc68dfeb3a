#include <reasonembed/eval/evaluation_report.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::eval::EvaluationReport;
using re::eval::EvaluationRow;
using re::eval::summarize;

namespace {

EvaluationReport example() {
  EvaluationReport report;
  report.add({.name = "bm25", .mean = 0.12345, .seconds = 0.04});
  report.add(
      {.name = "Redapter", .metric = "recall_100", .mean = 1, .spread = 0.00789, .seeds = 3, .seconds = 1234.56});
  return report;
}

}  // namespace

TEST_SUITE("eval/evaluation_report") {
  TEST_CASE("table: aligns text to the left and numbers to the right") {
    CHECK(example().table() ==
          "name      metric         mean  spread  seeds  seconds\n"
          "bm25      ndcg_cut_10  0.1235       -      1      0.0\n"
          "Redapter  recall_100   1.0000  0.0079      3   1234.6\n");
    CHECK(EvaluationReport().table() == "name  metric  mean  spread  seeds  seconds\n");
  }

  TEST_CASE("table: counts characters, not bytes") {
    EvaluationReport report;
    report.add({.name = "\xC3\xA9t\xC3\xA9", .metric = "m", .mean = 0.5});
    report.add({.name = "abc", .metric = "m", .mean = 0.5});
    const std::string table = report.table();
    CHECK(table.find("\xC3\xA9t\xC3\xA9   m ") != std::string::npos);
    CHECK(table.find("abc   m ") != std::string::npos);
  }

  TEST_CASE("print: writes the table to a stream") {
    const test::Scratch scratch;
    const auto path = scratch / "table";
    std::FILE* stream = std::fopen(path.c_str(), "wb");
    REQUIRE(stream != nullptr);
    example().print(stream);
    (void)std::fclose(stream);
    CHECK(test::content_of(path) == example().table());
    std::FILE* reading = std::fopen(path.c_str(), "rb");
    REQUIRE(reading != nullptr);
    CHECK_THROWS_WITH_AS(example().print(reading),
                         "eval::EvaluationReport: output is refused, expected a stream that can be written",
                         re::IoError);
    (void)std::fclose(reading);
  }

  TEST_CASE("json: holds every number in full") {
    const re::io::Json json = example().json();
    REQUIRE(json.at("rows").size() == 2);
    const re::io::Json& row = json.at("rows")[1];
    CHECK(row.size() == 6);
    CHECK(row.at("name") == "Redapter");
    CHECK(row.at("metric") == "recall_100");
    CHECK(row.at("mean") == 1.0);
    CHECK(row.at("spread") == 0.00789);
    CHECK(row.at("seeds") == 3);
    CHECK(row.at("seconds") == 1234.56);
    CHECK(EvaluationReport().json() == re::io::parse_json("{\"rows\": []}", "test"));
  }

  TEST_CASE("write: replaces the file by JSON that reads back") {
    const test::Scratch scratch;
    const auto path = scratch.write("report.json", "old");
    example().write(path);
    CHECK(re::io::read_json(path) == example().json());
    CHECK(scratch.count() == 1);
    CHECK_THROWS_AS(example().write(scratch / "missing" / "report.json"), re::IoError);
  }

  TEST_CASE("write: a name that is not UTF-8 leaves the old file") {
    const test::Scratch scratch;
    const auto path = scratch.write("report.json", "old");
    EvaluationReport report;
    report.add({.name = "\xFF", .mean = 0.5});
    CHECK_THROWS_AS(report.write(path), re::DataError);
    CHECK(test::content_of(path) == "old");
  }

  TEST_CASE("add: refuses numbers that are none, each by its name") {
    EvaluationReport report;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK_THROWS_WITH_AS(report.add({.name = "x", .mean = nan}),
                         "eval::EvaluationReport: row \"x\": mean is nan, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS(report.add({.name = "x", .spread = infinity}),
                         "eval::EvaluationReport: row \"x\": spread is inf, expected a finite number",
                         re::NonFiniteError);
    CHECK_THROWS_WITH_AS(report.add({.name = "x", .seconds = -infinity}),
                         "eval::EvaluationReport: row \"x\": seconds is -inf, expected a finite number",
                         re::NonFiniteError);
    CHECK(report.rows().empty());
  }

  TEST_CASE("add: refuses rows that say nothing or the impossible") {
    EvaluationReport report;
    CHECK_THROWS_WITH_AS(
        report.add({.mean = 0.5}), "eval::EvaluationReport: row \"\": name is empty, expected a name", re::ConfigError);
    CHECK_THROWS_WITH_AS(report.add({.name = "x", .metric = ""}),
                         "eval::EvaluationReport: row \"x\": metric is empty, expected a name",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(report.add({.name = "x", .seeds = 0}),
                         "eval::EvaluationReport: row \"x\": seeds is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(report.add({.name = "x", .spread = -1}),
                         "eval::EvaluationReport: row \"x\": spread is -1.000000, expected at least 0",
                         re::ConfigError);
    CHECK_THROWS_WITH_AS(report.add({.name = "x", .seconds = -1}),
                         "eval::EvaluationReport: row \"x\": seconds is -1.000000, expected at least 0",
                         re::ConfigError);
    report.add({.name = "loss", .metric = "x", .mean = -2});  // a mean may be negative
    CHECK(report.rows() == std::vector<EvaluationRow>{{.name = "loss", .metric = "x", .mean = -2}});
  }

  TEST_CASE("summarize: takes the mean and the standard deviation over seeds") {
    const std::vector<double> values = {0.5, 0.75, 1.0};
    const EvaluationRow row = summarize("system", "ndcg_cut_10", values, 12);
    CHECK(row.name == "system");
    CHECK(row.metric == "ndcg_cut_10");
    CHECK(row.mean == 0.75);
    CHECK(row.spread == 0.25);  // exact in binary: sqrt((1/16 + 1/16) / 2)
    CHECK(row.seeds == 3);
    CHECK(row.seconds == 12);
  }

  TEST_CASE("summarize: one value has no spread, and none is refused") {
    const std::vector<double> one = {0.25};
    CHECK(summarize("s", "m", one, 0) == EvaluationRow{.name = "s", .metric = "m", .mean = 0.25});
    CHECK_THROWS_WITH_AS((void)summarize("s", "m", {}, 0),
                         "eval::summarize: number of values is 0, expected at least 1",
                         re::ConfigError);
  }
}
