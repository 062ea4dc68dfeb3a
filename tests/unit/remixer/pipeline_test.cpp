#include <reasonembed/remixer/annotate_relevance.hpp>
#include <reasonembed/remixer/assemble.hpp>
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/generate_queries.hpp>
#include <reasonembed/remixer/inspect_items.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>
#include <reasonembed/remixer/pipeline.hpp>
#include <reasonembed/remixer/sample_sources.hpp>
#include <reasonembed/remixer/task.hpp>
#include <reasonembed/remixer/write_reasoning_queries.hpp>

#include <doctest/doctest.h>

#include "support/scripted_model.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using test::ScriptedModel;

namespace {

/// The smallest stage: its items need not even be copied.
struct Length {
  using Input = std::unique_ptr<std::string>;
  using Output = std::size_t;
  static constexpr const char* name = "length";
  [[nodiscard]] std::vector<std::size_t> run(std::vector<std::unique_ptr<std::string>> items,
                                             rx::StageMonitor& monitor) const {
    std::vector<std::size_t> lengths;
    for (const auto& item : items) {
      if (item->empty()) {
        monitor.report().drop("empty");
      } else {
        lengths.push_back(item->size());
      }
    }
    return lengths;
  }
};
static_assert(rx::Stage<Length>);

struct Halve {
  using Input = std::size_t;
  using Output = double;
  static constexpr std::string_view name = "halve";
  int* calls = nullptr;
  [[nodiscard]] std::vector<double> run(std::vector<std::size_t> items, rx::StageMonitor& /*monitor*/) {
    ++*calls;
    return {items.begin(), items.end()};
  }
};
static_assert(rx::Stage<Halve>);
static_assert(rx::Feeds<Length, Halve> && !rx::Feeds<Halve, Length>);

struct Nameless {
  using Input = int;
  using Output = int;
  std::vector<int> run(std::vector<int> items, rx::StageMonitor& /*monitor*/) { return items; }
};
struct OneByOne {
  using Input = int;
  using Output = int;
  static constexpr std::string_view name = "one_by_one";
  int run(int item, rx::StageMonitor& /*monitor*/) { return item; }
};
static_assert(!rx::Stage<Nameless> && !rx::Stage<OneByOne> && !rx::Stage<int>);

using Llm = ScriptedModel;
// example-begin pipeline
using Retriever = rx::Bm25Retriever<>;
using Synthesis =
    rx::Pipeline<rx::GenerateQueries<Llm>, rx::MineCandidates<Retriever>, rx::AnnotateRelevance<Llm>, rx::Assemble>;
// example-end pipeline
static_assert(std::is_same_v<Synthesis::Input, rx::SourceDocument>);
static_assert(std::is_same_v<Synthesis::Output, re::data::TrainingRow>);

std::vector<std::string> corpus() {
  std::vector<std::string> texts;
  for (int i = 0; i < 12; ++i) {
    texts.push_back("passage " + std::to_string(i) + " on topic" + std::to_string(i % 3) + " with some words");
  }
  return texts;
}
std::vector<rx::SourceDocument> documents() {
  std::vector<rx::SourceDocument> all;
  for (const std::string& text : corpus()) {
    all.push_back({"id" + std::to_string(all.size()), text});
  }
  return all;
}
/// Writes "why TOPIC NUMBER" of a document, and scores by the length of the prompt: any answer will do, if it is always
/// the same.
re::remixer::ChatResult answer(const rx::ChatCall& call) {
  if (call.stage == "generate_queries") {
    const std::string document = test::tagged(call, "document");
    return test::says("why is " + document.substr(document.find("topic"), 6) + " like " + document.substr(8, 2));
  }
  if (call.stage == "write_reasoning_queries") {
    return test::says("The essential problem of: " + test::tagged(call, "query"));
  }
  const std::string document = test::tagged(call, "document");
  const auto score = 1 + (static_cast<unsigned char>(document[8]) + test::tagged(call, "query").size()) % 5;
  return test::says("Reasons.\n<score>" + std::to_string(score) + "</score>");
}

const rx::Task kTask = {.name = "topics",
                        .domain = "topics",
                        .query_form = "a question",
                        .relevance = "it is on the topic",
                        .instruction = "Find it."};

Synthesis synthesis(Llm& model, const rx::Task& task = kTask) {
  // example-begin construct
  rx::GenerateQueries<Llm> generate(model, task, {.seed = 42});
  rx::MineCandidates<Retriever> mine(Retriever(), corpus(), task.instruction, {.top_k = 10, .kept = 8});
  rx::AnnotateRelevance<Llm> annotate(model, task);
  Synthesis pipeline(std::move(generate), std::move(mine), std::move(annotate), rx::Assemble(task));
  // example-end construct
  return pipeline;
}

}  // namespace

TEST_SUITE("remixer/pipeline") {
  TEST_CASE("run: hands the items of each stage to the next, and reports each") {
    int calls = 0;
    rx::Pipeline pipeline(Length{}, Halve{&calls});
    std::vector<std::unique_ptr<std::string>> items;
    for (const char* text : {"a", "", "abc"}) {
      items.push_back(std::make_unique<std::string>(text));
    }
    const auto result = pipeline.run(std::move(items));
    CHECK(result.items == std::vector<double>{1.0, 3.0});
    REQUIRE(result.reports.size() == 2);
    CHECK(result.reports[0].stage == "length");
    CHECK(result.reports[0].items_in == 3);
    CHECK(result.reports[0].items_out == 2);
    CHECK(result.reports[0].all_dropped() == 1);
    CHECK(result.reports[1].stage == "halve");
    CHECK(result.reports[1].items_in == 2);
    CHECK(result.reports[1].items_out == 2);
    CHECK(calls == 1);
    CHECK(pipeline.stage<1>().calls == &calls);
  }

  TEST_CASE("run: tells of each stage when it is done, with a progress line of its own") {
    std::vector<std::string> told;
    std::string shown;
    ScriptedModel model(answer, 8);
    Synthesis pipeline = synthesis(model);
    const auto result =
        pipeline.run(documents(),
                     {.progress = {.terminal = false, .sink = [&](std::string_view text) { shown += text; }},
                      .label = "topics",
                      .on_stage = [&](const rx::StageReport& report) { told.push_back(report.stage); }});
    CHECK(told == std::vector<std::string>{"generate_queries", "mine_candidates", "annotate_relevance", "assemble"});
    CHECK(result.reports.size() == 4);
    CHECK(shown.find("topics generate_queries") != std::string::npos);
    CHECK(shown.find("12/12 queries") != std::string::npos);
    CHECK(shown.find("topics annotate_relevance") != std::string::npos);
  }

  TEST_CASE("run: tells how far each stage has come, by its name") {
    std::map<std::string, rx::StageProgress, std::less<>> last;
    ScriptedModel model(answer, 8);
    const auto result = synthesis(model).run(
        documents(), {.on_progress = [&](std::string_view stage, const rx::StageProgress& progress) {
          last.insert_or_assign(std::string(stage), progress);
        }});
    CHECK(last.size() == 3);  // assembly takes no time
    CHECK(last.at("generate_queries") == rx::StageProgress{.total = 12, .settled = 12, .ended = true});
    CHECK(last.at("mine_candidates").ended);
    CHECK(last.at("mine_candidates").settled == last.at("mine_candidates").total);
    CHECK(last.at("annotate_relevance").settled == result.reports[2].calls);
    CHECK(last.at("annotate_relevance").lost == 0);
  }

  TEST_CASE("run: the paper's pipeline makes rows that can be trained on") {
    ScriptedModel model(answer, 8);
    Synthesis pipeline = synthesis(model);
    const auto result = pipeline.run(documents());
    CHECK(result.items.size() >= 6);
    for (const re::data::TrainingRow& row : result.items) {
      CHECK(!re::data::find_problem(row, "row").has_value());
      CHECK(row.prompt == "Find it.");
      CHECK(row.type == "topics");
      CHECK(!row.pos.empty());
      CHECK(!row.neg.empty());
    }
  }

  TEST_CASE("run: the order in which answers come changes nothing") {
    ScriptedModel alone(answer);
    const auto expected = synthesis(alone).run(documents());
    for (std::uint64_t order = 1; order <= 8; ++order) {
      ScriptedModel model(answer, 16, order);
      const auto result = synthesis(model).run(documents());
      CHECK(result.items == expected.items);
      CHECK(result.reports == expected.reports);
    }
  }

  TEST_CASE("run: a second run is the first again") {
    ScriptedModel model(answer, 4);
    Synthesis pipeline = synthesis(model);
    const auto first = pipeline.run(documents());
    const auto second = pipeline.run(documents());
    CHECK(first.items == second.items);
    CHECK(first.reports == second.reports);
  }

  TEST_CASE("run: nothing in, nothing out, nothing asked") {
    ScriptedModel model(answer);
    const auto result = synthesis(model).run({});
    CHECK(result.items.empty());
    CHECK(result.reports.size() == 4);
    CHECK(model.calls.empty());
  }

  TEST_CASE("run: every item that does not come out is counted, where one goes in for one") {
    ScriptedModel model([](const rx::ChatCall& call) { return call.id % 3 == 0 ? test::says("No.") : answer(call); },
                        4);
    const auto result = synthesis(model).run(documents());
    for (const rx::StageReport& report : result.reports) {
      CAPTURE(report.stage);
      CHECK(report.items_in == report.items_out + report.all_dropped());
    }
  }

  TEST_CASE("run: whatever answers are unusable or fail, nothing is lost uncounted, in any order of answers") {
    const auto hostile = [](const rx::ChatCall& call) {
      const std::uint64_t kind =
          (call.id * 31 + static_cast<std::uint64_t>(call.attempt) * 17 + call.stage.size()) % 11;
      switch (kind) {
        case 0:
          return test::says("");
        case 1:
          return test::says("\xFF");
        case 2:
          return test::says("I'm sorry, but I can't help with that.");
        case 3:
          return test::fails(rx::CallFault::kTimeout);
        case 4:
          return rx::ChatResult(rx::ChatAnswer{.text = "<score>3</sc", .finish = rx::Finish::kLength});
        case 5:
          return test::says("<score>9</score>");
        default:
          return answer(call);
      }
    };
    ScriptedModel alone(hostile);
    const auto expected = synthesis(alone).run(documents());
    CHECK(!expected.items.empty());
    Index unusable = 0;
    Index failures = 0;
    for (const rx::StageReport& report : expected.reports) {
      CAPTURE(report.stage);
      CHECK(report.items_in == report.items_out + report.all_dropped());
      unusable += report.all_unusable();
      failures += report.all_failures();
    }
    CHECK(unusable >= 3);
    CHECK(failures >= 3);
    for (const re::data::TrainingRow& row : expected.items) {
      CHECK(!re::data::find_problem(row, "row").has_value());
    }
    for (std::uint64_t order = 1; order <= 10; ++order) {
      ScriptedModel model(hostile, 8, order);
      const auto result = synthesis(model).run(documents());
      CHECK(result.items == expected.items);
      CHECK(result.reports == expected.reports);
    }
  }

  TEST_CASE("Pipeline: stages before and behind the paper's fit") {
    ScriptedModel model(answer, 4);
    std::size_t looked_at = 0;
    rx::Pipeline pipeline(rx::SampleSources({.least_characters = 1, .most_documents = 6}),
                          rx::GenerateQueries<Llm>(model, kTask),
                          rx::InspectItems<rx::GeneratedQuery>(
                              [&](std::span<const rx::GeneratedQuery> items) { looked_at = items.size(); }),
                          rx::MineCandidates<Retriever>(Retriever(), corpus()),
                          rx::AnnotateRelevance<Llm>(model, kTask),
                          rx::Assemble(kTask),
                          rx::WriteReasoningQueries<Llm>(model, kTask));
    const auto result = pipeline.run(documents());
    CHECK(looked_at == 6);
    REQUIRE(!result.items.empty());
    for (const re::data::TrainingRow& row : result.items) {
      CHECK(row.reasoning_query == "The essential problem of: " + row.query);
    }
  }

  TEST_CASE("run_stage: runs one stage alone") {
    Length stage;
    rx::StageReport report{.items_in = 99};
    std::vector<std::unique_ptr<std::string>> items;
    items.push_back(std::make_unique<std::string>("ab"));
    CHECK(run_stage(stage, std::move(items), report) == std::vector<std::size_t>{2});
    CHECK(report == rx::StageReport{.stage = "length", .items_in = 1, .items_out = 1});
  }

  TEST_CASE("InspectItems: without a function it only passes on") {
    rx::Pipeline pipeline((rx::InspectItems<int>(nullptr)));
    CHECK(pipeline.run({1, 2, 3}).items == std::vector<int>{1, 2, 3});
  }
}
