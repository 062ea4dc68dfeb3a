#pragma once
/// @file Any server of language models that speaks OpenAI's chat protocol.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/remixer/call_names.hpp>
#include <reasonembed/remixer/chat_protocol.hpp>
#include <reasonembed/remixer/cost_ledger.hpp>
#include <reasonembed/remixer/http_options.hpp>
#include <reasonembed/remixer/http_outcome.hpp>
#include <reasonembed/remixer/http_transfer.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/rate_limit.hpp>
#include <reasonembed/remixer/retry.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// What a client has done so far.
struct HttpCounts {
  std::int64_t requests = 0;  ///< sent, the retries among them
  std::int64_t retries = 0;
  std::int64_t answers = 0;
  std::int64_t failures = 0;  ///< calls that ended without an answer

  friend bool operator==(const HttpCounts&, const HttpCounts&) = default;
};

/// A language model behind an OpenAI-compatible chat endpoint (`.../chat/completions`).
///
/// One thread keeps `http.in_flight` calls under way over connections that stay open. A request that failed is sent
/// again after a wait (see RetryOptions); a server's Retry-After holds all requests back, since limits are an
/// account's. Each call ends as an answer or as one of CallFault; docs/remixer_language_models.md lists which fault
/// ends how.
///
/// The key is read once from an environment variable and appears in no option, message, answer or file.
///
/// Models: LanguageModel.
///
/// @note  move-only; not safe from many threads; memory: a few kilobytes and one response for each call in flight
class HttpLanguageModel {
 public:
  using Options = HttpLanguageModelOptions;

  /// @throws  ConfigError that names an option out of its range, or an environment variable that is not set
  explicit HttpLanguageModel(Options options) : state_(std::make_unique<State>(std::move(options))) {}

  /// The model's name and the fields that are added to each request.
  [[nodiscard]] std::string identity() const { return state_->writer.identity(); }
  [[nodiscard]] const Options& options() const { return state_->options; }
  [[nodiscard]] const Prices& prices() const { return state_->options.prices; }
  /// What all answers of this object have cost.
  [[nodiscard]] const CostLedger& ledger() const { return state_->ledger; }
  [[nodiscard]] const HttpCounts& counts() const { return state_->counts; }

  /// @throws  DataError for a message that is not UTF-8; what `next` and `done` throw
  void run(NextCall next, CallDone done) { Run(*state_, done).all(next); }

 private:
  /// A place for one call in flight.
  struct Slot {
    Slot(const HttpOptions& options, const Secrets& secrets) : transfer(options, secrets) {}

    HttpTransfer transfer;
    ChatCall call = {};
    std::string request = {};
    std::int64_t guessed_tokens = 0;
    int requests = 0;     // sent for this call
    int bad_answers = 0;  // among them
    double due = 0.0;     // when the next is sent
    bool active = false;
  };

  struct State {
    explicit State(Options given)
        : options(checked(std::move(given))),
          writer(options.model),
          limit(options.rate_limit),
          ledger(options.prices),
          secrets(options.http),
          shown_url(detail::shown_url(options.http.url)),
          transfers(options.http.in_flight) {}
    static Options checked(Options options) {
      check(options.http);
      options.retry.check("remixer::HttpLanguageModel");
      return options;
    }

    Options options;
    ChatRequestWriter writer;
    RateLimit limit;
    CostLedger ledger;
    HttpCounts counts;
    Secrets secrets;
    std::string shown_url;
    HttpTransfers transfers;
    std::vector<std::unique_ptr<Slot>> slots;  // after the transfers: each is stopped before it is freed
    double paused_until = 0.0;                 // as a server told
  };

  /// One call of run(); whatever ends it, no transfer stays under way.
  class Run {
   public:
    Run(State& state, CallDone done) : state_(state), done_(done) {
      for (const auto& slot : state_.slots) {
        free_.push_back(slot.get());
      }
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    Run(Run&&) = delete;
    Run& operator=(Run&&) = delete;
    ~Run() {
      for (const auto& slot : state_.slots) {
        if (slot->active) {
          state_.transfers.stop(slot->transfer);
          slot->active = false;
        }
      }
    }

    void all(NextCall next) {
      bool exhausted = false;
      for (;;) {
        while (!exhausted && has_room()) {
          std::optional<ChatCall> call = next();
          exhausted = !call;
          if (call) {
            take(std::move(*call));
          }
        }
        const double pause = start_waiting();
        if (waiting_.empty() && active_ == 0) {
          return;  // nothing is under way although there was room
        }
        state_.transfers.advance();
        if (!finish_ended()) {
          state_.transfers.wait(pause);
        }
        stop_slow();
      }
    }

   private:
    [[nodiscard]] bool has_room() const {
      return !free_.empty() || state_.slots.size() < static_cast<std::size_t>(state_.options.http.in_flight);
    }
    void take(ChatCall call) {
      if (free_.empty()) {
        state_.slots.push_back(std::make_unique<Slot>(state_.options.http, state_.secrets));
        free_.push_back(state_.slots.back().get());
      }
      Slot& slot = *free_.back();
      slot.request = state_.writer.text(call);
      free_.pop_back();
      slot.guessed_tokens = estimated_tokens(call);
      slot.call = std::move(call);
      slot.requests = 0;
      slot.bad_answers = 0;
      slot.due = 0.0;
      waiting_.push_back(&slot);
    }
    /// Sends what is due, in the order of arrival.
    /// @return  seconds after which to look again, at most one
    double start_waiting() {
      const double now = detail::steady_seconds();
      double pause = slow_interval();
      std::size_t kept = 0;
      bool held = false;  // a call that waits for the limit is not overtaken: a long one would never come
      for (Slot* const slot : waiting_) {
        double wait = std::max(slot->due, state_.paused_until) - now;
        if (wait <= 0.0 && !held) {
          wait = state_.limit.wait(slot->guessed_tokens, now);
          held = wait > 0.0;
        }
        if (wait > 0.0 || held) {
          pause = wait > 0.0 ? std::min(pause, wait) : pause;
          waiting_[kept++] = slot;
        } else {
          start(*slot, now);
        }
      }
      waiting_.resize(kept);
      return pause;
    }
    void start(Slot& slot, double now) {
      slot.transfer.prepare(slot.request);
      state_.limit.start(slot.guessed_tokens, now);
      ++slot.requests;
      ++state_.counts.requests;
      state_.transfers.start(slot.transfer);
      slot.active = true;
      ++active_;
    }
    /// @return  whether any had ended
    bool finish_ended() {
      bool any = false;
      for (auto ended = state_.transfers.take_ended(); ended.first != nullptr; ended = state_.transfers.take_ended()) {
        Slot& slot = slot_of(*ended.first);
        set_inactive(slot);
        finish(
            slot,
            read_outcome(slot.transfer, ended.second, state_.options.http.largest_answer, state_.secrets, where(slot)));
        any = true;
      }
      return any;
    }
    [[nodiscard]] double slow_interval() const { return std::min(state_.options.http.slow_seconds / 4.0, 1.0); }
    void stop_slow() {
      const double now = detail::steady_seconds();
      if (now < slow_due_) {
        return;
      }
      slow_due_ = now + slow_interval();
      for (const auto& slot : state_.slots) {
        if (slot->active && slot->transfer.too_slow(now)) {
          state_.transfers.stop(slot->transfer);
          set_inactive(*slot);
          const HttpOptions& http = state_.options.http;
          const std::string rate = std::to_string(http.slow_bytes_per_second) + " bytes a second";
          finish(*slot,
                 {.result = call_failure(CallFault::kTimeout,
                                         where(*slot),
                                         "transfer",
                                         "slower than " + rate + " for " + std::to_string(http.slow_seconds) + " s",
                                         "at least " + rate + " once an answer has begun"),
                  .retry = Retry::kLater});
        }
      }
    }
    void finish(Slot& slot, HttpOutcome outcome) {
      const double now = detail::steady_seconds();
      if (outcome.result) {
        const std::int64_t counted = outcome.result->prompt_tokens + outcome.result->completion_tokens;
        if (counted > 0) {
          state_.limit.settle(slot.guessed_tokens, counted, now);
        }
        state_.ledger.add(slot.call.stage, *outcome.result);
        ++state_.counts.answers;
        deliver(slot, std::move(outcome.result));
        return;
      }
      const bool again = may_retry(slot, outcome.retry);
      const std::optional<double> wait =
          again ? retry_wait(state_.options.retry, slot.requests, slot.call.id, outcome.told) : std::nullopt;
      if (again && wait) {
        if (outcome.told) {
          state_.paused_until = std::max(state_.paused_until, now + *outcome.told);
        }
        ++state_.counts.retries;
        slot.due = now + *wait;
        waiting_.push_back(&slot);
        return;
      }
      if (again) {
        CallFailure failure = outcome.result.error();
        failure.message += "; the server asks to wait " + std::to_string(outcome.told.value_or(0.0)) +
                           " s, expected at most " + std::to_string(state_.options.retry.longest_told) + " s";
        outcome.result = Unexpected<CallFailure>(std::move(failure));
      }
      ++state_.counts.failures;
      deliver(slot, std::move(outcome.result));
    }
    bool may_retry(Slot& slot, Retry retry) const {
      const RetryOptions& options = state_.options.retry;
      if (retry == Retry::kBadAnswer) {
        return ++slot.bad_answers <= options.bad_answer_retries;
      }
      return retry == Retry::kLater && slot.requests - slot.bad_answers <= options.retries;
    }
    void deliver(Slot& slot, ChatResult result) {
      const ChatCall call = std::exchange(slot.call, {});
      free_.push_back(&slot);  // before `done`, which may throw
      done_(call, std::move(result));
    }
    void set_inactive(Slot& slot) {
      slot.active = false;
      --active_;
    }
    [[nodiscard]] Slot& slot_of(const HttpTransfer& transfer) const {
      const auto found = std::find_if(state_.slots.begin(), state_.slots.end(), [&](const std::unique_ptr<Slot>& slot) {
        return &slot->transfer == &transfer;
      });
      REASONEMBED_ASSERT(found != state_.slots.end());
      return **found;
    }
    [[nodiscard]] std::string where(const Slot& slot) const {
      return state_.shown_url + ", request " + std::to_string(slot.requests) + " of a call of stage " +
             (slot.call.stage.empty() ? "\"\"" : slot.call.stage);
    }

    detail::BrokenPipesIgnored ignored_;
    State& state_;
    CallDone done_;
    std::vector<Slot*> free_;
    std::vector<Slot*> waiting_;
    int active_ = 0;
    double slow_due_ = 0.0;  // when slow transfers are looked for
  };

  std::unique_ptr<State> state_;
};
static_assert(LanguageModel<HttpLanguageModel>);

}  // namespace reasonembed::remixer
