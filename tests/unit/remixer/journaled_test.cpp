#include <reasonembed/remixer/journaled.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/chat_server.hpp>
#include <support/http_model.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::remixer::CallFailure;
using re::remixer::CallFault;
using re::remixer::ChatAnswer;
using re::remixer::ChatCall;
using re::remixer::ChatResult;
using re::remixer::Journal;
using re::remixer::Journaled;
using re::remixer::JournalRow;
using test::FunctionModel;

namespace {

ChatResult echo(const ChatCall& call) {
  return ChatAnswer{.text = "to " + call.messages.back().content, .prompt_tokens = 2, .completion_tokens = 1};
}

ChatResult failure(CallFault fault) {
  return re::Unexpected<CallFailure>(CallFailure{.fault = fault, .message = "srv: no"});
}

/// A model with prices.
struct Priced : FunctionModel {
  [[nodiscard]] re::remixer::Prices prices() const { return {.prompt = 1e6, .completion = 2e6}; }
};

}  // namespace

static_assert(re::remixer::LanguageModel<Journaled<FunctionModel>>);
static_assert(re::remixer::LanguageModel<Journaled<re::remixer::HttpLanguageModel>>);

TEST_SUITE("remixer/journaled") {
  TEST_CASE("run: asks the model once, and the journal from then on") {
    const test::Scratch scratch;
    const std::vector<ChatCall> calls = test::chat_calls(30);
    // example-begin journaled
    Journal journal(scratch / "journal.sqlite");
    Journaled model(FunctionModel{echo, 4}, journal);
    const auto results = test::run_calls(model, calls);
    const auto again = test::run_calls(model, calls);  // nothing is asked: the journal has every answer
    // example-end journaled
    CHECK(results == again);
    CHECK(model.model().asked.size() == 30);
    CHECK(model.found() == 30);
    CHECK(model.identity() == "function");
    for (const ChatCall& call : calls) {
      CHECK(results.at(call.id) == echo(call));
    }
  }
  TEST_CASE("run: with JournalUse::kRecords the model is always asked, and the journal has its last answers") {
    const test::Scratch scratch;
    const std::vector<ChatCall> calls = test::chat_calls(20);
    Journal journal(scratch / "j.sqlite");
    std::string version = "a";
    const auto answer = [&](const ChatCall& call) -> ChatResult {
      return version == "none" && call.id == 3 ? failure(CallFault::kNotRecorded)
                                               : ChatResult(ChatAnswer{.text = version + std::to_string(call.id)});
    };
    Journaled model(FunctionModel{answer, 4}, journal, re::remixer::JournalUse::kRecords);
    (void)test::run_calls(model, calls);
    version = "b";
    CHECK(test::run_calls(model, calls).at(7).value().text == "b7");
    CHECK(model.model().asked.size() == 40);
    CHECK(model.found() == 0);
    CHECK(journal.find(re::remixer::call_key("function", calls[7])).value().text == "b7");
    version = "none";
    CHECK(!test::run_calls(model, calls).at(3));
    CHECK(journal.find(re::remixer::call_key("function", calls[3])).value().text == "b3");
    CHECK(journal.status().at(0).done == 20);
  }
  TEST_CASE("run: what it finds and what it asks are the run's, what no call asks for any more is not") {
    const test::Scratch scratch;
    std::vector<ChatCall> calls = test::chat_calls(20);
    const auto used = [&] {
      re::remixer::SqliteDatabase database(scratch / "j.sqlite", SQLITE_OPEN_READONLY);
      return database.number("SELECT count(*) FROM outputs WHERE task = 't'");
    };
    for (const std::int64_t want : {20, 15}) {
      Journal journal(scratch / "j.sqlite");
      journal.begin_stage("t", "annotate");
      Journaled model(FunctionModel{echo, 4}, journal);
      calls.resize(static_cast<std::size_t>(want));
      if (want == 15) {
        calls[14] = test::chat_call(14, "a changed prompt");
      }
      (void)test::run_calls(model, calls);
      CHECK(used() == want);
      CHECK(journal.status().at(0).done == (want == 20 ? 20 : 21));
    }
  }
  TEST_CASE("run: another run goes on where one was left, with the calls that are missing") {
    const test::Scratch scratch;
    std::vector<ChatCall> calls = test::chat_calls(20);
    {
      Journal journal(scratch / "j.sqlite");
      Journaled model(FunctionModel{echo}, journal);
      std::size_t done = 0;
      std::size_t given = 0;
      CHECK_THROWS_AS(model.run([&] { return std::optional(calls[given++]); },
                                [&](const ChatCall&, ChatResult) {
                                  if (++done == 8) {
                                    throw std::runtime_error("a kill");
                                  }
                                }),
                      std::runtime_error);
    }
    Journal journal(scratch / "j.sqlite");
    Journaled model(FunctionModel{echo}, journal);
    std::reverse(calls.begin(), calls.end());
    CHECK(test::run_calls(model, test::chat_calls(20)).size() == 20);
    CHECK(model.model().asked.size() == 12);
    CHECK(model.found() == 8);
  }
  TEST_CASE("run: an answer is committed before done hears of it") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    for (const std::size_t in_flight : {std::size_t{1}, std::size_t{7}}) {
      Journaled model(FunctionModel{echo, in_flight}, journal);
      Journal reader = Journal::read_only(scratch / "j.sqlite");  // another connection sees only what is committed
      std::size_t given = 0;
      const std::vector<ChatCall> calls = test::chat_calls(40, "flight " + std::to_string(in_flight));
      bool committed = true;
      model.run([&]() -> std::optional<ChatCall> { return given == 40 ? std::nullopt : std::optional(calls[given++]); },
                [&](const ChatCall& call, ChatResult result) {
                  committed = committed && reader.find(call_key("function", call)) == result.value();
                });
      CHECK(committed);
    }
  }
  TEST_CASE("run: answers of a model that is broken off are kept, since they are paid") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    const auto breaks = [](const ChatCall& call) {
      return call.id == 2 ? throw std::runtime_error("broken") : echo(call);
    };
    Journaled model(FunctionModel{breaks, 5}, journal);  // answers 4 and 3, then breaks
    std::size_t ended = 0;
    std::size_t given = 0;
    const std::vector<ChatCall> calls = test::chat_calls(10);
    CHECK_THROWS_AS(
        model.run([&] { return std::optional(calls[given++]); }, [&](const ChatCall&, ChatResult) { ++ended; }),
        std::runtime_error);
    CHECK(ended == 0);
    CHECK(journal.find(call_key("function", calls[4])));
    CHECK(journal.find(call_key("function", calls[3])));
    CHECK(!journal.find(call_key("function", calls[2])));
  }
  TEST_CASE("run: failures are journalled, delivered, and asked again by the next run") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    bool broken = true;
    const auto answer = [&](const ChatCall& call) {
      return broken && call.id % 3 == 0 ? failure(CallFault::kTimeout) : echo(call);
    };
    Journaled model(FunctionModel{answer, 3}, journal);
    auto results = test::run_calls(model, test::chat_calls(9));
    CHECK(results.at(3) == failure(CallFault::kTimeout));
    CHECK(results.at(4) == echo(test::chat_calls(9)[4]));
    CHECK(journal.status().at(0).failed.at(CallFault::kTimeout) == 3);
    broken = false;
    results = test::run_calls(model, test::chat_calls(9));
    CHECK(results.at(3) == echo(test::chat_calls(9)[3]));
    CHECK(model.model().asked.size() == 12);
    CHECK(journal.status().at(0).failed.empty());
    CHECK(journal.status().at(0).done == 9);
  }
  TEST_CASE("run: the same question asked twice at a time is asked once, and both get its answer") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    for (const bool fails : {false, true}) {
      Journaled model(
          FunctionModel{[&](const ChatCall& call) { return fails ? failure(CallFault::kServer) : echo(call); }, 4},
          journal);
      std::vector<ChatCall> calls;
      for (std::uint64_t i = 0; i < 12; ++i) {
        calls.push_back(test::chat_call(
            i, "question " + std::to_string(i / 4) + (fails ? " fails" : ""), i % 2 == 0 ? "even" : "odd"));
      }
      const auto results = test::run_calls(model, calls);
      CHECK(results.size() == 12);
      CHECK(model.model().asked.size() == 3);
      for (const ChatCall& call : calls) {
        CHECK(results.at(call.id) == (fails ? failure(CallFault::kServer) : echo(call)));
      }
    }
  }
  TEST_CASE("run: another model, attempt or prompt is another call; another stage is not") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    Journaled model(FunctionModel{echo}, journal);
    ChatCall call = test::chat_call(0, "Why?", "write");
    (void)test::run_calls(model, {call});
    call.stage = "annotate";
    (void)test::run_calls(model, {call});
    CHECK(model.model().asked.size() == 1);
    call.attempt = 1;
    (void)test::run_calls(model, {call});
    CHECK(model.model().asked.size() == 2);
    call.messages[0].content += " ";
    (void)test::run_calls(model, {call});
    CHECK(model.model().asked.size() == 3);
  }
  TEST_CASE("run: money is that of the model's prices") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    Journaled model(Priced{{echo}}, journal);
    (void)test::run_calls(model, test::chat_calls(5));
    CHECK(journal.status().at(0).money == 5 * (2.0 + 2.0));
    CHECK(journal.status().at(0).prompt_tokens == 10);
    Journaled free(FunctionModel{echo}, journal);
    (void)test::run_calls(free, test::chat_calls(2, "free"));
    CHECK(journal.status().at(0).money == 20.0);  // the same prompts: found, and already paid
  }
  TEST_CASE("run: a journal that can't be written ends the run with its error") {
    const test::Scratch scratch;
    Journal journal(scratch / "j.sqlite");
    Journal reader = Journal::read_only(scratch / "j.sqlite");
    Journaled model(FunctionModel{echo}, reader);
    CHECK_THROWS_AS((void)test::run_calls(model, test::chat_calls(3)), re::IoError);
  }
  TEST_CASE("run: over HTTP, no key reaches the journal, whatever the server says") {
    const test::Scratch scratch;
    int turn = 0;
    test::ChatServer server([&](const test::HttpRequest& request) {
      const std::string text = std::string("you sent ") + test::kSecretKey + " " + request.head;
      switch (turn++ % 4) {
        case 0:
          return test::HttpReply{.body = test::completion(text)};
        case 1:
          return test::HttpReply{.status = 401, .body = text, .content_type = "text/plain"};
        case 2:
          return test::HttpReply{.status = 400,
                                 .body = "{\"error\": {\"message\": \"key " + std::string(test::kSecretKey) + "\"}}"};
        default:
          return test::HttpReply{.body = "{\"" + std::string(test::kSecretKey) + "\": "};
      }
    });
    {
      Journal journal(scratch / "j.sqlite");
      Journaled model(re::remixer::HttpLanguageModel(test::http_options(server.url())), journal);
      for (const ChatCall& call : test::chat_calls(12)) {
        (void)test::run_calls(model, {ChatCall{.id = 0, .stage = call.stage, .messages = call.messages}});
      }
      const auto status = journal.status().at(0);
      CHECK(status.calls == 12);
      CHECK(status.done >= 3);
      CHECK(status.failed.contains(CallFault::kRefused));
    }
    for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) {
      CAPTURE(entry.path().string());
      CHECK(test::content_of(entry.path()).find(test::kSecretKey) == std::string::npos);
    }
  }
}
