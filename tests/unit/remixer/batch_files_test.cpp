#include <reasonembed/remixer/batch_files.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/chat_server.hpp>
#include <support/file_size_limit.hpp>
#include <support/named_options.hpp>
#include <support/scratch.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::remixer::BatchFiles;
using re::remixer::CallFault;
using re::remixer::ChatAnswer;
using re::remixer::ChatCall;
using re::remixer::ChatResult;

namespace {

/// What the API makes of the requests in `files`: for each a line, answered by `end`, in reverse order.
template <class F>
std::string answer_batch(const std::vector<std::filesystem::path>& files, F&& end) {
  std::vector<std::string> lines;
  for (const std::filesystem::path& path : files) {
    re::io::for_each_json_line(path, [&](const re::io::JsonFields& row) {
      CHECK(row.get_string("method") == "POST");
      CHECK(row.get_string("url") == "/v1/chat/completions");
      CHECK(row.get_object("body").get_string("model") == "batch-model");
      const std::string prompt = row.json().at("body").at("messages").back().at("content").template get<std::string>();
      Json line = end(prompt);
      line["id"] = "batch_req_" + std::to_string(lines.size());
      line["custom_id"] = row.get_string("custom_id");
      lines.push_back(line.dump() + "\n");
    });
  }
  std::string text;
  for (; !lines.empty(); lines.pop_back()) {
    text += lines.back();
  }
  return text;
}

Json success(const std::string& text) {
  return {{"response", {{"status_code", 200}, {"body", Json::parse(test::completion("to " + text))}}},
          {"error", nullptr}};
}
Json status(int code) {
  return {{"response", {{"status_code", code}, {"body", {{"error", {{"message", "no"}}}}}}}, {"error", nullptr}};
}
Json error(const std::string& code) {
  return {{"response", nullptr}, {"error", {{"code", code}, {"message", "sorry"}}}};
}

BatchFiles::Options options_in(const test::Scratch& scratch, std::vector<std::filesystem::path> results = {}) {
  return {.model = {.name = "batch-model"}, .requests = scratch / "requests", .results = std::move(results)};
}

}  // namespace

TEST_SUITE("remixer/batch_files") {
  TEST_CASE("run: writes what is missing, and gives what came back") {
    const test::Scratch scratch;
    const std::vector<ChatCall> calls = test::chat_calls(10);
    // example-begin batch
    BatchFiles asking({.model = {.name = "batch-model"}, .requests = scratch / "requests"});
    const auto missing = test::run_calls(asking, calls);  // all kNotRecorded; requests/requests-0001.jsonl is written
    // upload it, fetch the results, and run again:
    const auto results = scratch.write("results.jsonl", answer_batch(asking.written(), success));
    BatchFiles answering({.model = {.name = "batch-model"}, .requests = scratch / "requests", .results = {results}});
    const auto answered = test::run_calls(answering, calls);
    // example-end batch
    for (const ChatCall& call : calls) {
      REQUIRE(!missing.at(call.id));
      CHECK(missing.at(call.id).error().fault == CallFault::kNotRecorded);
      CHECK(answered.at(call.id).value() ==
            ChatAnswer{.text = "to " + call.messages[0].content, .prompt_tokens = 3, .completion_tokens = 5});
    }
    CHECK(asking.written() == std::vector<std::filesystem::path>{scratch / "requests/requests-0001.jsonl"});
    CHECK(answering.written().empty());
    CHECK(answering.size() == 10);
    CHECK(!std::filesystem::exists(scratch / "requests/requests-0001.jsonl"));  // there is nothing left to ask
  }
  TEST_CASE("run: a request is the line that the API reads") {
    const test::Scratch scratch;
    BatchFiles model(options_in(scratch));
    const ChatResult result = test::run_call(model, "Why?");
    const std::string key = re::remixer::hex_of(re::remixer::call_key("batch-model", test::chat_call(0, "Why?")));
    CHECK(test::content_of(scratch / "requests/requests-0001.jsonl") ==
          "{\"body\":{\"max_tokens\":2048,\"messages\":[{\"content\":\"Why?\",\"role\":\"user\"}],\"model\":\"batch-"
          "model\",\"temperature\":1.0},\"custom_id\":\"" +
              key + "\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\"}\n");
    CHECK(result.error().message == (scratch / "requests").string() + ": call " + key +
                                        " is written to the requests, expected its result in a file that came back");
  }
  TEST_CASE("run: failures are given by their kind, and asked again") {
    const test::Scratch scratch;
    BatchFiles asking(options_in(scratch));
    (void)test::run_calls(asking, test::chat_calls(6));
    const auto results = scratch.write(
        "results.jsonl", answer_batch(asking.written(), [](const std::string& prompt) {
          const std::vector<Json> ends = {
              success(prompt), status(429), status(500), status(400), error("batch_expired"), error("server_error")};
          return ends.at(static_cast<std::size_t>(prompt.back() - '0'));
        }));
    BatchFiles model(options_in(scratch, {results}));
    const auto ends = test::run_calls(model, test::chat_calls(6));
    CHECK(ends.at(0));
    CHECK(ends.at(1).error().fault == CallFault::kRateLimited);
    CHECK(ends.at(2).error().fault == CallFault::kServer);
    CHECK(ends.at(3).error().fault == CallFault::kRefused);
    CHECK(ends.at(4).error().fault == CallFault::kTimeout);
    CHECK(ends.at(5).error().fault == CallFault::kServer);
    CHECK(ends.at(1).error().message == results.string() + ":5: status is 429 \"no\", expected 200");
    CHECK(ends.at(4).error().message ==
          results.string() + ":2: error is \"batch_expired: sorry\", expected a response");
    const auto second = scratch.write("second.jsonl", answer_batch(model.written(), success));
    for (const auto& files : {std::vector{results, second}, std::vector{second, results}}) {  // in any order
      BatchFiles both(options_in(scratch, files));
      const auto all = test::run_calls(both, test::chat_calls(6));
      CHECK(std::all_of(all.begin(), all.end(), [](const auto& end) { return end.second.has_value(); }));
    }
  }
  TEST_CASE("run: an answer that is half of one is a malformed result, not a malformed file") {
    const test::Scratch scratch;
    BatchFiles asking(options_in(scratch));
    (void)test::run_calls(asking, test::chat_calls(2));
    const auto results = scratch.write("results.jsonl", answer_batch(asking.written(), [](const std::string& prompt) {
                                         Json line = success(prompt);
                                         line["response"]["body"] =
                                             prompt.back() == '0' ? Json::object() : Json::parse(test::completion(""));
                                         return line;
                                       }));
    BatchFiles model(options_in(scratch, {results}));
    const auto ends = test::run_calls(model, test::chat_calls(2));
    CHECK(ends.at(0).error().fault == CallFault::kMalformed);
    CHECK(ends.at(1).error().fault == CallFault::kEmpty);
  }
  TEST_CASE("run: files stay within the limits of the API, and the same question is written once") {
    const test::Scratch scratch;
    BatchFiles::Options options = options_in(scratch);
    options.requests_per_file = 4;
    BatchFiles model(options);
    std::vector<ChatCall> calls = test::chat_calls(10);
    for (std::size_t i = 0; i < 10; ++i) {
      ChatCall twin = calls[i];
      twin.id = calls.size();
      calls.push_back(twin);
    }
    CHECK(test::run_calls(model, calls).size() == 20);
    CHECK(model.written().size() == 3);
    CHECK(re::io::read_lines(scratch / "requests/requests-0001.jsonl").size() == 4);
    CHECK(re::io::read_lines(scratch / "requests/requests-0003.jsonl").size() == 2);

    options.requests_per_file = 1000;
    options.bytes_per_file = 600;  // of requests of 250 bytes
    BatchFiles small(options);
    (void)test::run_calls(small, test::chat_calls(5));
    CHECK(small.written().size() == 3);
    for (const auto& path : small.written()) {
      CHECK(std::filesystem::file_size(path) <= 600);
    }
    options.bytes_per_file = 1;
    BatchFiles single(options);
    (void)test::run_calls(single, test::chat_calls(2));
    CHECK(single.written().size() == 2);
    CHECK(!std::filesystem::exists(scratch / "requests/requests-0003.jsonl"));  // of the run before
  }
  TEST_CASE("run: the requests of several stages stand side by side, and a later round replaces them") {
    const test::Scratch scratch;
    const auto lines = [&] {
      std::size_t count = 0;
      for (const auto& entry : std::filesystem::directory_iterator(scratch / "requests")) {
        count += re::io::read_lines(entry.path()).size();
      }
      return count;
    };
    BatchFiles model(options_in(scratch));
    (void)test::run_calls(model, test::chat_calls(4, "write"));
    (void)test::run_calls(model, {});
    CHECK(lines() == 4);
    std::vector<ChatCall> more = test::chat_calls(7);  // four of them have the prompts of before
    (void)test::run_calls(model, more);
    CHECK(lines() == 7);
    CHECK(model.written().size() == 2);
    const auto results =
        scratch.write("results.jsonl", answer_batch({scratch / "requests/requests-0001.jsonl"}, success));
    BatchFiles next(options_in(scratch, {results}));
    (void)test::run_calls(next, test::chat_calls(4, "write"));
    (void)test::run_calls(next, more);
    CHECK(lines() == 3);
    CHECK(next.written().size() == 1);
  }
  TEST_CASE("run: requests of a run that broke off are written by the next") {
    const test::Scratch scratch;
    BatchFiles model(options_in(scratch));
    const auto breaks = [](const ChatCall& call, ChatResult) {
      if (call.id == 2) {
        throw std::runtime_error("enough");
      }
    };
    std::size_t given = 0;
    const std::vector<ChatCall> calls = test::chat_calls(5);
    CHECK_THROWS_AS(model.run([&] { return std::optional(calls.at(given++)); }, breaks), std::runtime_error);
    CHECK(model.written().empty());
    (void)test::run_calls(model, calls);
    CHECK(re::io::read_lines(scratch / "requests/requests-0001.jsonl").size() == 5);
  }
  TEST_CASE("run: a run that breaks off leaves the requests of the one before") {
    const test::Scratch scratch;
    BatchFiles model(options_in(scratch));
    (void)test::run_calls(model, test::chat_calls(3));
    const std::string before = test::content_of(scratch / "requests/requests-0001.jsonl");
    std::size_t given = 0;
    const auto next = [&]() -> std::optional<ChatCall> {
      if (given == 2) {
        throw std::runtime_error("enough");
      }
      return test::chat_call(given++, "other");
    };
    CHECK_THROWS_AS(model.run(next, [](const ChatCall&, ChatResult) {}), std::runtime_error);
    CHECK(test::content_of(scratch / "requests/requests-0001.jsonl") == before);
    CHECK(std::distance(std::filesystem::directory_iterator(scratch / "requests"), {}) == 1);
  }
  TEST_CASE("run: what can't be written is an error of the system") {
    const test::Scratch scratch;
    BatchFiles::Options options = options_in(scratch);
    options.requests = scratch.write("a_file", "x");
    BatchFiles model(options);
    CHECK_THROWS_AS((void)test::run_call(model), re::IoError);
    BatchFiles other(options_in(scratch));
    const test::FileSizeLimit limit(100);
    CHECK_THROWS_AS((void)test::run_call(other), re::IoError);
  }
  TEST_CASE("BatchFiles: a result that is none is refused with its line") {
    const test::Scratch scratch;
    const std::string key(64, 'a');
    for (const std::string& line : {std::string("{\"custom_id\": \"mine\", \"response\": null, \"error\": null}"),
                                    std::string("nonsense"),
                                    "{\"custom_id\": \"" + key + "\"}",
                                    "{\"custom_id\": \"" + key + "\", \"error\": 1}",
                                    "{\"custom_id\": \"" + key + "\", \"response\": {\"body\": {}}}",
                                    "{\"custom_id\": \"" + key + "\", \"response\": {\"status_code\": 7}}"}) {
      CAPTURE(line);
      const auto path = scratch.write("results.jsonl", line + "\n");
      std::string message;
      try {
        BatchFiles model(options_in(scratch, {path}));
      } catch (const re::DataError& failed) {
        message = failed.what();
      }
      CHECK(message.starts_with(path.string() + ":1: "));
    }
    CHECK_THROWS_AS(BatchFiles(options_in(scratch, {scratch / "none"})), re::IoError);
  }
  TEST_CASE("BatchFiles: impossible options are named") {
    const test::Scratch scratch;
    BatchFiles::Options options = options_in(scratch);
    options.requests_per_file = 0;
    CHECK_THROWS_WITH_AS(
        BatchFiles{options}, "remixer::BatchFiles: requests_per_file is 0, expected at least 1", re::ConfigError);
    CHECK_THROWS_AS(BatchFiles({.model = {.name = "m"}}), re::ConfigError);
    CHECK_THROWS_AS(BatchFiles({.requests = scratch / "r"}), re::ConfigError);
    options = options_in(scratch);
    options.prices.prompt = -1.0;
    CHECK_THROWS_AS(BatchFiles{options}, re::ConfigError);
    options.prices.prompt = 0.5;
    CHECK(BatchFiles(options).prices().prompt == 0.5);
    CHECK(BatchFiles(options).identity() == "batch-model");
    options.requests = "r";
    options.results = {"a", "b"};
    CHECK(test::named_options(options) ==
          std::vector<std::string>{"model {name batch-model, max_tokens_name max_tokens, extra }",
                                   "requests r",
                                   "results [a, b]",
                                   "url /v1/chat/completions",
                                   "requests_per_file 50000",
                                   "bytes_per_file 200000000",
                                   "prices {prompt 0.5, completion 0}"});
  }
}
