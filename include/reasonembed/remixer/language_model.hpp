#pragma once
/// @file What ReMixer asks of a language model, and what it may be told in return.
#include <reasonembed/config.hpp>
#include <reasonembed/core/expected.hpp>
#include <reasonembed/core/function_ref.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// One turn of a conversation.
struct ChatMessage {
  std::string role = {};  ///< "system", "user" or "assistant"
  std::string content = {};

  friend bool operator==(const ChatMessage&, const ChatMessage&) = default;
};

/// How an answer is drawn. Part of a call's key in the journal.
struct Sampling {
  double temperature = 1.0;               ///< >= 0; 0 takes the likeliest token
  double top_p = 1.0;                     ///< in (0, 1]: the likeliest tokens whose probabilities sum to it
  int top_k = 0;                          ///< the k likeliest tokens; 0 leaves it to the server
  int max_tokens = 2048;                  ///< new tokens at most, >= 1
  std::optional<std::int64_t> seed = {};  ///< sent where given; a server may ignore it

  friend bool operator==(const Sampling&, const Sampling&) = default;

  /// Calls `f(name, value)` for every option.
  template <class F>
  void visit(F&& f) const {
    f("temperature", temperature);
    f("top_p", top_p);
    f("top_k", top_k);
    f("max_tokens", max_tokens);
    f("seed", seed);
  }
};

struct ChatAnswer;

/// Reads what a stage takes from an answer, as a JSON object such as {"score": 4}; nothing where the answer is of no
/// use.
using ReadOutput = std::optional<std::string> (*)(const ChatAnswer& answer);

/// One question to a language model.
struct ChatCall {
  std::uint64_t id = 0;                    ///< the caller's, given back with the answer
  std::string stage = {};                  ///< e.g. "generate_queries": whose progress and cost it counts for
  int attempt = 0;                         ///< 0, then 1, 2, ... after answers that could not be used
  std::vector<ChatMessage> messages = {};  ///< the rendered prompt
  Sampling sampling = {};
  std::string input = {};       ///< a JSON object: what the question is about, such as the ids of its texts; or ""
  ReadOutput output = nullptr;  ///< how its answer is read; null: every answer is of use, as it stands

  friend bool operator==(const ChatCall&, const ChatCall&) = default;
};

/// Why a model stopped writing.
enum class Finish : std::uint8_t {
  kStop,      ///< it had said all
  kLength,    ///< max_tokens were written: the text is cut
  kFiltered,  ///< the server's filter stepped in
};

/// What a language model answered.
struct ChatAnswer {
  std::string text = {};  ///< UTF-8
  Finish finish = Finish::kStop;
  std::int64_t prompt_tokens = 0;      ///< as the server counts them; 0 where it does not say
  std::int64_t completion_tokens = 0;  ///< likewise

  friend bool operator==(const ChatAnswer&, const ChatAnswer&) = default;
};

/// Why a call ended without an answer, after all the retries that were allowed.
enum class CallFault : std::uint8_t {
  kRefused,      ///< the server refuses the request itself: status 400, 401, 403, 404, 422, ...
  kRateLimited,  ///< status 429 to the last
  kServer,       ///< status 5xx to the last
  kTimeout,      ///< no whole answer in time
  kConnection,   ///< no connection, or one that was cut
  kTls,          ///< the certificate can't be trusted, or no encryption can be agreed on
  kMalformed,    ///< an answer that is not the protocol's: no JSON, wrong content type, not UTF-8, too large
  kEmpty,        ///< an answer without a text
  kNotRecorded,  ///< a replay that has no such call
};

/// A call that failed: a value to count and report, not an exception.
struct CallFailure {
  CallFault fault = CallFault::kServer;
  std::string message = {};  ///< `where: what is got, expected want`; never holds a key

  friend bool operator==(const CallFailure&, const CallFailure&) = default;
};

using ChatResult = Expected<ChatAnswer, CallFailure>;

/// Gives the next call, or nothing when there is none left.
using NextCall = FunctionRef<std::optional<ChatCall>()>;
/// Takes the end of one call; may come in any order.
using CallDone = FunctionRef<void(const ChatCall&, ChatResult)>;

/// Answers questions, many at a time.
///
/// | expression          | meaning                                                                                    |
/// |---------------------|--------------------------------------------------------------------------------------------|
/// | `m.identity()`      | `std::string`: which model it is, part of a call's key; without address and key            |
/// | `m.run(next, done)` | takes calls from `next` until it gives none, keeping as many in flight as configured, and  |
/// |                     | calls `done` exactly once for each, in any order; both are called in the calling thread;   |
/// |                     | returns when all are done                                                                  |
///
/// As soon as a call is done `next` is asked for another one, before anything is waited for: a journal around the model
/// commits the answers at that moment. An exception of `next` or `done` leaves `run` at once; calls in flight are then
/// dropped.
template <class M>
concept LanguageModel = requires(M& m, const M& k, NextCall next, CallDone done) {
  { k.identity() } -> std::same_as<std::string>;
  m.run(next, done);
};

}  // namespace reasonembed::remixer
