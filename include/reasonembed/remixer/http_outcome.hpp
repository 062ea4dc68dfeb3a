#pragma once
/// @file What the end of an HTTP transfer means: an answer, or a fault and whether asking again may help.
#include <reasonembed/config.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/call_names.hpp>
#include <reasonembed/remixer/chat_protocol.hpp>
#include <reasonembed/remixer/http_transfer.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <curl/curl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Whether a failed request is worth another one.
enum class Retry : std::uint8_t {
  kNever,      ///< the same would happen
  kLater,      ///< the server or the way to it was not able to
  kBadAnswer,  ///< an answer came that can't be used, and may have been paid
};

/// The end of one request.
struct HttpOutcome {
  ChatResult result;
  Retry retry = Retry::kNever;
  std::optional<double> told = {};  ///< seconds that the server asks to wait
};

namespace detail {

/// @return  the fault of a transfer that libcurl ended
inline CallFault transfer_fault(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return CallFault::kTimeout;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED:
      return CallFault::kTls;
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_UNSUPPORTED_PROTOCOL:  // HTTP/0.9: an answer without a status
    case CURLE_WEIRD_SERVER_REPLY:
      return CallFault::kMalformed;
    default:
      return CallFault::kConnection;
  }
}

inline Retry retry_of(CallFault fault) {
  switch (fault) {
    case CallFault::kRateLimited:
    case CallFault::kServer:
    case CallFault::kTimeout:
    case CallFault::kConnection:
      return Retry::kLater;
    case CallFault::kMalformed:
    case CallFault::kEmpty:
      return Retry::kBadAnswer;
    default:
      return Retry::kNever;
  }
}

/// A connection that breaks while encryption is agreed on is a TLS fault too, but one that may pass.
inline Retry retry_of(CURLcode code) {
  return code == CURLE_SSL_CONNECT_ERROR ? Retry::kLater : retry_of(transfer_fault(code));
}

inline ChatResult read_response(const HttpTransfer& transfer, std::string_view body, std::string_view where) {
  if (const int status = transfer.status(); status != 200) {
    return Unexpected<CallFailure>(status_failure(status, body, where));
  }
  if (transfer.ended_early()) {  // among the headers, which libcurl does not mind
    return call_failure(CallFault::kConnection, where, "response", "cut off before its body", "a whole response");
  }
  const std::string type = transfer.content_type();
  if (!type.empty() && type.find("json") == std::string::npos) {
    return call_failure(CallFault::kMalformed, where, "content type", io::in_quotes(type), "application/json");
  }
  return parse_chat_response(body, where);
}

}  // namespace detail

/// Reads the end of a transfer. No text of the outcome holds a secret.
///
/// @param code     as libcurl ended it
/// @param largest  bytes that a response may have
/// @param where    begins the message of a failure
[[nodiscard]] inline HttpOutcome read_outcome(
    const HttpTransfer& transfer, CURLcode code, std::size_t largest, const Secrets& secrets, std::string_view where) {
  const auto failed = [](auto failure, Retry retry) {
    return HttpOutcome{.result = std::move(failure), .retry = retry};
  };
  if (transfer.too_large()) {
    const std::string most = std::to_string(largest) + " bytes";
    return failed(call_failure(CallFault::kMalformed, where, "response", "longer than " + most, "at most " + most),
                  Retry::kNever);
  }
  if (code != CURLE_OK) {
    return failed(call_failure(detail::transfer_fault(code),
                               where,
                               "transfer",
                               io::in_quotes(secrets.hide(transfer.error(code)), 200),
                               "a whole response"),
                  detail::retry_of(code));
  }
  // before anything is quoted or cut, so that no part of a secret is left
  HttpOutcome outcome{.result = detail::read_response(transfer, secrets.hide_in_answer(transfer.response()), where),
                      .told = transfer.retry_after()};
  if (outcome.result) {
    outcome.result->text = secrets.hide_in_answer(std::move(outcome.result->text));
    return outcome;
  }
  CallFailure failure = outcome.result.error();
  failure.message = secrets.hide(std::move(failure.message));
  outcome.retry = detail::retry_of(failure.fault);
  outcome.result = Unexpected<CallFailure>(std::move(failure));
  return outcome;
}

}  // namespace reasonembed::remixer
