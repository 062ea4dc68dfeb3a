#pragma once
/// @file When a call that failed is sent again.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// How often a call is sent again, and after how long.
struct RetryOptions {
  int retries = 6;              ///< after a fault that costs nothing: status 429 or 5xx, no connection, no time; >= 0
  int bad_answer_retries = 1;   ///< after an answer that is malformed or empty, which may have been paid; >= 0
  double first_wait = 1.0;      ///< seconds before the first retry, doubled for each further one; > 0
  double longest_wait = 60.0;   ///< seconds, of the doubling; >= first_wait
  double longest_told = 300.0;  ///< seconds that a server's Retry-After may ask for; a call told more is given up
  std::uint64_t seed = 0;       ///< of the jitter

  friend bool operator==(const RetryOptions&, const RetryOptions&) = default;

  /// Calls `f(name, value)` for every option.
  template <class F>
  void visit(F&& f) const {
    f("retries", retries);
    f("bad_answer_retries", bad_answer_retries);
    f("first_wait", first_wait);
    f("longest_wait", longest_wait);
    f("longest_told", longest_told);
    f("seed", seed);
  }
  /// @throws  ConfigError that names the option out of its range
  void check(std::string_view where) const {
    const auto require = [&](bool valid, const char* name, double value, const char* want) {
      if (!valid) {
        throw ConfigError::invalid(where, std::string("retry.") + name, std::to_string(value), want);
      }
    };
    require(retries >= 0, "retries", retries, "at least 0");
    require(bad_answer_retries >= 0, "bad_answer_retries", bad_answer_retries, "at least 0");
    require(first_wait > 0.0 && std::isfinite(first_wait), "first_wait", first_wait, "more than 0 seconds");
    require(
        longest_wait >= first_wait && std::isfinite(longest_wait), "longest_wait", longest_wait, "at least first_wait");
    require(longest_told >= 0.0 && std::isfinite(longest_told), "longest_told", longest_told, "at least 0 seconds");
  }
};

/// How long a call waits before it is sent again.
///
///   wait = min(first_wait 2^(n-1), longest_wait) u,   u uniform on [1/2, 1)
///
/// If the server told how long (Retry-After), the wait is that time and then the same as jitter, at most a tenth of it
/// or a second, whichever is more: all who were told the same time must not come back in the same moment.
///
/// @param retry  n: 1 for the first retry of the call
/// @param call   the stream of the jitter: each call has its own
/// @param told   seconds of the server's Retry-After
/// @return       seconds; nothing if the server asks for more than `longest_told`
[[nodiscard]] inline std::optional<double> retry_wait(const RetryOptions& options,
                                                      int retry,
                                                      std::uint64_t call,
                                                      std::optional<double> told = {}) {
  RandomStream stream(options.seed, call);
  stream.seek(2 * static_cast<std::uint64_t>(retry));
  const double wait = std::min(std::ldexp(options.first_wait, std::min(retry - 1, 1000)), options.longest_wait) *
                      (0.5 + 0.5 * stream.uniform_double());
  if (!told) {
    return wait;
  }
  if (*told > options.longest_told) {
    return std::nullopt;
  }
  return *told + std::min(wait, std::max(0.1 * *told, 1.0));
}

}  // namespace reasonembed::remixer
