#include <reasonembed/remixer/annotate_relevance.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"
#include "support/scripted_model.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using rx::AnnotatedQuery;
using rx::AnnotateRelevance;
using rx::AnnotateRelevanceOptions;
using rx::AnswerFault;
using rx::ChatCall;
using rx::kUnlabelled;
using rx::MinedQuery;
using rx::SharedText;
using test::says;
using test::ScriptedModel;

static_assert(rx::Stage<AnnotateRelevance<ScriptedModel>>);

namespace {

struct Annotated {
  std::vector<AnnotatedQuery> queries = {};
  rx::StageReport report = {};
};

Annotated annotate(ScriptedModel& model,
                   std::vector<MinedQuery> queries,
                   const AnnotateRelevanceOptions& options = {},
                   const std::string& task = "biology") {
  AnnotateRelevance<ScriptedModel> stage(model, rx::bright_task(task), options);
  Annotated annotated;
  annotated.queries = run_stage(stage, std::move(queries), annotated.report);
  return annotated;
}

/// The score is the last character of the document.
re::remixer::ChatResult score(const ChatCall& call) {
  return says("It helps.\n<score>" + test::tagged(call, "document").substr(3) + "</score>");
}

std::vector<MinedQuery> queries() {
  return {{"first query", {"s1", "source 1"}, {"doc1", "doc5", "doc3"}},
          {"second query", {}, {}},
          {"third query", {"s3", "source 3"}, {"doc2"}}};
}

}  // namespace

TEST_SUITE("remixer/annotate_relevance") {
  TEST_CASE("AnnotateRelevanceOptions: the defaults are the paper's") {
    CHECK(test::named_options(AnnotateRelevanceOptions{}) ==
          std::vector<std::string>{"sampling {temperature 0.7, top_p 0.95, top_k 40, max_tokens 2048, seed none}",
                                   "longest_text 49152",
                                   "ask {attempts 3, give_up_after 100}",
                                   "keep_answers false"});
  }

  TEST_CASE("run: one label for each candidate; everything else passes through") {
    ScriptedModel model(score, 4);
    const Annotated annotated = annotate(model, queries());
    REQUIRE(annotated.queries.size() == 3);
    CHECK(annotated.queries[0] ==
          AnnotatedQuery{"first query", {"s1", "source 1"}, {"doc1", "doc5", "doc3"}, {1, 5, 3}, {}});
    CHECK(annotated.queries[1] == AnnotatedQuery{"second query", {}, {}, {}, {}});
    CHECK(annotated.queries[2] == AnnotatedQuery{"third query", {"s3", "source 3"}, {"doc2"}, {2}, {}});
    CHECK(annotated.report.calls == 4);
    CHECK(annotated.report.counts == std::map<std::string, Index>{{"pairs with label 1", 1},
                                                                  {"pairs with label 2", 1},
                                                                  {"pairs with label 3", 1},
                                                                  {"pairs with label 5", 1}});
  }

  TEST_CASE("run: a call says which query and document it is about, by the ids that are known") {
    ScriptedModel model(score, 4);
    AnnotateRelevance<ScriptedModel> stage(model, rx::bright_task("biology"));
    stage.name_documents([](std::string_view text) { return text == "doc5" ? std::string("d-5") : std::string(); });
    re::remixer::StageReport report;
    (void)run_stage(stage, queries(), report);
    REQUIRE(model.calls.size() == 4);
    const re::io::Json input = re::io::parse_json(model.calls[1].input, "input");
    CHECK(input == re::io::Json{{"query_id", re::remixer::text_id("first query")},
                                {"query", "first query"},
                                {"source_id", "s1"},
                                {"document_id", "d-5"},
                                {"rank", 2}});
    CHECK(re::io::parse_json(model.calls[0].input, "input")["document_id"] == re::remixer::text_id("doc1"));
    CHECK(model.calls[0].output({.text = "<score>2</score>"}) == R"({"score":2})");
  }

  TEST_CASE("run: labels go where they belong, in whatever order answers come") {
    std::vector<MinedQuery> many;
    for (int i = 0; i < 30; ++i) {
      MinedQuery query{.query = "query " + std::to_string(i)};
      for (int j = 0; j < i % 7; ++j) {
        query.candidates.emplace_back("doc" + std::to_string(1 + (i * j) % 5));
      }
      many.push_back(query);
    }
    for (std::uint64_t order = 0; order < 5; ++order) {
      ScriptedModel model(score, 16, order);
      const Annotated annotated = annotate(model, many);
      for (std::size_t i = 0; i < many.size(); ++i) {
        for (std::size_t j = 0; j < many[i].candidates.size(); ++j) {
          CHECK(annotated.queries[i].labels[j] == many[i].candidates[j].str().back() - '0');
        }
      }
    }
  }

  TEST_CASE("run: an answer without a usable score is asked for again, then the pair has no label") {
    ScriptedModel model([](const ChatCall& call) {
      if (call.id == 0) {
        return says("I'd say 4.");
      }
      return call.id == 1 && call.attempt < 2 ? says("<score>7</score>") : score(call);
    });
    const Annotated annotated = annotate(model, queries());
    CHECK(annotated.queries[0].labels == std::vector<int>{kUnlabelled, 5, 3});
    CHECK(annotated.report.unusable_by(AnswerFault::kNoScore) == 3);
    CHECK(annotated.report.unusable_by(AnswerFault::kBadScore) == 2);
    CHECK(annotated.report.counts.at("pairs without a label") == 1);
    CHECK(annotated.report.calls == 3 + 3 + 1 + 1);
  }

  TEST_CASE("run: texts of more than 49,152 characters are not asked about") {
    const std::string edge(49152, 'x');
    std::string wide;
    for (int i = 0; i < 49152; ++i) {
      wide += "\xC3\xA4";
    }
    ScriptedModel model([](const ChatCall&) { return says("<score>4</score>"); });
    const Annotated annotated =
        annotate(model,
                 {{"q", {}, {SharedText(edge), SharedText(edge + "x"), SharedText(wide), SharedText(wide + "x")}},
                  {edge + "x", {}, {"d1", "d2"}}});
    CHECK(annotated.queries[0].labels == std::vector<int>{4, kUnlabelled, 4, kUnlabelled});
    CHECK(annotated.queries[1].labels == std::vector<int>{kUnlabelled, kUnlabelled});
    CHECK(annotated.report.calls == 2);
    CHECK(annotated.report.counts.at("pairs with a text that is too long") == 4);
    CHECK(annotate(model, {{"q", {}, {"four", "three"}}}, {.longest_text = 4}).queries[0].labels ==
          std::vector<int>{4, kUnlabelled});
  }

  TEST_CASE("run: the prompt holds both texts and what relevance means for the task") {
    ScriptedModel model(score);
    (void)annotate(model, queries(), {}, "leetcode");
    const ChatCall& call = model.calls.front();
    CHECK(call.stage == "annotate_relevance");
    CHECK(test::tagged(call, "query") == "first query");
    CHECK(test::tagged(call, "document") == "doc1");
    CHECK(call.messages.back().content.find(rx::bright_task("leetcode").relevance) != std::string::npos);
    CHECK(call.sampling.top_k == 40);
    CHECK(call.messages ==
          rx::annotation_messages(
              rx::Prompts().get("annotate_relevance"), rx::bright_task("leetcode"), "first query", "doc1"));
  }

  TEST_CASE("run: keeps what the annotator wrote where that is wanted") {
    ScriptedModel model([](const ChatCall& call) { return call.id == 2 ? says("no score") : score(call); });
    const Annotated annotated = annotate(model, queries(), {.keep_answers = true});
    CHECK(annotated.queries[0].answers ==
          std::vector<std::string>{"It helps.\n<score>1</score>", "It helps.\n<score>5</score>", ""});
    CHECK(annotated.queries[1].answers.empty());
    CHECK(annotated.queries[2].answers.size() == 1);
  }

  TEST_CASE("run: a hundred thousand pairs are asked about without a copy of their texts") {
    MinedQuery query{.query = "the query"};
    for (int i = 0; i < 100; ++i) {
      query.candidates.emplace_back("doc" + std::to_string(1 + i % 5));
    }
    std::size_t calls = 0;
    struct Counter {
      std::size_t* calls;
      [[nodiscard]] std::string identity() const { return "counter"; }
      void run(rx::NextCall next, rx::CallDone done) {
        while (const auto call = next()) {
          ++*calls;
          done(*call, score(*call));
        }
      }
    } model{&calls};
    AnnotateRelevance stage(model, rx::bright_task("pony"));
    rx::StageReport report;
    const std::vector<AnnotatedQuery> annotated = run_stage(stage, std::vector<MinedQuery>(1000, query), report);
    CHECK(calls == 100000);
    CHECK(report.counts.at("pairs with label 4") == 20000);
    CHECK(annotated[999].labels[98] == 4);
    CHECK(annotated[999].candidates[7].view().data() == query.candidates[7].view().data());
  }

  TEST_CASE("run: nothing in, nothing out") {
    ScriptedModel model(score);
    CHECK(annotate(model, {}).queries.empty());
    CHECK(model.calls.empty());
  }

  TEST_CASE("AnnotateRelevance: refuses impossible options") {
    ScriptedModel model(score);
    using Stage = AnnotateRelevance<ScriptedModel>;
    CHECK_THROWS_WITH_AS(Stage(model, rx::bright_task("pony"), {.longest_text = 0}),
                         "remixer::AnnotateRelevance: longest_text is 0, expected at least 1",
                         re::ConfigError);
    CHECK_THROWS_AS(Stage(model, rx::bright_task("pony"), {.sampling = {.top_k = -1}}), re::ConfigError);
    CHECK_THROWS_AS(Stage(model, rx::Task{}), re::ConfigError);
  }
}
