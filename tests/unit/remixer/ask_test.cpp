#include <reasonembed/remixer/ask.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"
#include "support/scripted_model.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::remixer::AnswerFault;
using re::remixer::ask;
using re::remixer::AskOptions;
using re::remixer::CallFault;
using re::remixer::ChatAnswer;
using re::remixer::ChatCall;
using re::remixer::ChatMessage;
using re::remixer::ChatResult;
using re::remixer::Questions;
using re::remixer::Sampling;
using re::remixer::StageMonitor;
using re::remixer::StageReport;
using test::fails;
using test::says;
using test::ScriptedModel;

namespace {

std::vector<ChatMessage> number_prompt(Index i) {
  return {{"user", std::to_string(i)}};
}

re::remixer::Parsed<std::string> parse_word(const ChatAnswer& answer) {
  return re::remixer::parse_text(answer);
}

struct Asked {
  std::vector<std::optional<std::string>> values = {};
  StageReport report = {};
};

Asked ask_model(ScriptedModel& model, Index count, const AskOptions& options = {}) {
  StageMonitor monitor;
  Asked asked;
  asked.values = ask(model, Questions{"test_stage", count, {}, options}, number_prompt, parse_word, monitor);
  asked.report = monitor.report();
  return asked;
}

std::string refused(const Questions& questions) {
  ScriptedModel model([](const ChatCall&) { return says("x"); });
  StageMonitor monitor;
  try {
    (void)ask(model, questions, number_prompt, parse_word, monitor);
  } catch (const re::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_SUITE("remixer/ask") {
  TEST_CASE("ask: calls say what they are about and how their answers are read, each attempt alike") {
    ScriptedModel model([](const ChatCall& call) { return call.attempt == 0 ? says("") : says("word"); });
    StageMonitor monitor;
    const auto read = [](const ChatAnswer& answer) { return std::optional(answer.text); };
    const Questions questions{.stage = "test_stage",
                              .count = 3,
                              .input = [](Index i) { return "{\"i\":" + std::to_string(i) + "}"; },
                              .output = read};
    (void)ask(model, questions, number_prompt, parse_word, monitor);
    REQUIRE(model.calls.size() == 6);
    for (const ChatCall& call : model.calls) {
      CHECK(call.input == "{\"i\":" + std::to_string(call.id) + "}");
      REQUIRE((call.output != nullptr));
      CHECK(call.output({.text = "x"}) == "x");
    }
    ScriptedModel plain([](const ChatCall&) { return says("word"); });
    (void)ask_model(plain, 1);
    CHECK(plain.calls.at(0).input.empty());
    CHECK((plain.calls.at(0).output == nullptr));
  }

  TEST_CASE("ask: questions that end without a value are lost, and all are settled in the end") {
    ScriptedModel model([](const ChatCall& call) {
      return call.id == 0 ? fails(CallFault::kServer) : call.id == 1 ? says("") : says("word");
    });
    std::vector<re::remixer::StageProgress> told;
    StageMonitor monitor("", {.silent = true}, [&](const auto& progress) { told.push_back(progress); });
    monitor.expect(4, "questions");
    (void)ask(model, Questions{"test_stage", 4, {}, {.attempts = 2}}, number_prompt, parse_word, monitor);
    CHECK(told.back() == re::remixer::StageProgress{.total = 4, .settled = 4, .lost = 2});
    CHECK(told.size() == 5);
  }

  TEST_CASE("ask: each question gets its own answer, in whatever order they come") {
    for (const std::size_t in_flight : {1UL, 2UL, 7UL, 64UL, 1000UL}) {
      for (const std::uint64_t order : {1ULL, 2ULL, 3ULL}) {
        ScriptedModel model(
            [](const ChatCall& call) { return says("answer " + call.messages[0].content); }, in_flight, order);
        const Asked asked = ask_model(model, 100);
        for (std::size_t i = 0; i < 100; ++i) {
          CHECK(asked.values[i] == "answer " + std::to_string(i));
        }
        CHECK(asked.report.calls == 100);
        CHECK(asked.report.prompt_tokens == 1000);
        CHECK(asked.report.completion_tokens == 300);
        CHECK(model.runs == 1);
      }
    }
  }

  TEST_CASE("ask: no question, no call") {
    ScriptedModel model([](const ChatCall&) { return says("x"); });
    CHECK(ask_model(model, 0).values.empty());
    CHECK(model.runs == 0);
  }

  TEST_CASE("ask: calls carry stage, sampling, prompt and attempt") {
    ScriptedModel model([](const ChatCall& call) { return says(call.attempt == 0 ? "" : "now"); });
    StageMonitor monitor;
    const Sampling sampling{.temperature = 0.5, .top_p = 0.9, .top_k = 3, .max_tokens = 7, .seed = 11};
    const auto values = ask(model, Questions{"test_stage", 1, sampling, {}}, number_prompt, parse_word, monitor);
    CHECK(values.front() == "now");
    REQUIRE(model.calls.size() == 2);
    CHECK(model.calls[0] ==
          ChatCall{.id = 0, .stage = "test_stage", .attempt = 0, .messages = {{"user", "0"}}, .sampling = sampling});
    CHECK(model.calls[1].attempt == 1);
    CHECK(model.calls[1].messages == model.calls[0].messages);
  }

  TEST_CASE("ask: an unusable answer is asked for again, as often as configured, and counted by kind") {
    for (const int attempts : {1, 2, 5}) {
      CAPTURE(attempts);
      ScriptedModel model([](const ChatCall&) { return says("I\xFF"); }, 4);
      const Asked asked = ask_model(model, 10, {.attempts = attempts});
      CHECK(asked.report.calls == 10 * attempts);
      CHECK(asked.report.unusable_by(AnswerFault::kNotUtf8) == 10 * attempts);
      CHECK(asked.report.all_unusable() == 10 * attempts);
      for (const auto& value : asked.values) {
        CHECK(!value.has_value());
      }
      std::map<std::uint64_t, std::vector<int>> seen;
      for (const ChatCall& call : model.calls) {
        seen[call.id].push_back(call.attempt);
      }
      for (const auto& [id, numbers] : seen) {
        REQUIRE(static_cast<int>(numbers.size()) == attempts);
        for (int i = 0; i < attempts; ++i) {
          CHECK(numbers[static_cast<std::size_t>(i)] == i);
        }
      }
    }
  }

  TEST_CASE("ask: the same answers give the same values and counts in any order") {
    const auto answer = [](const ChatCall& call) {
      const std::uint64_t hash = (call.id * 7 + static_cast<std::uint64_t>(call.attempt) * 3) % 5;
      return hash == 0 ? says("") : hash == 1 ? fails(CallFault::kServer) : says(std::to_string(hash));
    };
    ScriptedModel first(answer);
    const Asked expected = ask_model(first, 200);
    CHECK(expected.report.all_unusable() > 0);
    CHECK(expected.report.all_failures() > 0);
    for (std::uint64_t order = 1; order <= 10; ++order) {
      ScriptedModel model(answer, 16, order);
      const Asked asked = ask_model(model, 200);
      CHECK(asked.values == expected.values);
      CHECK(asked.report == expected.report);
    }
  }

  TEST_CASE("ask: a failed call is counted by kind and not repeated, for its model has done that") {
    ScriptedModel model([](const ChatCall& call) { return call.id % 2 == 0 ? fails(CallFault::kTimeout) : says("x"); },
                        8);
    const Asked asked = ask_model(model, 50);
    CHECK(asked.report.calls == 50);
    CHECK(asked.report.failures_by(CallFault::kTimeout) == 25);
    CHECK(!asked.values[0].has_value());
    CHECK(asked.values[1] == "x");
  }

  TEST_CASE("ask: gives up when so many calls fail one after another") {
    ScriptedModel model([](const ChatCall&) { return fails(CallFault::kRefused); }, 4);
    StageMonitor monitor;
    CHECK_THROWS_WITH_AS(
        (void)ask(model, Questions{"test_stage", 1000, {}, {.give_up_after = 20}}, number_prompt, parse_word, monitor),
        "remixer::test_stage: number of calls that failed one after another is 20 (the last: test: status is 500, "
        "expected 200), expected a model that answers",
        re::Error);
    CHECK(monitor.report().failures_by(CallFault::kRefused) == 20);
    CHECK(model.calls.size() < 30);
  }

  TEST_CASE("ask: a success between failures, or 0, keeps it going") {
    ScriptedModel model(
        [](const ChatCall& call) { return call.id % 20 == 19 ? says("x") : fails(CallFault::kServer); });
    CHECK(ask_model(model, 400, {.give_up_after = 20}).report.all_failures() == 380);
    ScriptedModel silent([](const ChatCall&) { return fails(CallFault::kServer); });
    CHECK(ask_model(silent, 400, {.give_up_after = 0}).report.all_failures() == 400);
  }

  TEST_CASE("ask: answers that are still to come don't make it give up") {
    ScriptedModel model([](const ChatCall&) { return fails(CallFault::kNotRecorded); });
    CHECK(ask_model(model, 400, {.give_up_after = 1}).report.failures_by(CallFault::kNotRecorded) == 400);
  }

  TEST_CASE("ask: a model that takes no calls is an error, not an endless loop") {
    struct Idle {
      [[nodiscard]] std::string identity() const { return "idle"; }
      void run(re::remixer::NextCall /*next*/, re::remixer::CallDone /*done*/) {}
    };
    Idle model;
    StageMonitor monitor;
    CHECK_THROWS_WITH_AS((void)ask(model, Questions{"test_stage", 1, {}, {}}, number_prompt, parse_word, monitor),
                         "remixer::test_stage: number of calls that the model took is 0, expected all that there are "
                         "(see LanguageModel)",
                         re::Error);
  }

  TEST_CASE("ask: every question advances the progress once") {
    ScriptedModel model(
        [](const ChatCall& call) { return call.id == 0 ? fails(CallFault::kTls) : says(call.id == 1 ? "" : "x"); }, 3);
    StageMonitor monitor;
    monitor.expect(5, "questions");
    (void)ask(model, Questions{"test_stage", 5, {}, {}}, number_prompt, parse_word, monitor);
    CHECK(monitor.progress()->done() == 5);
  }

  TEST_CASE("ask: prompts are made when their turn comes") {
    ScriptedModel model([](const ChatCall&) { return says("x"); }, 4);
    StageMonitor monitor;
    Index made = 0;
    const auto render = [&](Index i) {
      ++made;
      if (i == 10) {
        throw std::runtime_error("no prompt for 10");
      }
      return number_prompt(i);
    };
    CHECK_THROWS_WITH((void)ask(model, Questions{"test_stage", 1000, {}, {}}, render, parse_word, monitor),
                      "no prompt for 10");
    CHECK(made == 11);
  }

  TEST_CASE("ask: impossible options are refused before anything is asked") {
    CHECK(refused({"s", 1, {}, {.attempts = 0}}) == "remixer::AskOptions: attempts is 0, expected at least 1");
    CHECK(refused({"s", 1, {}, {.give_up_after = -1}}) ==
          "remixer::AskOptions: give_up_after is -1, expected at least 0");
    CHECK(refused({"s", 1, {.temperature = -0.1}, {}}).starts_with("remixer::Sampling: temperature is -0.1"));
    CHECK(refused({"s", 1, {.temperature = std::numeric_limits<double>::quiet_NaN()}, {}}) != "");
    CHECK(refused({"s", 1, {.top_p = 0.0}, {}}) == "remixer::Sampling: top_p is 0.000000, expected in (0, 1]");
    CHECK(refused({"s", 1, {.top_p = 1.1}, {}}) != "");
    CHECK(refused({"s", 1, {.top_k = -1}, {}}) == "remixer::Sampling: top_k is -1, expected at least 0");
    CHECK(refused({"s", 1, {.max_tokens = 0}, {}}) == "remixer::Sampling: max_tokens is 0, expected at least 1");
    CHECK(refused({"s", 1, {}, {}}).empty());
  }

  TEST_CASE("AskOptions: names its options") {
    CHECK(test::named_options(AskOptions{}) == std::vector<std::string>{"attempts 3", "give_up_after 100"});
  }
}
