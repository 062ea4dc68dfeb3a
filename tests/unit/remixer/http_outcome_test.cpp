#include <reasonembed/remixer/http_outcome.hpp>

#include <doctest/doctest.h>

#include <support/chat_server.hpp>
#include <support/http_model.hpp>

#include <cstddef>
#include <string>

namespace re = reasonembed;
using re::remixer::CallFault;
using re::remixer::HttpOutcome;
using re::remixer::HttpTransfer;
using re::remixer::HttpTransfers;
using re::remixer::Retry;
using re::remixer::Secrets;
using test::ChatServer;
using test::HttpReply;
using test::HttpRequest;

namespace {

/// The outcome of one request to a server that replies so.
HttpOutcome outcome_of(const HttpReply& reply, std::size_t largest = 1 << 20) {
  ChatServer server([&](const HttpRequest&) { return reply; });
  re::remixer::HttpOptions options = test::http_options(server.url()).http;
  options.largest_answer = largest;
  const Secrets secrets(options);
  HttpTransfers transfers(1);
  HttpTransfer transfer(options, secrets);
  transfer.prepare("{}");
  transfers.start(transfer);
  for (;;) {
    transfers.advance();
    if (const auto [ended, code] = transfers.take_ended(); ended != nullptr) {
      return read_outcome(transfer, code, largest, secrets, "srv");
    }
    transfers.wait(1.0);
  }
}

void check_fault(const HttpOutcome& outcome, CallFault fault, Retry retry, const std::string& begin) {
  REQUIRE(!outcome.result);
  CHECK(outcome.result.error().fault == fault);
  CHECK(outcome.retry == retry);
  CAPTURE(outcome.result.error().message);
  CHECK(outcome.result.error().message.starts_with(begin));
}

}  // namespace

TEST_SUITE("remixer/http_outcome") {
  TEST_CASE("read_outcome: a response of status 200 is an answer, with any content type of JSON or none") {
    for (const std::string type :
         {"application/json", "application/json; charset=utf-8", "application/vnd.x+json", ""}) {
      const HttpOutcome outcome = outcome_of({.body = test::completion("Yes."), .content_type = type});
      REQUIRE(outcome.result);
      CHECK(outcome.result->text == "Yes.");
    }
  }
  TEST_CASE("read_outcome: another content type is malformed") {
    check_fault(outcome_of({.body = test::completion("Yes."), .content_type = "text/html"}),
                CallFault::kMalformed,
                Retry::kBadAnswer,
                "srv: content type is \"text/html\", expected application/json");
  }
  TEST_CASE("read_outcome: each status has its fault, and its advice on asking again") {
    check_fault(outcome_of({.status = 401}), CallFault::kRefused, Retry::kNever, "srv: status is 401, expected 200");
    check_fault(outcome_of({.status = 307}), CallFault::kRefused, Retry::kNever, "srv: status is 307");
    check_fault(outcome_of({.status = 408}), CallFault::kTimeout, Retry::kLater, "srv: status is 408");
    check_fault(outcome_of({.status = 503, .body = "<b>busy</b>", .content_type = "text/html"}),
                CallFault::kServer,
                Retry::kLater,
                "srv: status is 503 \"<b>busy</b>\", expected 200");
    const HttpOutcome limited = outcome_of({.status = 429, .headers = {"Retry-After: 3"}});
    check_fault(limited, CallFault::kRateLimited, Retry::kLater, "srv: status is 429");
    CHECK(limited.told == 3.0);
    CHECK(!outcome_of({.status = 429}).told);
  }
  TEST_CASE("read_outcome: a response that breaks off is a fault of the connection") {
    const HttpReply whole{.body = test::completion("Yes.")};
    for (const std::size_t at : {std::size_t{0}, std::size_t{5}, std::size_t{40}, std::size_t{150}}) {
      HttpReply cut = whole;
      cut.cut_at = at;
      CAPTURE(at);
      check_fault(outcome_of(cut), CallFault::kConnection, Retry::kLater, "srv: ");
    }
  }
  TEST_CASE("read_outcome: what is no HTTP is malformed") {
    check_fault(
        outcome_of({.instead = "SSH-2.0-server\r\n"}), CallFault::kMalformed, Retry::kBadAnswer, "srv: transfer is \"");
  }
  TEST_CASE("read_outcome: a response without an end mark ends with the connection") {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    CHECK(outcome_of({.instead = head + test::completion("Yes.")}).result->text == "Yes.");
    check_fault(outcome_of({.instead = head + test::completion("Yes.").substr(0, 30)}),
                CallFault::kMalformed,
                Retry::kBadAnswer,
                "srv: JSON is malformed");
  }
  TEST_CASE("read_outcome: a response that is too long is not asked for again") {
    check_fault(outcome_of({.body = test::completion(std::string(5000, 'x'))}, 1000),
                CallFault::kMalformed,
                Retry::kNever,
                "srv: response is longer than 1000 bytes, expected at most 1000 bytes");
  }
  TEST_CASE("read_outcome: the key is hidden, wherever a server repeats it") {
    const std::string key = test::kSecretKey;
    const auto hidden = [&](const HttpOutcome& outcome) {
      const std::string& text = outcome.result ? outcome.result->text : outcome.result.error().message;
      CAPTURE(text);
      CHECK(text.find(key) == std::string::npos);
      CHECK(text.find(key.substr(0, key.size() - 2)) == std::string::npos);
      CHECK(text.find("***") != std::string::npos);
    };
    hidden(outcome_of({.status = 401, .body = "{\"error\": {\"message\": \"Incorrect key: " + key + "\"}}"}));
    hidden(outcome_of({.status = 400, .body = "Bearer " + key}));
    // where the message is cut, in the middle of the key
    hidden(outcome_of({.status = 400, .body = std::string(300 - key.size() / 2, 'x') + key}));
    std::string escaped = "{\"error\": {\"message\": \"";
    for (const char c : key) {
      char text[8];
      std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(c));
      escaped += text;
    }
    hidden(outcome_of({.status = 401, .body = escaped + "\"}}"}));
    hidden(outcome_of({.body = test::completion("Your key is " + key)}));
    hidden(outcome_of({.body = test::completion("a"), .content_type = "text/" + key}));
    hidden(outcome_of({.body = "{\"" + key}));
  }

  TEST_CASE("transfer_fault: tells encryption from connection from time") {
    using re::remixer::detail::transfer_fault;
    CHECK(transfer_fault(CURLE_PEER_FAILED_VERIFICATION) == CallFault::kTls);
    CHECK(transfer_fault(CURLE_SSL_CONNECT_ERROR) == CallFault::kTls);
    CHECK(transfer_fault(CURLE_SSL_CACERT_BADFILE) == CallFault::kTls);
    CHECK(transfer_fault(CURLE_OPERATION_TIMEDOUT) == CallFault::kTimeout);
    for (const CURLcode code : {CURLE_COULDNT_CONNECT,
                                CURLE_COULDNT_RESOLVE_HOST,
                                CURLE_PARTIAL_FILE,
                                CURLE_RECV_ERROR,
                                CURLE_SEND_ERROR,
                                CURLE_GOT_NOTHING,
                                CURLE_HTTP2,
                                CURLE_COULDNT_RESOLVE_PROXY}) {
      CHECK(transfer_fault(code) == CallFault::kConnection);
    }
    CHECK(transfer_fault(CURLE_BAD_CONTENT_ENCODING) == CallFault::kMalformed);
    CHECK(re::remixer::detail::retry_of(CURLE_PEER_FAILED_VERIFICATION) == Retry::kNever);
    CHECK(re::remixer::detail::retry_of(CURLE_SSL_CONNECT_ERROR) == Retry::kLater);
    CHECK(re::remixer::detail::retry_of(CURLE_COULDNT_CONNECT) == Retry::kLater);
  }
}
