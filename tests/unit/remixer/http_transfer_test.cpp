#include <reasonembed/remixer/http_transfer.hpp>

#include <doctest/doctest.h>

#include <support/chat_server.hpp>
#include <support/http_model.hpp>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <ctime>
#include <string>
#include <utility>

namespace re = reasonembed;
using re::remixer::HttpTransfer;
using re::remixer::HttpTransfers;
using re::remixer::Secrets;
using test::ChatServer;
using test::HttpReply;
using test::HttpRequest;

namespace {

/// Runs one transfer to its end.
CURLcode finish(HttpTransfers& transfers, HttpTransfer& transfer, std::string request = "{}") {
  transfer.prepare(std::move(request));
  transfers.start(transfer);
  for (;;) {
    transfers.advance();
    const auto [ended, code] = transfers.take_ended();
    if (ended != nullptr) {
      CHECK(ended == &transfer);
      return code;
    }
    transfers.wait(1.0);
  }
}

struct OneTransfer {
  explicit OneTransfer(const re::remixer::HttpOptions& options)
      : secrets(options), transfer(options, secrets), transfers(1) {}
  Secrets secrets;
  HttpTransfer transfer;
  HttpTransfers transfers;
};

std::string http_date(std::time_t time) {
  char text[64];
  std::tm parts{};
  (void)::gmtime_r(&time, &parts);
  (void)std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

}  // namespace

TEST_SUITE("remixer/http_transfer") {
  TEST_CASE("prepare: a transfer sends one request after another over one connection") {
    std::string seen;
    ChatServer server([&](const HttpRequest& request) {
      seen += request.body + "|";
      return HttpReply{.body = "got " + request.body};
    });
    OneTransfer one(test::http_options(server.url()).http);
    for (const std::string body : {"first", "", "third"}) {
      REQUIRE(finish(one.transfers, one.transfer, body) == CURLE_OK);
      CHECK(one.transfer.status() == 200);
      CHECK(one.transfer.content_type() == "application/json");
      CHECK(one.transfer.response() == "got " + body);
      CHECK(!one.transfer.retry_after());
    }
    CHECK(seen == "first||third|");
    CHECK(server.connections() == 1);
  }
  TEST_CASE("HttpTransfer: sends the headers of the protocol and the key") {
    std::string head;
    ChatServer server([&](const HttpRequest& request) {
      head = request.head;
      return HttpReply{};
    });
    OneTransfer one(test::http_options(server.url()).http);
    REQUIRE(finish(one.transfers, one.transfer, std::string(2'000'000, ' ')) == CURLE_OK);
    CHECK(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    CHECK(head.find("\r\nContent-Type: application/json\r\n") != std::string::npos);
    CHECK(head.find(std::string("\r\nAuthorization: Bearer ") + test::kSecretKey) != std::string::npos);
    CHECK(head.find("\r\nUser-Agent: reasonembed/") != std::string::npos);
    CHECK(head.find("Expect:") == std::string::npos);

    re::remixer::HttpOptions options = test::http_options(server.url()).http;
    options.key_header = "api-key: ";
    OneTransfer other(options);
    REQUIRE(finish(other.transfers, other.transfer) == CURLE_OK);
    CHECK(head.find(std::string("\r\napi-key: ") + test::kSecretKey) != std::string::npos);
    CHECK(head.find("Authorization") == std::string::npos);

    options.key_environment = "";
    OneTransfer bare(options);
    REQUIRE(finish(bare.transfers, bare.transfer) == CURLE_OK);
    CHECK(head.find(test::kSecretKey) == std::string::npos);
  }
  TEST_CASE("retry_after: reads seconds and dates") {
    std::string header;
    ChatServer server([&](const HttpRequest&) { return HttpReply{.status = 429, .headers = {header}}; });
    OneTransfer one(test::http_options(server.url()).http);
    const auto told = [&](const std::string& value) {
      header = "Retry-After: " + value;
      REQUIRE(finish(one.transfers, one.transfer) == CURLE_OK);
      return one.transfer.retry_after();
    };
    CHECK(told("7") == 7.0);
    CHECK(told("86400") == 86400.0);
    CHECK(!told("0"));
    CHECK(!told("soon"));
    CHECK(!told(""));
    CHECK(!told("-5"));
    const auto seconds = told(http_date(std::time(nullptr) + 30));
    REQUIRE(seconds);
    CHECK(*seconds >= 25.0);
    CHECK(*seconds <= 30.0);
    CHECK(!told(http_date(std::time(nullptr) - 30)));
  }
  TEST_CASE("too_large: a response longer than allowed is cut") {
    ChatServer server(
        [](const HttpRequest& request) { return HttpReply{.body = std::string(std::stoul(request.body), 'x')}; });
    re::remixer::HttpOptions options = test::http_options(server.url()).http;
    options.largest_answer = 100'000;
    OneTransfer one(options);
    CHECK(finish(one.transfers, one.transfer, "100000") == CURLE_OK);
    CHECK(!one.transfer.too_large());
    CHECK(finish(one.transfers, one.transfer, "100001") == CURLE_WRITE_ERROR);
    CHECK(one.transfer.too_large());
    CHECK(one.transfer.response().size() <= 100'000);
    CHECK(finish(one.transfers, one.transfer, "0") == CURLE_OK);
    CHECK(!one.transfer.too_large());
  }
  TEST_CASE("too_slow: counts from the first byte that is no white space") {
    ChatServer server([](const HttpRequest& request) { return HttpReply{.body = request.body, .drip = 0.002}; });
    re::remixer::HttpOptions options = test::http_options(server.url()).http;
    options.slow_seconds = 10.0;
    options.slow_bytes_per_second = 2.0;
    OneTransfer one(options);
    CHECK(!one.transfer.too_slow(0.0));
    one.transfer.prepare("      ");
    one.transfers.start(one.transfer);
    while (one.transfer.response().size() < 4) {
      one.transfers.advance();
      one.transfers.wait(0.1);
    }
    CHECK(!one.transfer.too_slow(0.0));
    CHECK(!one.transfer.too_slow(1000.0));
    one.transfers.stop(one.transfer);

    REQUIRE(finish(one.transfers, one.transfer, std::string(15, 'x')) == CURLE_OK);
    CHECK(!one.transfer.too_slow(5000.0));  // begins to count
    CHECK(!one.transfer.too_slow(5009.0));
    CHECK(one.transfer.too_slow(5010.0));  // nothing came in ten seconds
  }
  TEST_CASE("stop: a transfer ends where it stands, and can be used again") {
    ChatServer server(
        [](const HttpRequest& request) { return HttpReply{.body = "ok", .hangs = request.body == "hang"}; });
    OneTransfer one(test::http_options(server.url()).http);
    one.transfer.prepare("hang");
    one.transfers.start(one.transfer);
    for (int i = 0; i < 5; ++i) {
      one.transfers.advance();
      one.transfers.wait(0.01);
    }
    one.transfers.stop(one.transfer);
    one.transfers.stop(one.transfer);
    CHECK(finish(one.transfers, one.transfer) == CURLE_OK);
    CHECK(one.transfer.response() == "ok");
  }
  TEST_CASE("HttpTransfer: a redirect is not followed, for the key would go along") {
    ChatServer server([](const HttpRequest&) {
      return HttpReply{.status = 307, .headers = {"Location: http://127.0.0.1:1/elsewhere"}};
    });
    OneTransfer one(test::http_options(server.url()).http);
    CHECK(finish(one.transfers, one.transfer) == CURLE_OK);
    CHECK(one.transfer.status() == 307);
    CHECK(server.requests() == 1);
  }
  TEST_CASE("HttpTransfer: asks the proxy that is named") {
    std::string head;
    ChatServer proxy([&](const HttpRequest& request) {
      head = request.head;
      return HttpReply{.body = "through"};
    });
    ::setenv("REASONEMBED_TEST_LOGIN", "user:word", 1);
    re::remixer::HttpOptions options = test::http_options("http://nowhere.invalid/v1/chat/completions").http;
    options.proxy = "http://127.0.0.1:" + std::to_string(proxy.port());
    options.proxy_login_environment = "REASONEMBED_TEST_LOGIN";
    OneTransfer one(options);
    REQUIRE(finish(one.transfers, one.transfer) == CURLE_OK);
    CHECK(one.transfer.response() == "through");
    CHECK(head.starts_with("POST http://nowhere.invalid/v1/chat/completions HTTP/1.1"));
    CHECK(head.find("Proxy-Authorization: Basic dXNlcjp3b3Jk") != std::string::npos);
  }

  TEST_CASE("BrokenPipesIgnored: a write to a closed pipe is an error and no signal, and leaves none behind") {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe(ends) == 0);
    ::close(ends[0]);
    {
      const re::remixer::detail::BrokenPipesIgnored ignored;
      CHECK(::write(ends[1], "x", 1) == -1);
      const re::remixer::detail::BrokenPipesIgnored nested;
      CHECK(::write(ends[1], "x", 1) == -1);
    }
    ::close(ends[1]);
    sigset_t pending{};
    REQUIRE(::sigpending(&pending) == 0);
    CHECK(::sigismember(&pending, SIGPIPE) == 0);
    sigset_t blocked{};
    REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &blocked) == 0);
    CHECK(::sigismember(&blocked, SIGPIPE) == 0);
  }
}
