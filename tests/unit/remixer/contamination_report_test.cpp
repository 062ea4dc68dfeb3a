#include <reasonembed/remixer/contamination_report.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::BenchmarkPart;
using re::remixer::ContaminationReport;
using re::remixer::drop_leaking_rows;
using re::remixer::Leak;
using re::remixer::LeakKind;
using re::remixer::RowPart;

namespace {

ContaminationReport example() {
  ContaminationReport report;
  report.rows = 6;
  report.options = {.ngram = 13, .cosine = 0.9};
  report.benchmarks = {{"bright/biology", 103, 372}, {"r2med", 10, 20}};
  report.leaks = {
      {1, RowPart::kQuery, 0, LeakKind::kExact, "bright/biology", BenchmarkPart::kQuery, "q|1", 1, "so | so"},
      {1, RowPart::kPositive, 2, LeakKind::kNgram, "r2med", BenchmarkPart::kDocument, "d2", 17, "a b"},
      {4, RowPart::kReasoningQuery, 0, LeakKind::kEmbedding, "r2med", BenchmarkPart::kQuery, "q3", 0.95, "c"}};
  return report;
}

}  // namespace

TEST_SUITE("remixer/contamination_report") {
  TEST_CASE("leaking_rows, count: a row with two leaks is one row") {
    const ContaminationReport report = example();
    CHECK(report.leaking_rows() == std::vector<Index>{1, 4});
    CHECK(report.count(LeakKind::kExact) == 1);
    CHECK(report.count(LeakKind::kNgram, "r2med") == 1);
    CHECK(report.count(LeakKind::kNgram, "bright/biology") == 0);
    CHECK(ContaminationReport{}.leaking_rows().empty());
  }
  TEST_CASE("summary: says what was looked for") {
    CHECK(example().summary() ==
          "2 of 6 training rows have a text of a benchmark in them. Looked for: the same words, 13 words in a row in "
          "common, a cosine of at least 0.900; in queries and positives.");
    ContaminationReport words;
    words.options = {.ngram = 0, .positives = false};
    CHECK(words.summary() ==
          "0 of 0 training rows have a text of a benchmark in them. Looked for: the same words; in queries.");
  }
  TEST_CASE("to_markdown: the short form for a model card") {
    CHECK(example().to_markdown() == "## Contamination\n\n" + example().summary() +
                                         "\n\n"
                                         "| benchmark | queries | gold documents | exact | n-gram | embedding |\n"
                                         "|---|---:|---:|---:|---:|---:|\n"
                                         "| bright/biology | 103 | 372 | 1 | 0 | 0 |\n"
                                         "| r2med | 10 | 20 | 0 | 1 | 1 |\n\n"
                                         "| row | part | benchmark | item | kind | evidence | score |\n"
                                         "|---|---|---|---|---|---|---:|\n"
                                         "| 1 | query | bright/biology | query q\\|1 | exact | so \\| so | 1.000 |\n"
                                         "| 1 | pos[2] | r2med | document d2 | n-gram | a b | 17 |\n"
                                         "| 4 | reasoning_query | r2med | query q3 | embedding | c | 0.950 |\n");
    CHECK(example().to_markdown(1).find("\n2 more in the JSON file.\n") != std::string::npos);
    ContaminationReport clean = example();
    clean.leaks.clear();
    CHECK(clean.to_markdown().find("evidence") == std::string::npos);
  }
  TEST_CASE("json: has every leak with its evidence") {
    const re::io::Json json = example().json();
    CHECK(json.at("rows") == 6);
    CHECK(json.at("leaking_rows") == re::io::Json::parse("[1,4]"));
    CHECK(json.at("options").at("cosine") == 0.9);
    CHECK(json.at("benchmarks").at(0).at("documents") == 372);
    CHECK(json.at("leaks").at(1) ==
          re::io::Json::parse(R"({"row":1,"part":"pos[2]","kind":"n-gram","benchmark":"r2med","item_part":"document",
            "item":"d2","score":17.0,"evidence":"a b"})"));
  }
  TEST_CASE("write: JSON and a page that needs nothing else") {
    const test::Scratch scratch;
    ContaminationReport report = example();
    report.leaks[0].evidence = "<b>bold</b>";
    report.write(scratch / "c.json");
    CHECK(re::io::read_json(scratch / "c.json") == report.json());
    const std::string html = test::content_of(scratch / "c.html");
    CHECK(html.find("&lt;b&gt;bold") != std::string::npos);
    CHECK(html.find("Leaks by benchmark") != std::string::npos);
    CHECK_THROWS_AS(report.write(scratch / "absent" / "c.json"), re::IoError);
  }
  TEST_CASE("append: further rows are numbered where the first end, and benchmarks stand once") {
    ContaminationReport all;
    all.append(example());
    CHECK(all.leaks == example().leaks);
    all.append(example());
    CHECK(all.rows == 12);
    CHECK(all.leaking_rows() == std::vector<Index>{1, 4, 7, 10});
    CHECK(all.benchmarks == example().benchmarks);
    ContaminationReport none = example();
    none.rows = 0;
    none.leaks.clear();
    all.append(none);  // a task without a row
    CHECK(all.rows == 12);
    ContaminationReport other = example();
    other.options.ngram = 8;
    CHECK_THROWS_AS(all.append(other), re::ConfigError);
    other = example();
    other.benchmarks.pop_back();
    CHECK_THROWS_AS(all.append(other), re::ConfigError);
    CHECK(all.rows == 12);
  }
  TEST_CASE("drop_leaking_rows: leaves the others in their order, and says how many went") {
    std::vector<re::data::TrainingRow> rows;
    for (const char* query : {"a", "b", "c", "d", "e", "f"}) {
      rows.push_back({.query = query});
    }
    CHECK(drop_leaking_rows(rows, example()) == 2);
    REQUIRE(rows.size() == 4);
    CHECK(rows[0].query == "a");
    CHECK(rows[1].query == "c");
    CHECK(rows[2].query == "d");
    CHECK(rows[3].query == "f");
    CHECK_THROWS_WITH_AS((void)drop_leaking_rows(rows, example()),
                         "remixer::drop_leaking_rows: rows.size() is 4, expected 6",
                         re::ShapeError);
  }
}
