#pragma once
/// @file The OpenAI chat protocol as text: a call becomes the body of a request, the body of a response an answer.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/call_names.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// What a request says about the model, beside the call.
struct ChatModelOptions {
  std::string name = {};                       ///< as the server calls it; not empty
  std::string max_tokens_name = "max_tokens";  ///< the field of the limit: some servers want "max_completion_tokens"
  std::string extra = {};  ///< a JSON object whose fields are added, e.g. {"reasoning_effort": "low"}

  friend bool operator==(const ChatModelOptions&, const ChatModelOptions&) = default;

  /// Calls `f(name, value)` for every option.
  template <class F>
  void visit(F&& f) const {
    f("name", name);
    f("max_tokens_name", max_tokens_name);
    f("extra", extra);
  }
};

/// Writes requests for one model.
///
/// @note  immutable: safe from many threads
class ChatRequestWriter {
 public:
  /// @throws  ConfigError if the model has no name or `extra` is no JSON object
  explicit ChatRequestWriter(const ChatModelOptions& options) : options_(options) {
    constexpr std::string_view kWhere = "remixer::ChatRequestWriter";
    if (options.name.empty() || io::find_invalid_utf8(options.name) != std::string_view::npos) {
      throw ConfigError::invalid(kWhere, "model.name", io::in_quotes(options.name), "the name of a model");
    }
    if (options.max_tokens_name.empty()) {
      throw ConfigError::invalid(kWhere, "model.max_tokens_name", "empty", "max_tokens or max_completion_tokens");
    }
    try {
      extra_ = options.extra.empty() ? io::Json::object() : io::parse_json(options.extra, "model.extra");
    } catch (const DataError& error) {
      throw ConfigError(std::string(kWhere) + ": " + error.what());
    }
    if (!extra_.is_object()) {
      throw ConfigError::invalid(kWhere, "model.extra", io::in_quotes(options.extra), "a JSON object");
    }
    for (const char* const own : {"model", "messages", "stream", "temperature", "top_p", "max_tokens"}) {
      if (extra_.contains(own)) {
        throw ConfigError::invalid(kWhere, "model.extra", std::string("a field \"") + own + "\"", "other fields");
      }
    }
  }

  /// The model's name, with the added fields: what an answer depends on beside the call.
  [[nodiscard]] std::string identity() const {
    return extra_.empty() ? options_.name : options_.name + " " + io::dump_json(extra_, -1);
  }

  /// The body of a request for a whole answer at once. Sampling fields at their neutral value (top_p 1, top_k 0, no
  /// seed) are left out, since some servers refuse fields they do not know.
  ///
  /// @throws  DataError if a message is not UTF-8, NonFiniteError for such a temperature
  [[nodiscard]] io::Json body(const ChatCall& call) const {
    io::Json messages = io::Json::array();
    for (const ChatMessage& message : call.messages) {
      const std::size_t bad = io::find_invalid_utf8(message.content);
      if (bad != std::string_view::npos) {
        throw DataError::invalid("remixer::ChatRequestWriter",
                                 "byte " + std::to_string(bad + 1) + " of a message of stage " + call.stage,
                                 "not UTF-8",
                                 "UTF-8 text");
      }
      messages.push_back({{"role", message.role}, {"content", message.content}});
    }
    io::Json body = extra_;
    body["model"] = options_.name;
    body["messages"] = std::move(messages);
    body["temperature"] = call.sampling.temperature;
    body[options_.max_tokens_name] = call.sampling.max_tokens;
    if (call.sampling.top_p != 1.0) {
      body["top_p"] = call.sampling.top_p;
    }
    if (call.sampling.top_k != 0) {
      body["top_k"] = call.sampling.top_k;
    }
    if (call.sampling.seed) {
      body["seed"] = *call.sampling.seed;
    }
    return body;
  }
  /// body() on one line.
  [[nodiscard]] std::string text(const ChatCall& call) const { return io::dump_json(body(call), -1); }

 private:
  ChatModelOptions options_;
  io::Json extra_;
};

namespace detail {

/// The reason of an error response, in quotes, or its first bytes where it has another form; "" for an empty body.
///
/// Servers write {"error": {"message": ...}}, {"error": "..."}, {"message": ...} or {"detail": ...}.
inline std::string error_reason(std::string_view body) {
  constexpr std::size_t kLongest = 300;
  const auto quoted = [](std::string_view text) { return text.empty() ? "" : " " + io::in_quotes(text, kLongest); };
  io::Json json;
  try {
    json = io::parse_json(body, "body");
  } catch (const DataError&) {
    return quoted(body);  // a proxy's page, or plain text
  }
  const auto text_of = [](const io::Json& object, const char* name) -> const std::string* {
    const auto field = object.is_object() ? object.find(name) : object.end();
    return object.is_object() && field != object.end() ? field->template get_ptr<const std::string*>() : nullptr;
  };
  if (json.is_object() && json.contains("error")) {
    if (const std::string* message = text_of(json["error"], "message")) {
      return quoted(*message);
    }
  }
  for (const char* const name : {"error", "message", "detail"}) {
    if (const std::string* message = text_of(json, name)) {
      return quoted(*message);
    }
  }
  return quoted(body);
}

/// The text of a message: `content` as a string or as parts of text. Nothing if it is absent or null.
inline std::optional<std::string> content_text(const io::JsonFields& message) {
  const auto content = message.json().find("content");
  if (content == message.json().end() || !content->is_array()) {
    return message.find_string("content");
  }
  std::string text;
  for (const io::Json& part : *content) {
    const io::JsonFields fields(part, message.where());
    if (const auto piece = fields.find_string("text")) {
      text += *piece;
    }
  }
  return text;
}

inline Finish finish_of_reason(std::string_view reason) {
  if (reason == "length" || reason == "max_tokens") {
    return Finish::kLength;
  }
  return reason == "content_filter" ? Finish::kFiltered : Finish::kStop;
}

/// @throws  DataError if the response is not the protocol's
inline ChatResult answer_of(const io::Json& json, std::string_view where) {
  const io::JsonFields response(json, std::string(where));
  if (const auto error = response.json().find("error"); error != response.json().end() && !error->is_null()) {
    // some gateways put the error of the server behind them into a response of status 200
    const std::string reason = error_reason(json.dump(-1, ' ', false, io::Json::error_handler_t::replace));
    return call_failure(CallFault::kServer, where, "response", "an error" + reason, "choices");
  }
  const io::Json& choices = response.get_array("choices");
  if (choices.empty()) {
    return call_failure(CallFault::kEmpty, where, "choices", "empty", "one choice");
  }
  const io::JsonFields choice(choices[0], std::string(where) + ": choices[0]");
  const io::JsonFields message = choice.get_object("message");
  ChatAnswer answer;
  answer.finish = finish_of_reason(choice.find_string("finish_reason").value_or("stop"));
  if (const auto usage = response.find_object("usage")) {
    answer.prompt_tokens = usage->find_int("prompt_tokens", 0).value_or(0);
    answer.completion_tokens = usage->find_int("completion_tokens", 0).value_or(0);
  }
  std::optional<std::string> text = content_text(message);
  if (!text || text->empty()) {
    if (auto refusal = message.find_string("refusal"); refusal && !refusal->empty()) {
      text = std::move(refusal);
      answer.finish = Finish::kFiltered;
    } else if (answer.finish == Finish::kStop) {
      return call_failure(CallFault::kEmpty, where, "choices[0].message.content", text ? "\"\"" : "null", "a text");
    }
  }
  answer.text = std::move(text).value_or("");
  return answer;
}

}  // namespace detail

/// Reads the body of a response whose status is 200.
///
/// A refusal is an answer with Finish::kFiltered; an answer cut at its first token, by length or by a filter, has an
/// empty text; any other answer without a text is CallFault::kEmpty. What is no chat completion is kMalformed, an error
/// in its place kServer.
///
/// @param where  begins the messages of failures
[[nodiscard]] inline ChatResult parse_chat_response(std::string_view body, std::string_view where) {
  const std::size_t bad = io::find_invalid_utf8(body);
  if (bad != std::string_view::npos) {
    const std::string byte = "0x" + io::detail::hex_byte(static_cast<unsigned char>(body[bad]));
    return call_failure(
        CallFault::kMalformed, where, "byte " + std::to_string(bad + 1) + " of the response", byte, "UTF-8 text");
  }
  try {
    return detail::answer_of(io::parse_json(body, where), where);
  } catch (const DataError& error) {
    return Unexpected<CallFailure>(CallFailure{.fault = CallFault::kMalformed, .message = error.what()});
  }
}

/// What a response of another status than 200 means.
///
/// 429 is kRateLimited, 408 and 425 kTimeout, 5xx kServer, 2xx kMalformed, everything else kRefused.
///
/// @param body   may hold the server's reason
/// @param where  begins the message
[[nodiscard]] inline CallFailure status_failure(int status, std::string_view body, std::string_view where) {
  CallFault fault = status >= 500 ? CallFault::kServer : status < 300 ? CallFault::kMalformed : CallFault::kRefused;
  fault = status == 429 ? CallFault::kRateLimited : status == 408 || status == 425 ? CallFault::kTimeout : fault;
  return {.fault = fault,
          .message = reasonembed::detail::error_text(
              where, "status", std::to_string(status) + detail::error_reason(body), "200")};
}

}  // namespace reasonembed::remixer
