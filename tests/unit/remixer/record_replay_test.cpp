#include <reasonembed/remixer/record_replay.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/file_size_limit.hpp>
#include <support/named_options.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::CallFailure;
using re::remixer::CallFault;
using re::remixer::ChatAnswer;
using re::remixer::ChatCall;
using re::remixer::ChatResult;
using re::remixer::Finish;
using re::remixer::Recorded;
using re::remixer::Replay;
using test::FunctionModel;

namespace {

ChatResult echo(const ChatCall& call) {
  return ChatAnswer{.text = "to " + call.messages.back().content};
}

/// A recording of the model "function" with these rows.
std::filesystem::path recording(const test::Scratch& scratch,
                                const std::string& rows,
                                const std::string& name = "r.jsonl") {
  return scratch.write(name, "{\"format\": \"reasonembed recording 1\", \"model\": \"function\"}\n" + rows);
}

std::string key_text(const ChatCall& call) {
  return re::remixer::hex_of(re::remixer::call_key("function", call));
}

}  // namespace

TEST_SUITE("remixer/record_replay") {
  TEST_CASE("Replay: gives every answer that was recorded, without the model") {
    const test::Scratch scratch;
    const std::vector<ChatCall> calls = test::chat_calls(20);
    // example-begin record
    Recorded recorded(FunctionModel{echo, 3}, scratch / "answers.jsonl");
    const auto results = test::run_calls(recorded, calls);
    Replay replay(scratch / "answers.jsonl");
    CHECK(test::run_calls(replay, calls) == results);
    // example-end record
    CHECK(replay.size() == 20);
    CHECK(replay.identity() == "function");
    CHECK(recorded.identity() == "function");
    std::vector<ChatCall> others = calls;
    std::reverse(others.begin(), others.end());
    CHECK(test::run_calls(replay, calls) == results);
  }
  TEST_CASE("Recorded: a line an answer, with what is unusual about it") {
    const test::Scratch scratch;
    const std::vector<ChatResult> ends = {
        ChatAnswer{.text = "Yes \"\xC3\xA9\".\n"},
        ChatAnswer{.text = "Half", .finish = Finish::kLength, .prompt_tokens = 12, .completion_tokens = 3},
        re::Unexpected<CallFailure>(CallFailure{.fault = CallFault::kServer, .message = "srv: no"})};
    Recorded model(FunctionModel{[&](const ChatCall& call) { return ends.at(call.id); }}, scratch / "r.jsonl");
    std::vector<ChatCall> calls = test::chat_calls(3);
    calls[1].attempt = 2;
    CHECK(test::run_calls(model, calls).at(2) == ends[2]);
    CHECK(test::content_of(scratch / "r.jsonl") ==
          "{\"format\":\"reasonembed recording 1\",\"model\":\"function\"}\n"
          "{\"key\":\"" +
              key_text(calls[0]) +
              "\",\"stage\":\"annotate\",\"text\":\"Yes \\\"\xC3\xA9\\\".\\n\"}\n"
              "{\"attempt\":2,\"finish\":\"length\",\"key\":\"" +
              key_text(calls[1]) + "\",\"stage\":\"annotate\",\"text\":\"Half\",\"tokens\":[12,3]}\n");
    Replay replay(scratch / "r.jsonl");
    CHECK(test::run_calls(replay, calls).at(1) == ends[1]);
    CHECK(test::run_calls(replay, calls).at(2).error().fault == CallFault::kNotRecorded);
  }
  TEST_CASE("Recorded: keeps prompts where asked to, and they change no replay") {
    const test::Scratch scratch;
    Recorded model(FunctionModel{echo}, scratch / "r.jsonl", {.keep_prompts = true});
    (void)test::run_call(model, "Why?");
    CHECK(test::content_of(scratch / "r.jsonl").find("\"messages\":[{\"content\":\"Why?\",\"role\":\"user\"}]") !=
          std::string::npos);
    Replay replay(scratch / "r.jsonl");
    CHECK(test::run_call(replay, "Why?").value().text == "to Why?");
    CHECK(test::named_options(re::remixer::RecordOptions{}) == std::vector<std::string>{"keep_prompts false"});
  }
  TEST_CASE("Recorded: goes on in a file that is there, and writes no call twice") {
    const test::Scratch scratch;
    {
      Recorded model(FunctionModel{echo}, scratch / "r.jsonl");
      (void)test::run_calls(model, test::chat_calls(5));
      (void)test::run_calls(model, test::chat_calls(5));
    }
    Recorded model(FunctionModel{[](const ChatCall&) { return ChatAnswer{.text = "otherwise"}; }}, scratch / "r.jsonl");
    CHECK(test::run_calls(model, test::chat_calls(8)).at(0).value().text == "otherwise");
    CHECK(Replay(scratch / "r.jsonl").size() == 8);
    Replay replay(scratch / "r.jsonl");
    CHECK(test::run_calls(replay, test::chat_calls(8)).at(0).value().text == "to question 0");
    CHECK(test::run_calls(replay, test::chat_calls(8)).at(7).value().text == "otherwise");
  }
  TEST_CASE("Recorded: refuses a file of another model, of another kind, or cut off") {
    const test::Scratch scratch;
    const auto record = [&] { Recorded(FunctionModel{echo}, scratch / "r.jsonl"); };
    scratch.write("r.jsonl", "{\"format\": \"reasonembed recording 1\", \"model\": \"other\"}\n");
    CHECK_THROWS_WITH_AS(record(),
                         ((scratch / "r.jsonl").string() + ": model is \"other\", expected \"function\"").c_str(),
                         re::DataError);
    scratch.write("r.jsonl", "{\"id\": 1}\n");
    CHECK_THROWS_WITH_AS(
        record(),
        ((scratch / "r.jsonl").string() + ":1: format is \"\", expected \"reasonembed recording 1\"").c_str(),
        re::DataError);
    recording(scratch, "{\"key\": \"");
    CHECK_THROWS_AS(record(), re::DataError);
    scratch.write("r.jsonl", "");
    CHECK_NOTHROW(record());
    CHECK_THROWS_AS(Recorded(FunctionModel{echo}, scratch / "no/such/r.jsonl"), re::IoError);
  }
  TEST_CASE("Recorded: a full disk ends the run, and the rows before stay readable") {
    const test::Scratch scratch;
    Recorded model(FunctionModel{echo}, scratch / "r.jsonl");
    {
      const test::FileSizeLimit limit(1000);
      CHECK_THROWS_AS((void)test::run_calls(model, test::chat_calls(20)), re::IoError);
    }
    const std::size_t kept = Replay(scratch / "r.jsonl").size();
    CHECK(kept > 1);
    CHECK(kept < 20);
  }

  TEST_CASE("Replay: another prompt, attempt, sampling or model was not recorded") {
    const test::Scratch scratch;
    Recorded model(FunctionModel{echo}, scratch / "r.jsonl");
    (void)test::run_call(model, "Why?");
    Replay replay(scratch / "r.jsonl");
    ChatCall call = test::chat_call(0, "Why?");
    CHECK(test::run_calls(replay, {call}).at(0));
    call.attempt = 1;
    const ChatResult result = test::run_calls(replay, {call}).at(0);
    REQUIRE(!result);
    CHECK(result.error() ==
          CallFailure{.fault = CallFault::kNotRecorded,
                      .message = "remixer::Replay: call " + key_text(call) +
                                 " of stage annotate is in none of the recordings, expected the prompt, sampling and "
                                 "model that were recorded"});
    call.attempt = 0;
    call.sampling.temperature = 0.5;
    CHECK(!test::run_calls(replay, {call}).at(0));
    CHECK(!test::run_call(replay, "Why not?"));
    CHECK(test::run_calls(replay, {}).empty());
  }
  TEST_CASE("Replay: reads several files of one model") {
    const test::Scratch scratch;
    const auto row = [](std::uint64_t id, const std::string& text) {
      return "{\"key\": \"" + key_text(test::chat_calls(id + 1)[id]) + "\", \"stage\": \"s\", \"text\": \"" + text +
             "\"}\n";
    };
    const auto a = recording(scratch, row(0, "zero") + row(1, "one"), "a.jsonl");
    const auto b = recording(scratch, row(1, "one") + row(2, "two"), "b.jsonl");
    Replay both({a, b});
    CHECK(both.size() == 3);
    CHECK(test::run_calls(both, test::chat_calls(3)).at(2).value().text == "two");
    const auto c = recording(scratch, row(2, "otherwise"), "c.jsonl");
    CHECK_THROWS_WITH_AS(Replay({b, c}),
                         (c.string() + ":2: key is " + key_text(test::chat_calls(3)[2]) +
                          ", which has another answer before, expected one answer")
                             .c_str(),
                         re::DataError);
    scratch.write("d.jsonl", "{\"format\": \"reasonembed recording 1\", \"model\": \"m\"}\n");
    CHECK_THROWS_AS(Replay({a, scratch / "d.jsonl"}), re::DataError);
    CHECK_THROWS_AS(Replay(std::vector<std::filesystem::path>{}), re::ConfigError);
    CHECK(Replay(recording(scratch, "", "e.jsonl")).size() == 0);
  }
  TEST_CASE("Replay: malformed files are refused with their line") {
    const test::Scratch scratch;
    const std::string key = "\"key\": \"" + std::string(64, 'a') + "\", ";
    for (const std::string& row : {std::string("not JSON"),
                                   std::string("{}"),
                                   "{" + key + "\"stage\": \"s\"}",
                                   "{" + key + "\"text\": 1}",
                                   "{" + key + "\"text\": \"a\", \"finish\": \"done\"}",
                                   "{" + key + "\"text\": \"a\", \"tokens\": [1]}",
                                   "{" + key + "\"text\": \"a\", \"tokens\": [1, -2]}",
                                   "{" + key + "\"text\": \"a\", \"tokens\": 3}",
                                   "{" + key + "\"text\": \"\xFF\"}",
                                   std::string("{\"key\": \"abc\", \"text\": \"a\"}"),
                                   "{" + key}) {
      CAPTURE(row);
      const auto path = recording(scratch, row + "\n");
      std::string message;
      try {
        (void)Replay(path);
      } catch (const re::DataError& error) {
        message = error.what();
      }
      CHECK(message.starts_with(path.string() + ":2: "));
    }
    CHECK_THROWS_AS(Replay(scratch / "none"), re::IoError);
    CHECK_THROWS_WITH_AS(Replay(scratch.write("empty", "")),
                         ((scratch / "empty").string() + ": file is empty, expected a recording").c_str(),
                         re::DataError);
  }
}
