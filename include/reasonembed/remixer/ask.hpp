#pragma once
/// @file Many questions to a language model, those with unusable answers again.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/remixer/answer_parser.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/stage_report.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// How stubbornly questions are asked.
struct AskOptions {
  int attempts = 3;           ///< answers that are asked for until one can be used, >= 1
  Index give_up_after = 100;  ///< calls that fail one after another before the stage stops; 0: never

  friend bool operator==(const AskOptions&, const AskOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("attempts", attempts);
    f("give_up_after", give_up_after);
  }
};

/// One stage's questions.
struct Questions {
  std::string_view stage = {};  ///< whose calls they are
  Index count = 0;              ///< question i, 0 <= i < count
  Sampling sampling = {};
  AskOptions options = {};
  std::function<std::string(Index)> input = {};  ///< ChatCall::input of question i; empty: none
  ReadOutput output = nullptr;                   ///< ChatCall::output of every question
};

/// @throws  ConfigError naming the first option that is impossible
inline void require_valid(const AskOptions& options) {
  if (options.attempts < 1) {
    throw ConfigError::invalid("remixer::AskOptions", "attempts", std::to_string(options.attempts), "at least 1");
  }
  if (options.give_up_after < 0) {
    throw ConfigError::invalid(
        "remixer::AskOptions", "give_up_after", std::to_string(options.give_up_after), "at least 0");
  }
}
/// @throws  ConfigError naming the first option that is impossible
inline void require_valid(const Sampling& sampling) {
  constexpr std::string_view kWhere = "remixer::Sampling";
  if (!(sampling.temperature >= 0.0 && sampling.temperature <= 100.0)) {
    throw ConfigError::invalid(kWhere, "temperature", std::to_string(sampling.temperature), "in [0, 100]");
  }
  if (!(sampling.top_p > 0.0 && sampling.top_p <= 1.0)) {
    throw ConfigError::invalid(kWhere, "top_p", std::to_string(sampling.top_p), "in (0, 1]");
  }
  if (sampling.top_k < 0) {
    throw ConfigError::invalid(kWhere, "top_k", std::to_string(sampling.top_k), "at least 0");
  }
  if (sampling.max_tokens < 1) {
    throw ConfigError::invalid(kWhere, "max_tokens", std::to_string(sampling.max_tokens), "at least 1");
  }
}

namespace detail {

/// The questions that are still open, in the order they are asked: those to repeat first.
class OpenQuestions {
 public:
  OpenQuestions(const Questions& questions, FunctionRef<std::vector<ChatMessage>(Index)> render, StageReport& report)
      : questions_(questions), render_(render), report_(&report) {}

  [[nodiscard]] bool any() const { return asked_ < questions_.count || !again_.empty(); }
  [[nodiscard]] std::optional<ChatCall> next() {
    Repeat turn;
    if (!again_.empty()) {
      turn = again_.back();
      again_.pop_back();
    } else if (asked_ < questions_.count) {
      turn.question = asked_++;
    } else {
      return std::nullopt;
    }
    ++report_->calls;
    return ChatCall{.id = static_cast<std::uint64_t>(turn.question),
                    .stage = std::string(questions_.stage),
                    .attempt = turn.attempt,
                    .messages = render_(turn.question),
                    .sampling = questions_.sampling,
                    .input = questions_.input ? questions_.input(turn.question) : std::string(),
                    .output = questions_.output};
  }
  /// @return  whether the question will be asked again
  bool unusable(const ChatCall& call, AnswerFault fault) {
    ++report_->unusable[static_cast<std::size_t>(fault)];
    if (call.attempt + 1 >= questions_.options.attempts) {
      return false;
    }
    again_.push_back({static_cast<Index>(call.id), call.attempt + 1});
    return true;
  }
  void answered(const ChatAnswer& answer) {
    report_->prompt_tokens += answer.prompt_tokens;
    report_->completion_tokens += answer.completion_tokens;
    failed_in_a_row_ = 0;
  }
  /// @throws  Error if so many calls have failed that the rest will
  void failed(const CallFailure& failure) {
    ++report_->failures[static_cast<std::size_t>(failure.fault)];
    if (failure.fault == CallFault::kNotRecorded) {
      return;  // an answer that is still to come is no sign of a broken endpoint
    }
    const Index most = questions_.options.give_up_after;
    if (++failed_in_a_row_ == most) {
      throw Error(reasonembed::detail::error_text("remixer::" + std::string(questions_.stage),
                                                  "number of calls that failed one after another",
                                                  std::to_string(most) + " (the last: " + failure.message + ")",
                                                  "a model that answers"));
    }
  }

 private:
  struct Repeat {
    Index question = 0;
    int attempt = 0;
  };

  Questions questions_;
  FunctionRef<std::vector<ChatMessage>(Index)> render_;
  StageReport* report_;
  std::vector<Repeat> again_;
  Index asked_ = 0;
  Index failed_in_a_row_ = 0;
};

}  // namespace detail

/// Asks a language model `count` questions, many at a time, and those whose answers can't be used again.
///
/// @param render   messages of question i; called when its turn comes, so that prompts take no memory before
/// @param parse    ChatAnswer -> Parsed<T>
/// @param monitor  counts calls, faults and tokens; advanced by each question that is settled
/// @return         (count) for each question its value, nothing where no answer could be used. The answers decide, not
///                 their order.
/// @throws         ConfigError for an impossible option, Error if `give_up_after` calls fail one after another, what
/// the
///                 model and `render` throw
template <LanguageModel M,
          class Parse,
          class Value = typename std::invoke_result_t<const Parse&, const ChatAnswer&>::Value>
[[nodiscard]] std::vector<std::optional<Value>> ask(M& model,
                                                    const Questions& questions,
                                                    FunctionRef<std::vector<ChatMessage>(Index)> render,
                                                    const Parse& parse,
                                                    StageMonitor& monitor) {
  require_valid(questions.options);
  require_valid(questions.sampling);
  std::vector<std::optional<Value>> values(static_cast<std::size_t>(questions.count));
  detail::OpenQuestions open(questions, render, monitor.report());
  const auto next = [&] { return open.next(); };
  const auto done = [&](const ChatCall& call, ChatResult result) {
    if (!result) {
      open.failed(result.error());
      monitor.lose();
      return;
    }
    open.answered(*result);
    Parsed<Value> parsed = parse(*result);
    if (parsed) {
      values.at(static_cast<std::size_t>(call.id)) = std::move(*parsed);
      monitor.advance();
    } else if (!open.unusable(call, parsed.error())) {
      monitor.lose();
    }
  };
  while (open.any()) {  // the last answers of a run may be unusable, after the model has been told that nothing is left
    const Index before = monitor.report().calls;
    model.run(next, done);
    if (monitor.report().calls == before) {
      throw Error(reasonembed::detail::error_text("remixer::" + std::string(questions.stage),
                                                  "number of calls that the model took",
                                                  "0",
                                                  "all that there are (see LanguageModel)"));
    }
  }
  return values;
}

}  // namespace reasonembed::remixer
