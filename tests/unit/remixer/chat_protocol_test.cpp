#include <reasonembed/remixer/chat_protocol.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/chat_server.hpp>
#include <support/named_options.hpp>

#include <limits>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::CallFault;
using re::remixer::ChatAnswer;
using re::remixer::ChatCall;
using re::remixer::ChatRequestWriter;
using re::remixer::ChatResult;
using re::remixer::Finish;
using re::remixer::parse_chat_response;
using re::remixer::status_failure;

namespace {

/// A response with one choice that is `choice`.
std::string response(const std::string& choice, const std::string& more = "") {
  return "{\"choices\": [" + choice + "]" + more + "}";
}

/// "fault: message" of a response that is no answer.
std::string failure_of(const std::string& body) {
  const ChatResult result = parse_chat_response(body, "srv");
  return result ? "an answer" : std::string(name_of(result.error().fault)) + " " + result.error().message;
}

}  // namespace

TEST_SUITE("remixer/chat_protocol") {
  TEST_CASE("body: the call as the protocol has it") {
    const ChatRequestWriter writer({.name = "qwen"});
    ChatCall call = test::chat_call(1, "Why \"x\"?\n\xC3\xA9");
    call.messages.insert(call.messages.begin(), {.role = "system", .content = ""});
    CHECK(writer.text(call) ==
          "{\"max_tokens\":2048,\"messages\":[{\"content\":\"\",\"role\":\"system\"},{\"content\":\"Why "
          "\\\"x\\\"?\\n\xC3\xA9\",\"role\":\"user\"}],\"model\":\"qwen\",\"temperature\":1.0}");
    CHECK(writer.identity() == "qwen");
  }
  TEST_CASE("body: sampling that is not neutral is sent") {
    ChatCall call = test::chat_call(1, "a");
    call.sampling = {.temperature = 0.0, .top_p = 0.95, .top_k = 20, .max_tokens = 7, .seed = -3};
    const re::io::Json body = ChatRequestWriter({.name = "m", .max_tokens_name = "max_completion_tokens"}).body(call);
    CHECK(body.at("temperature") == 0.0);
    CHECK(body.at("top_p") == 0.95);
    CHECK(body.at("top_k") == 20);
    CHECK(body.at("max_completion_tokens") == 7);
    CHECK(!body.contains("max_tokens"));
    CHECK(body.at("seed") == -3);
  }
  TEST_CASE("body: added fields are sent, and are part of the model's identity") {
    const ChatRequestWriter writer({.name = "m", .extra = "{\"reasoning_effort\": \"low\", \"a\": {\"b\": [1]}}"});
    const re::io::Json body = writer.body(test::chat_call(1, "a"));
    CHECK(body.at("reasoning_effort") == "low");
    CHECK(body.at("a").dump() == "{\"b\":[1]}");
    CHECK(writer.identity() == "m {\"a\":{\"b\":[1]},\"reasoning_effort\":\"low\"}");
    CHECK(ChatRequestWriter({.name = "m", .extra = "{}"}).identity() == "m");
  }
  TEST_CASE("body: text that is not UTF-8, and a temperature that is no number, are refused") {
    const ChatRequestWriter writer({.name = "m"});
    CHECK_THROWS_WITH_AS((void)writer.text(test::chat_call(1, "ab\xFF")),
                         "remixer::ChatRequestWriter: byte 3 of a message of stage annotate is not UTF-8, expected "
                         "UTF-8 text",
                         re::DataError);
    ChatCall call = test::chat_call(1, "a");
    call.sampling.temperature = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS((void)writer.text(call), re::NonFiniteError);
    CHECK_NOTHROW((void)writer.text({}));
  }
  TEST_CASE("ChatRequestWriter: refuses models that are none") {
    CHECK_THROWS_WITH_AS(ChatRequestWriter({}),
                         "remixer::ChatRequestWriter: model.name is \"\", expected the name of a model",
                         re::ConfigError);
    CHECK_THROWS_AS(ChatRequestWriter({.name = "\xFF"}), re::ConfigError);
    CHECK_THROWS_AS(ChatRequestWriter({.name = "m", .max_tokens_name = ""}), re::ConfigError);
    CHECK_THROWS_AS(ChatRequestWriter({.name = "m", .extra = "[1]"}), re::ConfigError);
    CHECK_THROWS_AS(ChatRequestWriter({.name = "m", .extra = "{\"a\": "}), re::ConfigError);
    CHECK_THROWS_WITH_AS(ChatRequestWriter({.name = "m", .extra = "{\"stream\": true}"}),
                         "remixer::ChatRequestWriter: model.extra is a field \"stream\", expected other fields",
                         re::ConfigError);
    CHECK(test::named_options(re::remixer::ChatModelOptions{.name = "m"}) ==
          std::vector<std::string>{"name m", "max_tokens_name max_tokens", "extra "});
  }

  TEST_CASE("parse_chat_response: text, finish and tokens") {
    CHECK(parse_chat_response(test::completion("Yes.", "stop", 11, 2), "srv").value() ==
          ChatAnswer{.text = "Yes.", .prompt_tokens = 11, .completion_tokens = 2});
    CHECK(parse_chat_response(test::completion("Cut", "length"), "srv").value().finish == Finish::kLength);
    CHECK(parse_chat_response(test::completion("No", "content_filter"), "srv").value().finish == Finish::kFiltered);
    CHECK(parse_chat_response(test::completion("x", "eos_token"), "srv").value().finish == Finish::kStop);
    const std::string wide = "\xF0\x9F\x98\x80 \"quoted\"\n\t";
    CHECK(parse_chat_response(test::completion(wide), "srv").value().text == wide);
    CHECK(parse_chat_response("\n  \n" + test::completion("after white space"), "srv").value().text ==
          "after white space");
  }
  TEST_CASE("parse_chat_response: takes what servers leave out or add") {
    const auto answer = [](const std::string& body) { return parse_chat_response(body, "srv").value(); };
    CHECK(answer(response("{\"message\": {\"content\": \"a\"}}")) == ChatAnswer{.text = "a"});
    CHECK(answer(response("{\"message\": {\"content\": \"a\"}, \"finish_reason\": null}", ", \"usage\": null")) ==
          ChatAnswer{.text = "a"});
    CHECK(answer(response("{\"message\": {\"content\": \"a\", \"reasoning_content\": \"t\"}, \"x\": 1}",
                          ", \"error\": null, \"usage\": {\"prompt_tokens\": 4}")) ==
          ChatAnswer{.text = "a", .prompt_tokens = 4});
    CHECK(answer(response("{\"message\": {\"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\": \"image\"}, "
                          "{\"text\": \"b\"}]}}"))
              .text == "ab");
    CHECK(answer(response("{\"message\": {\"content\": \"one\"}}, {\"message\": {\"content\": \"two\"}}")).text ==
          "one");
  }
  TEST_CASE("parse_chat_response: a refusal is a filtered answer") {
    const std::string refused = response("{\"message\": {\"content\": null, \"refusal\": \"I can't.\"}}");
    CHECK(parse_chat_response(refused, "srv").value() == ChatAnswer{.text = "I can't.", .finish = Finish::kFiltered});
    const std::string both = response("{\"message\": {\"content\": \"Sure\", \"refusal\": null}}");
    CHECK(parse_chat_response(both, "srv").value() == ChatAnswer{.text = "Sure"});
  }
  TEST_CASE("parse_chat_response: an answer cut before its first word is an answer, one without a text is none") {
    CHECK(parse_chat_response(test::completion("", "length"), "srv").value() ==
          ChatAnswer{.finish = Finish::kLength, .prompt_tokens = 3, .completion_tokens = 5});
    CHECK(parse_chat_response(response("{\"message\": {\"content\": null}, \"finish_reason\": \"content_filter\"}"),
                              "srv")
              .value()
              .finish == Finish::kFiltered);
    CHECK(failure_of(test::completion("")) == "empty srv: choices[0].message.content is \"\", expected a text");
    CHECK(failure_of(response("{\"message\": {\"content\": null, \"tool_calls\": []}}")) ==
          "empty srv: choices[0].message.content is null, expected a text");
    CHECK(failure_of(response("{\"message\": {}}")).starts_with("empty "));
    CHECK(failure_of(response("{\"message\": {\"content\": []}}")).starts_with("empty "));
    CHECK(failure_of("{\"choices\": []}") == "empty srv: choices is empty, expected one choice");
  }
  TEST_CASE("parse_chat_response: what is no chat completion is malformed, and the message says how") {
    CHECK(failure_of("").starts_with("malformed srv: JSON is malformed at byte 1"));
    const std::string whole = test::completion("Yes.");
    for (const std::size_t size : {std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
      CHECK(failure_of(whole.substr(0, size)).starts_with("malformed srv: JSON is malformed at byte "));
    }
    CHECK(failure_of("<html>").starts_with("malformed "));
    CHECK(failure_of("[]") == "malformed srv: JSON value is an array, expected an object");
    CHECK(failure_of("{}") == "malformed srv: choices is missing, expected an array");
    CHECK(failure_of("{\"choices\": 1}") == "malformed srv: choices is 1, expected an array");
    CHECK(failure_of("{\"choices\": [1]}") == "malformed srv: choices[0]: JSON value is 1, expected an object");
    CHECK(failure_of(response("{\"text\": \"a completion of the older protocol\"}")) ==
          "malformed srv: choices[0]: message is missing, expected an object");
    CHECK(failure_of(response("{\"message\": {\"content\": 1}}")) ==
          "malformed srv: choices[0]: message.content is 1, expected a string");
    CHECK(failure_of(response("{\"message\": {\"content\": [\"a\"]}}")).starts_with("malformed "));
    CHECK(failure_of(response("{\"message\": {\"content\": \"a\"}}", ", \"usage\": {\"prompt_tokens\": -1}")) ==
          "malformed srv: usage.prompt_tokens is -1, expected an integer >= 0");
    CHECK(failure_of(response("{\"message\": {\"content\": \"\\ud800\"}}")).starts_with("malformed "));
  }
  TEST_CASE("parse_chat_response: bytes that are not UTF-8 are malformed, and never reach a text") {
    CHECK(failure_of(response("{\"message\": {\"content\": \"\xC3(\"}}")) ==
          "malformed srv: byte 39 of the response is 0xC3, expected UTF-8 text");
    CHECK(failure_of("\xFF").starts_with("malformed srv: byte 1 of the response is 0xFF"));
  }
  TEST_CASE("parse_chat_response: an error in place of an answer is the server's") {
    CHECK(failure_of("{\"error\": {\"message\": \"model is loading\", \"code\": 503}}") ==
          "server srv: response is an error \"model is loading\", expected choices");
    CHECK(failure_of("{\"error\": \"overloaded\", \"choices\": []}") ==
          "server srv: response is an error \"overloaded\", expected choices");
  }

  TEST_CASE("status_failure: what a status means") {
    const auto fault = [](int status) { return status_failure(status, "", "srv").fault; };
    for (const int status : {301, 400, 401, 403, 404, 409, 413, 422}) {
      CHECK(fault(status) == CallFault::kRefused);
    }
    for (const int status : {500, 502, 503, 529}) {
      CHECK(fault(status) == CallFault::kServer);
    }
    CHECK(fault(429) == CallFault::kRateLimited);
    CHECK(fault(408) == CallFault::kTimeout);
    CHECK(fault(204) == CallFault::kMalformed);
  }
  TEST_CASE("status_failure: the server's reason is part of the message, in any of its forms, and cut") {
    const auto message = [](const std::string& body) { return status_failure(400, body, "srv").message; };
    CHECK(message("") == "srv: status is 400, expected 200");
    CHECK(message("{\"error\": {\"message\": \"no such model\"}}") ==
          "srv: status is 400 \"no such model\", expected 200");
    CHECK(message("{\"error\": \"bad\"}") == "srv: status is 400 \"bad\", expected 200");
    CHECK(message("{\"message\": \"bad\"}") == "srv: status is 400 \"bad\", expected 200");
    CHECK(message("{\"detail\": \"bad\"}") == "srv: status is 400 \"bad\", expected 200");
    CHECK(message("<p>Bad gateway\xFF</p>") == "srv: status is 400 \"<p>Bad gateway\\xFF</p>\", expected 200");
    CHECK(message("[1, 2]") == "srv: status is 400 \"[1, 2]\", expected 200");
    CHECK(message("{\"error\": {\"code\": 7}}") ==
          "srv: status is 400 \"{\\\"error\\\": {\\\"code\\\": 7}}\", expected 200");
    CHECK(message(std::string(100'000, 'x')).size() < 400);
  }
}
