#include <reasonembed/remixer/filter_domain.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"
#include "support/scripted_model.hpp"

#include <map>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using re::Index;
using rx::ChatCall;
using rx::FilterDomain;
using rx::FilterDomainOptions;
using rx::SourceDocument;
using test::says;
using test::ScriptedModel;

static_assert(rx::Stage<FilterDomain<ScriptedModel>>);

namespace {

std::vector<std::string> kept_ids(ScriptedModel& model,
                                  std::vector<SourceDocument> documents,
                                  rx::StageReport& report,
                                  const FilterDomainOptions& options = {}) {
  FilterDomain<ScriptedModel> stage(model, rx::bright_task("earth_science"), options);
  std::vector<std::string> ids;
  for (const SourceDocument& document : run_stage(stage, std::move(documents), report)) {
    ids.push_back(document.id);
  }
  return ids;
}

}  // namespace

TEST_SUITE("remixer/filter_domain") {
  TEST_CASE("run: keeps an exact Yes and nothing else") {
    const std::vector<std::string> answers = {"Yes", "No", "yes", "Yes.", "Maybe", "\"Yes\"", "", "Yes, it does"};
    ScriptedModel model([&](const ChatCall& call) { return says(answers[call.id]); }, 3, 1);
    std::vector<SourceDocument> documents;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      documents.push_back({std::to_string(i), "document " + std::to_string(i)});
    }
    rx::StageReport report;
    CHECK(kept_ids(model, documents, report, {.ask = {.attempts = 2}}) == std::vector<std::string>{"0", "5"});
    CHECK(report.dropped == std::map<std::string, Index>{{"of another domain", 1}, {"no usable answer", 5}});
    CHECK(report.calls == 3 + 2 * 5);
    CHECK(report.unusable_by(rx::AnswerFault::kNonsense) == 8);
    CHECK(report.unusable_by(rx::AnswerFault::kEmpty) == 2);
  }

  TEST_CASE("run: asks for one word about the document and the domain, without chance") {
    ScriptedModel model([](const ChatCall&) { return says("Yes"); });
    rx::StageReport report;
    CHECK(kept_ids(model, {{"a", "The mantle convects."}}, report).size() == 1);
    const ChatCall& call = model.calls.front();
    CHECK(call.stage == "filter_domain");
    CHECK(call.sampling.temperature == 0.0);
    CHECK(call.input == R"({"document_id":"a"})");
    CHECK((call.output == rx::domain_output));
    CHECK(call.messages.back().content.find("Field: Earth Science") != std::string::npos);
    CHECK(test::tagged(call, "document") == "The mantle convects.");
    CHECK(test::named_options(FilterDomainOptions{})[0] ==
          "sampling {temperature 0, top_p 1, top_k 0, max_tokens 16, seed none}");
  }

  TEST_CASE("run: nothing in, nothing out") {
    ScriptedModel model([](const ChatCall&) { return says("Yes"); });
    rx::StageReport report;
    CHECK(kept_ids(model, {}, report).empty());
    CHECK(model.calls.empty());
  }

  TEST_CASE("FilterDomain: refuses impossible options") {
    ScriptedModel model([](const ChatCall&) { return says("Yes"); });
    using Stage = FilterDomain<ScriptedModel>;
    CHECK_THROWS_AS(Stage(model, rx::bright_task("pony"), {.sampling = {.max_tokens = 0}}), re::ConfigError);
    CHECK_THROWS_AS(Stage(model, rx::Task{.name = "x"}), re::ConfigError);
  }
}
