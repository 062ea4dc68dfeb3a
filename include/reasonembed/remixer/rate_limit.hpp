#pragma once
/// @file Limits of requests and tokens a minute, kept by the client.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// An allowance that fills at a constant rate up to a capacity. Time is an argument, in seconds of any clock.
///
/// In every interval of T seconds at most rate * T + capacity is granted, and one grant more if it is larger than the
/// capacity: such a grant waits for a full bucket and leaves it in debt.
class TokenBucket {
 public:
  /// @param rate      a second, > 0; infinity grants everything at once
  /// @param capacity  > 0; the bucket starts full
  TokenBucket(double rate, double capacity) : rate_(rate), capacity_(capacity), level_(capacity) {}

  /// @return  seconds from `now` until `amount` can be taken, 0 if it can be taken at once
  [[nodiscard]] double wait(double amount, double now) const {
    if (std::isinf(rate_)) {
      return 0.0;
    }
    const double lacking = std::min(amount, capacity_) - level_at(now);
    constexpr double kRounding = 1e-9;  // a second is waited in steps whose sum is not exact
    return lacking <= kRounding * capacity_ ? 0.0 : lacking / rate_;
  }
  /// Takes `amount`; a negative one is given back.
  void take(double amount, double now) {
    if (!std::isinf(rate_)) {
      level_ = std::min(level_at(now) - amount, capacity_);
      time_ = std::max(time_, now);
      started_ = true;
    }
  }

 private:
  [[nodiscard]] double level_at(double now) const {
    return started_ ? std::min(level_ + rate_ * std::max(now - time_, 0.0), capacity_) : level_;
  }

  double rate_;
  double capacity_;
  double level_;
  double time_ = 0.0;
  bool started_ = false;
};

/// What an account may ask for. 0: no limit.
struct RateLimitOptions {
  double requests_per_minute = 0.0;  ///< retries count like first requests; >= 0
  double tokens_per_minute = 0.0;    ///< of prompts and answers together; >= 0
  double burst_seconds = 5.0;        ///< of the rate may be used at once; > 0

  friend bool operator==(const RateLimitOptions&, const RateLimitOptions&) = default;

  /// Calls `f(name, value)` for every option.
  template <class F>
  void visit(F&& f) const {
    f("requests_per_minute", requests_per_minute);
    f("tokens_per_minute", tokens_per_minute);
    f("burst_seconds", burst_seconds);
  }
  /// @throws  ConfigError that names the option out of its range
  void check(std::string_view where) const {
    visit([&](const char* name, double value) {
      const bool positive = name == std::string_view("burst_seconds");
      if (!(positive ? value > 0.0 : value >= 0.0) || !std::isfinite(value)) {
        throw ConfigError::invalid(
            where, "rate_limit." + std::string(name), std::to_string(value), positive ? "more than 0" : "at least 0");
      }
    });
  }
};

/// A guess at the tokens of a call before it is sent: four bytes of prompt a token, and all the tokens it may write,
/// which is how servers count.
[[nodiscard]] inline std::int64_t estimated_tokens(const ChatCall& call) {
  constexpr std::size_t kBytesPerToken = 4;
  constexpr std::size_t kMessageTokens = 4;  // around each message
  std::size_t bytes = 0;
  for (const ChatMessage& message : call.messages) {
    bytes += message.content.size() + kBytesPerToken * kMessageTokens;
  }
  return static_cast<std::int64_t>(bytes / kBytesPerToken) + call.sampling.max_tokens;
}

/// Two buckets: one of requests, one of tokens.
class RateLimit {
 public:
  using Options = RateLimitOptions;

  /// @throws  ConfigError that names the option out of its range
  explicit RateLimit(const Options& options)
      : requests_(bucket(options.requests_per_minute, options.burst_seconds, 1.0)),
        tokens_(bucket(options.tokens_per_minute, options.burst_seconds, 1.0)) {
    options.check("remixer::RateLimit");
  }

  /// @return  seconds until a call of so many tokens may be sent, 0 if at once
  [[nodiscard]] double wait(std::int64_t tokens, double now) const {
    return std::max(requests_.wait(1.0, now), tokens_.wait(static_cast<double>(tokens), now));
  }
  /// Counts a request that is sent.
  void start(std::int64_t tokens, double now) {
    requests_.take(1.0, now);
    tokens_.take(static_cast<double>(tokens), now);
  }
  /// Corrects the guess once the server has said what it counted.
  void settle(std::int64_t guessed, std::int64_t counted, double now) {
    tokens_.take(static_cast<double>(counted - guessed), now);
  }

 private:
  static TokenBucket bucket(double per_minute, double burst_seconds, double least) {
    const bool limited = per_minute > 0.0;
    const double rate = limited ? per_minute / 60.0 : HUGE_VAL;
    return {rate, limited ? std::max(rate * burst_seconds, least) : 1.0};
  }

  TokenBucket requests_;
  TokenBucket tokens_;
};

}  // namespace reasonembed::remixer
