#include <reasonembed/remixer/write_reasoning_queries.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"
#include "support/scripted_model.hpp"

#include <map>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using re::data::TrainingRow;
using rx::ChatCall;
using rx::WithoutReasoning;
using rx::WriteReasoningQueries;
using rx::WriteReasoningQueriesOptions;
using test::says;
using test::ScriptedModel;

static_assert(rx::Stage<WriteReasoningQueries<ScriptedModel>>);

namespace {

struct Written {
  std::vector<TrainingRow> rows = {};
  rx::StageReport report = {};
};

Written write(ScriptedModel& model, std::vector<TrainingRow> rows, const WriteReasoningQueriesOptions& options = {}) {
  WriteReasoningQueries<ScriptedModel> stage(model, rx::bright_task("economics"), options);
  Written written;
  written.rows = run_stage(stage, std::move(rows), written.report);
  return written;
}

std::vector<TrainingRow> rows(int count) {
  std::vector<TrainingRow> all;
  for (int i = 0; i < count; ++i) {
    all.push_back({.query = "query " + std::to_string(i), .pos = {"p"}, .neg = {"n"}, .type = "t"});
  }
  return all;
}

re::remixer::ChatResult reason(const ChatCall& call) {
  return says("Essentially: " + test::tagged(call, "query"));
}

}  // namespace

TEST_SUITE("remixer/write_reasoning_queries") {
  TEST_CASE("run: each row gets its own reasoning query, and keeps the rest") {
    ScriptedModel model(reason, 8, 4);
    const Written written = write(model, rows(30));
    std::vector<TrainingRow> expected = rows(30);
    for (TrainingRow& row : expected) {
      row.reasoning_query = "Essentially: " + row.query;
    }
    CHECK(written.rows == expected);
    CHECK(written.report.calls == 30);
  }

  TEST_CASE("run: a row that has one keeps it, and nobody is asked") {
    ScriptedModel model(reason);
    std::vector<TrainingRow> some = rows(3);
    some[1].reasoning_query = "mine";
    some[2].reasoning_query = " \n";
    const Written written = write(model, some);
    CHECK(written.rows[0].reasoning_query == "Essentially: query 0");
    CHECK(written.rows[1].reasoning_query == "mine");
    CHECK(written.rows[2].reasoning_query == "Essentially: query 2");
    CHECK(written.report.calls == 2);
  }

  TEST_CASE("run: a row without one stays or goes, as is wanted, and is counted") {
    const auto answer = [](const ChatCall& call) { return call.id == 1 ? says("") : reason(call); };
    ScriptedModel model(answer);
    const Written kept = write(model, rows(3), {.ask = {.attempts = 2}});
    CHECK(kept.rows.size() == 3);
    CHECK(kept.rows[1].reasoning_query.empty());
    CHECK(kept.report.counts == std::map<std::string, Index>{{"rows without a reasoning query", 1}});
    CHECK(kept.report.calls == 4);
    const Written dropped = write(model, rows(3), {.without_reasoning = WithoutReasoning::kDrop});
    CHECK(dropped.rows.size() == 2);
    CHECK(dropped.rows[1].query == "query 2");
    CHECK(dropped.report.dropped == std::map<std::string, Index>{{"no reasoning query", 1}});
  }

  TEST_CASE("run: asks with the task's words") {
    ScriptedModel model(reason);
    (void)write(model, rows(1));
    const ChatCall& call = model.calls.front();
    CHECK(call.stage == "write_reasoning_queries");
    CHECK(call.input == R"({"query":"query 0","query_id":")" + rx::text_id("query 0") + "\"}");
    CHECK((call.output == rx::reasoning_output));
    CHECK(call.messages == rx::reasoning_messages(
                               rx::Prompts().get("write_reasoning_queries"), rx::bright_task("economics"), "query 0"));
    CHECK(call.messages.back().content.find("Field: Economics") != std::string::npos);
    CHECK(test::named_options(WriteReasoningQueriesOptions{}) ==
          std::vector<std::string>{"sampling {temperature 0.7, top_p 0.95, top_k 0, max_tokens 4096, seed none}",
                                   "without_reasoning 0",
                                   "ask {attempts 3, give_up_after 100}"});
  }

  TEST_CASE("run: nothing in, nothing out") {
    ScriptedModel model(reason);
    CHECK(write(model, {}).rows.empty());
    CHECK(model.calls.empty());
  }

  TEST_CASE("WriteReasoningQueries: refuses impossible options") {
    ScriptedModel model(reason);
    using Stage = WriteReasoningQueries<ScriptedModel>;
    CHECK_THROWS_AS(Stage(model, rx::bright_task("pony"), {.sampling = {.temperature = -1.0}}), re::ConfigError);
    CHECK_THROWS_AS(Stage(model, rx::Task{}), re::ConfigError);
  }
}
