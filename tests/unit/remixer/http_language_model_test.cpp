#include <reasonembed/remixer/http_language_model.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>
#include <support/chat_server.hpp>
#include <support/http_model.hpp>
#include <support/tls_server.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::remixer::CallFault;
using re::remixer::ChatAnswer;
using re::remixer::ChatCall;
using re::remixer::ChatResult;
using re::remixer::Finish;
using re::remixer::HttpCounts;
using re::remixer::HttpLanguageModel;
using re::remixer::Usage;
using test::ChatServer;
using test::completion;
using test::http_options;
using test::HttpReply;
using test::HttpRequest;

namespace {

double seconds_of(const std::function<void()>& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// "answer to P" for prompt P.
HttpReply echo(const HttpRequest& request, double delay = 0.0) {
  return {.body = completion("answer to " + request.prompt()), .delay = delay};
}

/// A server that gives replies in turn and then repeats the last one.
class Replies {
 public:
  explicit Replies(std::vector<HttpReply> replies)
      : replies_(std::move(replies)), server_([this](const HttpRequest&) {
          const std::size_t turn = std::min(turn_++, replies_.size() - 1);
          return replies_[turn];
        }) {}
  [[nodiscard]] std::string url() const { return server_.url(); }
  [[nodiscard]] std::int64_t requests() const { return server_.requests(); }

 private:
  std::vector<HttpReply> replies_;
  std::size_t turn_ = 0;
  ChatServer server_;
};

/// How one call ends at a server that always replies so: "fault after N requests", or the answer's text.
std::string end_of(const HttpReply& reply, const std::function<void(HttpLanguageModel::Options&)>& change = {}) {
  Replies server({reply});
  HttpLanguageModel::Options options = http_options(server.url());
  if (change) {
    change(options);
  }
  HttpLanguageModel model(options);
  const ChatResult result = test::run_call(model);
  for (int i = 0; i < 500 && server.requests() < model.counts().requests; ++i) {  // given up before it was read
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(model.counts().requests == server.requests());
  if (result) {
    return result->text;
  }
  const std::string& message = result.error().message;
  CAPTURE(message);
  CHECK(message.starts_with(server.url() + ", request " + std::to_string(server.requests()) +
                            " of a call of stage annotate: "));
  CHECK(message.find(", expected ") != std::string::npos);
  CHECK(message.find(test::kSecretKey) == std::string::npos);
  return std::string(name_of(result.error().fault)) + " after " + std::to_string(server.requests()) + " requests";
}

}  // namespace

TEST_SUITE("remixer/http_language_model") {
  TEST_CASE("run: answers every call") {
    ChatServer server([](const HttpRequest& request) { return echo(request); });
    ::setenv("REASONEMBED_TEST_KEY", test::kSecretKey, 1);
    // example-begin endpoint
    HttpLanguageModel::Options options;
    options.model.name = "gpt-4.1-mini";
    options.http.url = server.url();  // .../v1/chat/completions of any server that speaks the protocol
    options.http.key_environment = "REASONEMBED_TEST_KEY";
    options.http.in_flight = 64;
    options.rate_limit = {.requests_per_minute = 60'000, .tokens_per_minute = 900'000'000};
    options.prices = {.prompt = 0.40, .completion = 1.60};  // of a million tokens
    HttpLanguageModel model(options);
    // example-end endpoint
    CHECK(model.identity() == "gpt-4.1-mini");
    const std::vector<ChatCall> calls = test::chat_calls(300);
    const auto results = test::run_calls(model, calls);
    REQUIRE(results.size() == 300);
    for (const ChatCall& call : calls) {
      CHECK(results.at(call.id).value() ==
            ChatAnswer{.text = "answer to " + call.messages[0].content, .prompt_tokens = 3, .completion_tokens = 5});
    }
    CHECK(model.counts() == HttpCounts{.requests = 300, .answers = 300});
    CHECK(model.ledger().stages().at("annotate") ==
          Usage{.answers = 300, .prompt_tokens = 900, .completion_tokens = 1500});
    CHECK(model.ledger().money() == doctest::Approx(900 * 0.4e-6 + 1500 * 1.6e-6).epsilon(1e-12));
    CHECK(test::run_calls(model, {}).empty());
  }
  TEST_CASE("run: keeps as many calls in flight as configured, over as many connections, which stay open") {
    ChatServer server([](const HttpRequest& request) { return echo(request, 0.05); });
    HttpLanguageModel::Options options = http_options(server.url());
    options.http.in_flight = 16;
    HttpLanguageModel model(options);
    const double seconds = seconds_of([&] {
      CHECK(test::run_calls(model, test::chat_calls(96)).size() == 96);
      CHECK(test::run_calls(model, test::chat_calls(64)).size() == 64);
    });
    CHECK(server.most_open() == 16);
    CHECK(server.connections() == 16);
    CHECK(seconds > 0.5);  // ten rounds of 50 ms
    CHECK(seconds < 6.0);  // one after another they would take eight
  }
  TEST_CASE("run: calls end in the order of their answers, and next is asked as soon as one has ended") {
    ChatServer server([](const HttpRequest& request) { return echo(request, request.prompt() == "slow" ? 0.3 : 0.0); });
    HttpLanguageModel::Options options = http_options(server.url());
    options.http.in_flight = 2;
    HttpLanguageModel model(options);
    std::vector<std::string> log;
    const std::vector<std::string> prompts = {"slow", "a", "b", "c"};
    std::size_t given = 0;
    model.run(
        [&]() -> std::optional<ChatCall> {
          if (given == prompts.size()) {
            return std::nullopt;
          }
          log.push_back("ask " + prompts[given]);
          ChatCall call = test::chat_call(given, prompts[given]);
          ++given;
          return call;
        },
        [&](const ChatCall& call, ChatResult) { log.push_back("end " + call.messages[0].content); });
    CHECK(log ==
          std::vector<std::string>{"ask slow", "ask a", "end a", "ask b", "end b", "ask c", "end c", "end slow"});
  }
  TEST_CASE("run: a call that done gives rise to is asked too") {
    ChatServer server([](const HttpRequest& request) { return echo(request); });
    HttpLanguageModel model(http_options(server.url()));
    std::vector<ChatCall> open = {test::chat_call(0, "a")};
    std::vector<std::string> texts;
    std::size_t left = 0;
    model.run(
        [&]() -> std::optional<ChatCall> {
          if (open.empty()) {
            return std::nullopt;
          }
          ChatCall call = open.back();
          open.pop_back();
          ++left;
          return call;
        },
        [&](const ChatCall& call, ChatResult result) {
          --left;
          texts.push_back(result.value().text);
          if (texts.size() < 3) {
            open.push_back(test::chat_call(call.id + 1, result.value().text));
          }
        });
    // `next` said once that none is left, while the first call was in flight: that was the end of the questions
    CHECK(texts.size() == 1);
    CHECK(left == 0);
  }

  TEST_CASE("run: every fault of a server ends as documented") {
    const std::string yes = completion("Yes.");
    CHECK(end_of({.body = yes}) == "Yes.");
    CHECK(end_of({.status = 429}) == "rate_limited after 4 requests");
    CHECK(end_of({.status = 500, .body = "oops", .content_type = "text/plain"}) == "server after 4 requests");
    CHECK(end_of({.status = 503}) == "server after 4 requests");
    CHECK(end_of({.body = yes, .cut_at = 100}) == "connection after 4 requests");
    CHECK(end_of({.cut_at = 0}) == "connection after 4 requests");
    CHECK(end_of({.body = yes.substr(0, yes.size() / 2)}) == "malformed after 2 requests");
    CHECK(end_of({.body = yes, .content_type = "text/html"}) == "malformed after 2 requests");
    CHECK(end_of({.body = "{\"choices\": [{\"message\": {\"content\": \"\xC3(\"}}]}"}) == "malformed after 2 requests");
    CHECK(end_of({.body = "{\"choices\": []}"}) == "empty after 2 requests");
    CHECK(end_of({.body = completion("")}) == "empty after 2 requests");
    CHECK(end_of({.body = completion("Half a", "length")}) == "Half a");
    for (const int status : {400, 401, 403, 404, 422}) {
      CHECK(end_of({.status = status, .body = "{\"error\": {\"message\": \"no\"}}"}) == "refused after 1 requests");
    }
    CHECK(end_of({.status = 301}) == "refused after 1 requests");
  }
  TEST_CASE("run: a server that hangs or drips is given up") {
    const std::string yes = completion("Yes.");
    const auto soon = [](HttpLanguageModel::Options& options) {
      options.retry.retries = 1;
      options.http.total_timeout = 0.3;
    };
    CHECK(end_of({.hangs = true}, soon) == "timeout after 2 requests");
    CHECK(end_of({.body = yes, .delay = 1.0}, soon) == "timeout after 2 requests");
    const auto slow = [](HttpLanguageModel::Options& options) {
      options.retry.retries = 1;
      options.http.slow_seconds = 0.2;
      options.http.slow_bytes_per_second = 1000.0;
    };
    CHECK(end_of({.body = yes, .drip = 0.005}, slow) == "timeout after 2 requests");
    const auto patient = [&](HttpLanguageModel::Options& options) {
      slow(options);
      options.http.slow_bytes_per_second = 10.0;
    };
    CHECK(end_of({.body = yes, .drip = 0.001}, patient) == "Yes.");
    CHECK(end_of({.body = yes, .delay = 0.6}, slow) == "Yes.");  // a model that thinks
    CHECK(end_of({.body = std::string(300, '\n') + yes, .drip = 0.001}, patient) == "Yes.");
  }
  TEST_CASE("run: an answer of 10 MB is cut off and not asked for again, unless it is allowed") {
    const std::string text(10'000'000, 'x');
    CHECK(end_of({.body = completion(text)}) == "malformed after 1 requests");
    CHECK(end_of({.body = completion(text)},
                 [](HttpLanguageModel::Options& options) { options.http.largest_answer = 20'000'000; }) == text);
  }
  TEST_CASE("run: a fault that passes is not seen") {
    for (const HttpReply& fault : {HttpReply{.status = 429},
                                   HttpReply{.status = 500},
                                   HttpReply{.cut_at = 20},
                                   HttpReply{.body = "{\"choices\""},
                                   HttpReply{.body = completion("")}}) {
      Replies server({fault, {.body = completion("Yes.")}});
      HttpLanguageModel model(http_options(server.url()));
      CHECK(test::run_call(model).value().text == "Yes.");
      CHECK(model.counts() == HttpCounts{.requests = 2, .retries = 1, .answers = 1});
      CHECK(model.ledger().total().answers == 1);
    }
  }
  TEST_CASE("run: faults that may have been paid are counted apart from those that cost nothing") {
    const HttpReply half{.body = "{"};
    const HttpReply busy{.status = 503};
    Replies server({busy, half, busy, busy, {.body = completion("Yes.")}});
    HttpLanguageModel model(http_options(server.url()));
    CHECK(test::run_call(model).value().text == "Yes.");
    CHECK(server.requests() == 5);
    Replies twice({busy, half, busy, half, {.body = completion("Yes.")}});
    HttpLanguageModel other(http_options(twice.url()));
    CHECK(test::run_call(other).error().fault == CallFault::kMalformed);
    CHECK(twice.requests() == 4);
  }
  TEST_CASE("run: nobody listens") {
    int port = 0;
    {
      const ChatServer gone([](const HttpRequest&) { return HttpReply{}; });
      port = gone.port();
    }
    HttpLanguageModel model(http_options("http://127.0.0.1:" + std::to_string(port) + "/v1/chat/completions"));
    CHECK(test::run_call(model).error().fault == CallFault::kConnection);
    CHECK(model.counts().requests == 4);
    HttpLanguageModel nowhere(http_options("http://nowhere.invalid/v1"));
    CHECK(test::run_call(nowhere).error().fault == CallFault::kConnection);
  }

  TEST_CASE("run: Retry-After holds every call back") {
    std::mutex mutex;
    std::vector<double> times;
    const auto begin = std::chrono::steady_clock::now();
    ChatServer server([&](const HttpRequest& request) {
      const std::scoped_lock lock(mutex);
      times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
      return times.size() == 1 ? HttpReply{.status = 429, .headers = {"Retry-After: 1"}} : echo(request, 0.01);
    });
    HttpLanguageModel::Options options = http_options(server.url());
    options.http.in_flight = 1;
    HttpLanguageModel model(options);
    CHECK(test::run_calls(model, test::chat_calls(3)).size() == 3);
    REQUIRE(times.size() == 4);
    CHECK(times[1] - times[0] >= 1.0);
    CHECK(times[1] - times[0] < 20.0);
  }
  TEST_CASE("run: a server that asks for a longer wait than allowed is told so at once") {
    Replies server({{.status = 429, .headers = {"Retry-After: 3600"}}});
    HttpLanguageModel model(http_options(server.url()));
    const ChatResult result = test::run_call(model);
    REQUIRE(!result);
    CHECK(result.error().fault == CallFault::kRateLimited);
    CHECK(result.error().message.find("the server asks to wait 3600.000000 s, expected at most 300.000000 s") !=
          std::string::npos);
    CHECK(server.requests() == 1);
  }
  TEST_CASE("run: the limit of requests a minute holds") {
    ChatServer server([](const HttpRequest& request) { return echo(request); });
    HttpLanguageModel::Options options = http_options(server.url());
    options.rate_limit = {.requests_per_minute = 3000.0, .burst_seconds = 0.1};  // 50 a second, 5 at once
    HttpLanguageModel model(options);
    const double seconds = seconds_of([&] { CHECK(test::run_calls(model, test::chat_calls(30)).size() == 30); });
    CHECK(seconds >= 0.49);
  }
  TEST_CASE("run: the limit of tokens a minute counts what the server counted") {
    ChatServer server([](const HttpRequest&) { return HttpReply{.body = completion("a", "stop", 10, 90)}; });
    HttpLanguageModel::Options options = http_options(server.url());
    options.http.in_flight = 1;
    options.rate_limit = {.tokens_per_minute = 300'000.0, .burst_seconds = 0.1};  // 5000 a second
    HttpLanguageModel model(options);
    // each is guessed at some 2050 tokens and counted at 100
    const double seconds = seconds_of([&] { CHECK(test::run_calls(model, test::chat_calls(40)).size() == 40); });
    CHECK(seconds >= 0.6);
    CHECK(seconds < 10.0);  // by the guesses alone it would be sixteen
  }

  TEST_CASE("run: an exception of done or next leaves at once, and the model goes on afterwards") {
    std::atomic<bool> hangs = true;
    ChatServer server([&](const HttpRequest& request) {
      HttpReply reply = echo(request);
      reply.hangs = hangs && request.prompt() != "question 0";
      return reply;
    });
    HttpLanguageModel model(http_options(server.url()));
    std::uint64_t given = 0;
    const auto next = [&]() -> std::optional<ChatCall> {
      ChatCall call = test::chat_call(given, "question " + std::to_string(given));
      ++given;
      return call;
    };
    CHECK_THROWS_AS(model.run(next, [](const ChatCall&, ChatResult) { throw std::runtime_error("enough"); }),
                    std::runtime_error);
    CHECK_THROWS_AS(model.run([]() -> std::optional<ChatCall> { throw std::runtime_error("enough"); },
                              [](const ChatCall&, ChatResult) {}),
                    std::runtime_error);
    hangs = false;
    CHECK(test::run_calls(model, test::chat_calls(20)).size() == 20);
    for (int i = 0; i < 100 && server.open() > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(server.open() == 0);  // the connections of the calls that were dropped are closed
  }
  TEST_CASE("run: a prompt that is not UTF-8 is the caller's error, and harms no other call") {
    ChatServer server([](const HttpRequest& request) { return echo(request); });
    HttpLanguageModel model(http_options(server.url()));
    CHECK_THROWS_AS((void)test::run_call(model, "a\xFF"), re::DataError);
    CHECK(test::run_calls(model, test::chat_calls(10)).size() == 10);
  }
  TEST_CASE("run: text of every kind comes back as it was sent") {
    ChatServer server([](const HttpRequest& request) { return HttpReply{.body = completion(request.prompt())}; });
    HttpLanguageModel model(http_options(server.url()));
    for (const std::string& text : {std::string("\0a", 2),
                                    std::string("\"\\\n\r\t\x01"),
                                    std::string("\xF0\x9F\x98\x80"),
                                    std::string(1'000'000, '"'),
                                    std::string("\xEF\xBB\xBF a"),
                                    std::string("</s>")}) {
      CHECK(test::run_call(model, text).value().text == text);
    }
  }

  TEST_CASE("HttpLanguageModel: a certificate must be trusted and fit the name") {
    const test::TlsServer server("IP:127.0.0.1");
    HttpLanguageModel::Options options = http_options(server.url());
    HttpLanguageModel untrusted(options);
    const ChatResult refused = test::run_call(untrusted);
    REQUIRE(!refused);
    CHECK(refused.error().fault == CallFault::kTls);
    CHECK(untrusted.counts().requests == 1);  // asking again would not help
    CHECK(refused.error().message.find("certificate") != std::string::npos);
    CHECK(refused.error().message.find(test::kSecretKey) == std::string::npos);

    options.http.ca_file = server.certificate();
    HttpLanguageModel trusted(options);
    CHECK(test::run_call(trusted).value().text == "key of 31 bytes");
    CHECK(test::run_calls(trusted, test::chat_calls(20)).size() == 20);

    const test::TlsServer other("DNS:elsewhere.invalid");
    options = http_options(other.url());
    options.http.ca_file = other.certificate();
    HttpLanguageModel wrong_name(options);
    CHECK(test::run_call(wrong_name).error().fault == CallFault::kTls);

    options.http.ca_file = "/no/such/file.pem";
    HttpLanguageModel no_file(options);
    CHECK(test::run_call(no_file).error().fault == CallFault::kTls);
  }
  TEST_CASE("HttpLanguageModel: no encryption where it was asked for is a fault of TLS") {
    ChatServer server([](const HttpRequest& request) { return echo(request); });
    HttpLanguageModel model(http_options("https://127.0.0.1:" + std::to_string(server.port()) + "/v1"));
    CHECK(test::run_call(model).error().fault == CallFault::kTls);
  }
  TEST_CASE("HttpLanguageModel: names an option that is impossible") {
    const auto refused = [](const std::function<void(HttpLanguageModel::Options&)>& change) {
      HttpLanguageModel::Options options = http_options("http://127.0.0.1:1/");
      change(options);
      CHECK_THROWS_AS(HttpLanguageModel{options}, re::ConfigError);
    };
    refused([](auto& options) { options.model.name = ""; });
    refused([](auto& options) { options.http.url = "nowhere"; });
    refused([](auto& options) { options.http.in_flight = 0; });
    refused([](auto& options) { options.http.key_environment = "REASONEMBED_TEST_UNSET"; });
    refused([](auto& options) { options.retry.retries = -1; });
    refused([](auto& options) { options.rate_limit.burst_seconds = 0.0; });
    refused([](auto& options) { options.prices.prompt = -1.0; });
  }
  TEST_CASE("HttpLanguageModel: is moved with its connections and counts") {
    ChatServer server([](const HttpRequest& request) { return echo(request); });
    HttpLanguageModel model(http_options(server.url()));
    (void)test::run_calls(model, test::chat_calls(2));
    HttpLanguageModel moved = std::move(model);
    (void)test::run_call(moved);
    CHECK(moved.counts().answers == 3);
    CHECK(server.connections() <= 2);
  }
}
