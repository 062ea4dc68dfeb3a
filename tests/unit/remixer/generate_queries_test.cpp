#include <reasonembed/remixer/generate_queries.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"
#include "support/scripted_model.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using rx::AnswerFault;
using rx::ChatCall;
using rx::GeneratedQuery;
using rx::GenerateQueries;
using rx::GenerateQueriesOptions;
using rx::Prompts;
using rx::SourceDocument;
using test::says;
using test::ScriptedModel;

static_assert(rx::Stage<GenerateQueries<ScriptedModel>>);

namespace {

struct Generated {
  std::vector<GeneratedQuery> queries = {};
  rx::StageReport report = {};
};

Generated generate(ScriptedModel& model,
                   std::vector<SourceDocument> documents,
                   const GenerateQueriesOptions& options = {},
                   const std::string& task = "biology") {
  GenerateQueries<ScriptedModel> stage(model, rx::bright_task(task), options);
  Generated generated;
  generated.queries = run_stage(stage, std::move(documents), generated.report);
  return generated;
}

std::vector<SourceDocument> documents(int count) {
  std::vector<SourceDocument> all;
  for (int i = 0; i < count; ++i) {
    all.push_back({"d" + std::to_string(i), "Document number " + std::to_string(i)});
  }
  return all;
}

re::remixer::ChatResult question(const ChatCall& call) {
  return says("\"Why is it so in " + test::tagged(call, "document") + "?\"");
}

}  // namespace

TEST_SUITE("remixer/generate_queries") {
  TEST_CASE("GenerateQueriesOptions: the defaults are the paper's") {
    const std::vector<std::string> options = test::named_options(GenerateQueriesOptions{});
    CHECK(options[0] == "sampling {temperature 1, top_p 0.6, top_k 0, max_tokens 8192, seed none}");
    CHECK(options[1] == "seed 42");
    CHECK(options.size() == 4);
  }

  TEST_CASE("run: one query for each document, with its source and conditions") {
    ScriptedModel model(question, 5);
    const Generated generated = generate(model, documents(20));
    REQUIRE(generated.queries.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) {
      const std::string text = "Document number " + std::to_string(i);
      CHECK(generated.queries[i] == GeneratedQuery{"Why is it so in " + text + "?",
                                                   {"d" + std::to_string(i), text},
                                                   rx::draw_conditions(text, 42)});
    }
    CHECK(generated.report.calls == 20);
    CHECK(generated.report.items_in == 20);
    CHECK(generated.report.items_out == 20);
  }

  TEST_CASE("run: the prompt holds the document and the conditions drawn for it, as the task's kind has it") {
    ScriptedModel model(question, 5);
    (void)generate(model, documents(10), {.seed = 7});
    for (const ChatCall& call : model.calls) {
      const std::string document = test::tagged(call, "document");
      const rx::Conditions conditions = rx::draw_conditions(document, 7);
      REQUIRE(call.messages.size() == 2);
      CHECK(call.messages[0].role == "system");
      CHECK(call.messages[1].content.find("Length: " + conditions.length + ".") != std::string::npos);
      CHECK(call.messages[1].content.find(conditions.level + ".") != std::string::npos);
      CHECK(call.messages[1].content.find("Site: Biology") != std::string::npos);
      CHECK(call.messages ==
            rx::generation_messages(
                Prompts().get("generate_queries", "post"), rx::bright_task("biology"), {"", document}, conditions));
      CHECK(call.stage == "generate_queries");
      CHECK(call.sampling.top_p == 0.6);
    }
  }

  TEST_CASE("run: a call says which document it is about, and what was asked for") {
    ScriptedModel model(question, 5);
    (void)generate(model, {{"d7", "The text."}, {"", "Another text."}}, {.seed = 7});
    const rx::Conditions conditions = rx::draw_conditions("The text.", 7);
    CHECK(re::io::parse_json(model.calls.at(0).input, "input") ==
          re::io::Json{{"document_id", "d7"}, {"length", conditions.length}, {"level", conditions.level}});
    CHECK(re::io::parse_json(model.calls.at(1).input, "input")["document_id"] == rx::text_id("Another text."));
    CHECK((model.calls.at(0).output == rx::query_output));
  }

  TEST_CASE("run: every kind of task has a prompt of its own") {
    std::map<std::string, std::string> prompts;
    for (const char* task : {"biology", "leetcode", "pony", "aops"}) {
      ScriptedModel model(question);
      (void)generate(model, {{"d", "The text."}}, {}, task);
      prompts[model.calls.front().messages.front().content] = task;
    }
    CHECK(prompts.size() == 4);
  }

  TEST_CASE("run: a query that another document has led to is dropped, the first keeps it") {
    ScriptedModel model(
        [](const ChatCall& call) {
          return says(call.id % 2 == 0 ? "the same old question" : "one of its own " + std::to_string(call.id));
        },
        4,
        3);
    const Generated generated = generate(model, documents(10));
    CHECK(generated.queries.size() == 6);
    CHECK(generated.queries[0].source.id == "d0");
    CHECK(generated.queries[1].source.id == "d1");
    CHECK(generated.queries[2].source.id == "d3");
    CHECK(generated.report.dropped == std::map<std::string, Index>{{"the query of another document", 4}});
  }

  TEST_CASE("run: unusable answers are asked for again and, at last, dropped and counted") {
    ScriptedModel model([](const ChatCall& call) {
      if (call.id == 0) {
        return says("I'm sorry, but I can't help with that.");
      }
      return call.id == 1 && call.attempt == 0 ? says("What?") : question(call);
    });
    const Generated generated = generate(model, documents(3), {.ask = {.attempts = 2}});
    CHECK(generated.queries.size() == 2);
    CHECK(generated.report.dropped == std::map<std::string, Index>{{"no usable answer", 1}});
    CHECK(generated.report.unusable_by(AnswerFault::kRefusal) == 2);
    CHECK(generated.report.unusable_by(AnswerFault::kNonsense) == 1);
    CHECK(generated.report.calls == 5);
  }

  TEST_CASE("run: nothing, and a huge document") {
    ScriptedModel model(question);
    CHECK(generate(model, {}).queries.empty());
    CHECK(model.calls.empty());
    const std::string huge(1 << 20, 'x');
    CHECK(generate(model, {{"h", huge}}).queries.front().source.text.str() == huge);
  }

  TEST_CASE("run: a document that is not UTF-8 is an error, for sampling leaves none") {
    ScriptedModel model(question);
    CHECK_THROWS_WITH_AS((void)generate(model, {{"bad", "a\xFF"}}),
                         "docs/prompts/generate_queries.post.md: byte 2 of {{document}} is not UTF-8, expected UTF-8 "
                         "text",
                         re::DataError);
  }

  TEST_CASE("GenerateQueries: refuses impossible options and tasks when it is made") {
    ScriptedModel model(question);
    using Stage = GenerateQueries<ScriptedModel>;
    CHECK_THROWS_AS(Stage(model, rx::bright_task("pony"), {.sampling = {.top_p = 2.0}}), re::ConfigError);
    CHECK_THROWS_AS(Stage(model, rx::bright_task("pony"), {.conditions = {.levels = {}}}), re::ConfigError);
    CHECK_THROWS_AS(Stage(model, rx::bright_task("pony"), {.ask = {.attempts = 0}}), re::ConfigError);
    CHECK_THROWS_AS(Stage(model, rx::Task{}), re::ConfigError);
    CHECK_THROWS_AS(Stage(model, rx::bright_task("pony"), {.conditions = {.lengths = {{5, 2, 1}}}}), re::ConfigError);
  }
}
