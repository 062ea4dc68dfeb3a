#include <reasonembed/remixer/stage_report.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::remixer::AnswerFault;
using re::remixer::CallFault;
using re::remixer::describe;
using re::remixer::StageMonitor;
using re::remixer::StageReport;

namespace {

StageReport eventful() {
  StageReport report{.stage = "generate_queries", .items_in = 10, .items_out = 6, .calls = 14};
  report.unusable[static_cast<std::size_t>(AnswerFault::kRefusal)] = 3;
  report.unusable[static_cast<std::size_t>(AnswerFault::kEmpty)] = 1;
  report.failures[static_cast<std::size_t>(CallFault::kTimeout)] = 2;
  report.prompt_tokens = 1000;
  report.completion_tokens = 50;
  report.drop("no usable answer", 3);
  report.drop("the query of another document");
  report.counts["something else"] = 5;
  return report;
}

}  // namespace

TEST_SUITE("remixer/stage_report") {
  TEST_CASE("StageReport: begins with nothing") {
    const StageReport report;
    CHECK(report.all_dropped() == 0);
    CHECK(report.all_unusable() == 0);
    CHECK(report.all_failures() == 0);
    CHECK(report == StageReport{});
  }

  TEST_CASE("StageReport: adds up what was dropped, unusable and failed") {
    const StageReport report = eventful();
    CHECK(report.all_dropped() == 4);
    CHECK(report.all_unusable() == 4);
    CHECK(report.all_failures() == 2);
    CHECK(report.unusable_by(AnswerFault::kRefusal) == 3);
    CHECK(report.unusable_by(AnswerFault::kNoScore) == 0);
    CHECK(report.failures_by(CallFault::kTimeout) == 2);
    CHECK(report.failures_by(CallFault::kNotRecorded) == 0);
    StageReport copy = report;
    CHECK(copy == report);
    copy.drop("something else", 0);
    CHECK(copy == report);
    copy.drop("no usable answer");
    CHECK(!(copy == report));
  }

  TEST_CASE("describe: one line for the stage, one for each thing that happened") {
    CHECK(describe(eventful()) ==
          "generate_queries: 10 in, 6 out, 14 calls\n"
          "  1 answers empty\n"
          "  3 answers refused\n"
          "  2 calls too late\n"
          "  3 dropped: no usable answer\n"
          "  1 dropped: the query of another document\n"
          "  5 something else\n");
    CHECK(describe(StageReport{.stage = "assemble", .items_in = 2, .items_out = 2}) == "assemble: 2 in, 2 out\n");
  }

  TEST_CASE("report_json: the same for programs") {
    const re::io::Json json = report_json(eventful());
    CHECK(json["stage"] == "generate_queries");
    CHECK(json["items_in"] == 10);
    CHECK(json["items_out"] == 6);
    CHECK(json["calls"] == 14);
    CHECK(json["prompt_tokens"] == 1000);
    CHECK(json["completion_tokens"] == 50);
    CHECK(json["incidents"].size() == 6);
    CHECK(json["incidents"]["dropped: no usable answer"] == 3);
    CHECK(report_json(StageReport{})["incidents"] == re::io::Json::object());
  }

  TEST_CASE("describe: every kind of failure has words of its own") {
    std::set<std::string> words;
    for (std::size_t i = 0; i < re::remixer::kCallFaults; ++i) {
      words.emplace(describe(static_cast<CallFault>(i)));
    }
    CHECK(words.size() == re::remixer::kCallFaults);
    CHECK(static_cast<std::size_t>(CallFault::kNotRecorded) + 1 == re::remixer::kCallFaults);
    CHECK(describe(CallFault::kTls) == "without encryption");
  }

  TEST_CASE("StageMonitor: shows how far a stage has come") {
    std::string shown;
    StageMonitor monitor("biology generate_queries",
                         {.terminal = false, .sink = [&](std::string_view text) { shown += text; }});
    monitor.advance(5);  // before there is a line
    CHECK(monitor.progress() == nullptr);
    monitor.expect(3, "queries");
    monitor.advance();
    monitor.advance(2);
    REQUIRE(monitor.progress() != nullptr);
    CHECK(monitor.progress()->done() == 3);
    CHECK(shown.empty());
    monitor.finish();
    CHECK(shown.starts_with("biology generate_queries"));
    CHECK(shown.find("3/3 queries") != std::string::npos);
    CHECK(monitor.progress() == nullptr);
    monitor.finish();
  }

  TEST_CASE("StageMonitor: tells whoever watches how far the stage has come, and what was lost") {
    std::vector<re::remixer::StageProgress> told;
    StageMonitor monitor(
        "label", {.silent = true}, [&](const re::remixer::StageProgress& progress) { told.push_back(progress); });
    monitor.advance(5);  // nothing is expected yet
    monitor.expect(4, "queries");
    monitor.advance();
    monitor.lose();
    monitor.advance(2);
    monitor.finish();
    monitor.finish();
    CHECK(told == std::vector<re::remixer::StageProgress>{{.total = 4},
                                                          {.total = 4, .settled = 1},
                                                          {.total = 4, .settled = 2, .lost = 1},
                                                          {.total = 4, .settled = 4, .lost = 1},
                                                          {.total = 4, .settled = 4, .lost = 1, .ended = true}});
  }

  TEST_CASE("StageMonitor: is silent unless it is asked to speak") {
    StageMonitor monitor;
    monitor.expect(10, "texts");
    monitor.advance(10);
    CHECK(monitor.progress()->done() == 10);
    monitor.report().drop("why");
    CHECK(monitor.report().all_dropped() == 1);
  }
}
