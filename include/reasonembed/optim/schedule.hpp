#pragma once
/// @file How the learning rate changes over a run: schedules are those of transformers, by the same formulas.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <numbers>
#include <optional>
#include <string>

namespace reasonembed::inline REASONEMBED_ABI::optim {

/// The factor of the learning rate at each step of a run.
///
/// | expression             | result      | meaning |
/// |------------------------|-------------|---------|
/// | `typename S::Options`  |             | run-time aggregate with defaults |
/// | `S(options, total)`    |             | of a run of `total` optimiser steps, >= 0; throws ConfigError |
/// | `S::name`              | const char* | what logs and checkpoints call it |
/// | `s.factor(step)`       | double      | in [0, 1]; `step` >= 0 counts the steps taken so far, so the first is 0 |
///
/// Semantics: a pure function of the step, so a resumed run needs no state.
template <class S>
concept Schedule =
    std::default_initializable<typename S::Options> && std::constructible_from<S, typename S::Options, std::int64_t> &&
    requires(const S s, std::int64_t step) {
      { S::name } -> std::convertible_to<const char*>;
      { s.factor(step) } -> std::same_as<double>;
    };

struct WarmupOptions {
  double warmup_ratio = 0.1;                                ///< share of all steps, rounded up, in [0, 1]; unless:
  std::optional<std::int64_t> warmup_steps = std::nullopt;  ///< >= 0, replaces the ratio
  bool operator==(const WarmupOptions&) const = default;

  /// Calls `f(name, value)` for every option, so that logs and checkpoints can name them.
  template <class F>
  void visit(F&& f) const {
    f("warmup_ratio", warmup_ratio);
    f("warmup_steps", warmup_steps);
  }
};

struct WarmupCosineOptions {
  double warmup_ratio = 0.1;                                ///< as in WarmupOptions
  std::optional<std::int64_t> warmup_steps = std::nullopt;  ///< as in WarmupOptions
  double cycles = 0.5;                                      ///< waves after the warm-up, > 0; a half falls from 1 to 0
  bool operator==(const WarmupCosineOptions&) const = default;

  /// Calls `f(name, value)` for every option, so that logs and checkpoints can name them.
  template <class F>
  void visit(F&& f) const {
    f("warmup_ratio", warmup_ratio);
    f("warmup_steps", warmup_steps);
    f("cycles", cycles);
  }
};

struct ConstantOptions {
  bool operator==(const ConstantOptions&) const = default;

  template <class F>
  void visit(F&& /*f*/) const {}
};

namespace detail {

inline void require_schedule(bool possible, const char* what, const std::string& got, const char* want) {
  if (!possible) {
    throw ConfigError::invalid("optim::Schedule", what, got, want);
  }
}

/// The first steps of a run, in which the factor rises from 0 to 1 by equal parts.
class Warmup {
 public:
  Warmup(const WarmupOptions& options, std::int64_t total) : total_(total) {
    const double ratio = options.warmup_ratio;
    require_schedule(total >= 0, "total", std::to_string(total), "at least 0");
    require_schedule(ratio >= 0.0 && ratio <= 1.0, "warmup_ratio", std::to_string(ratio), "0 <= warmup_ratio <= 1");
    steps_ = options.warmup_steps.value_or(static_cast<std::int64_t>(std::ceil(static_cast<double>(total) * ratio)));
    require_schedule(steps_ >= 0, "warmup_steps", std::to_string(steps_), "at least 0");
  }
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  /// @throws ConfigError if step < 0
  [[nodiscard]] bool contains(std::int64_t step) const {
    require_schedule(step >= 0, "step", std::to_string(step), "at least 0");
    return step < steps_;
  }
  [[nodiscard]] double factor(std::int64_t step) const {
    return static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, steps_));
  }
  /// @return  steps after the warm-up, at least 1
  [[nodiscard]] double rest() const { return static_cast<double>(std::max<std::int64_t>(1, total_ - steps_)); }
  [[nodiscard]] std::int64_t total() const { return total_; }

 private:
  std::int64_t total_;
  std::int64_t steps_ = 0;
};

}  // namespace detail

/// The same learning rate in every step.
///
/// Models: Schedule.
class Constant {
 public:
  using Options = ConstantOptions;
  static constexpr const char* name = "constant";
  explicit Constant(Options /*options*/ = {}, std::int64_t total = 0) : warmup_({0.0, std::nullopt}, total) {}
  [[nodiscard]] double factor(std::int64_t step) const {
    (void)warmup_.contains(step);
    return 1.0;
  }

 private:
  detail::Warmup warmup_;
};

/// Rises to 1 and stays: transformers' get_constant_schedule_with_warmup.
///
///   f(t) = t / u for t < u, then 1;   u warm-up steps
///
/// Models: Schedule.
class WarmupConstant {
 public:
  using Options = WarmupOptions;
  static constexpr const char* name = "warmup_constant";
  explicit WarmupConstant(Options options, std::int64_t total) : warmup_(options, total) {}
  [[nodiscard]] std::int64_t warmup_steps() const { return warmup_.steps(); }
  [[nodiscard]] double factor(std::int64_t step) const { return warmup_.contains(step) ? warmup_.factor(step) : 1.0; }

 private:
  detail::Warmup warmup_;
};

/// Rises to 1, then falls to 0 by equal parts: transformers' get_linear_schedule_with_warmup.
///
///   f(t) = t / u for t < u, then max(0, (n - t) / (n - u));   u warm-up steps of n
///
/// Models: Schedule.
class WarmupLinear {
 public:
  using Options = WarmupOptions;
  static constexpr const char* name = "warmup_linear";
  explicit WarmupLinear(Options options, std::int64_t total) : warmup_(options, total) {}
  [[nodiscard]] std::int64_t warmup_steps() const { return warmup_.steps(); }
  [[nodiscard]] double factor(std::int64_t step) const {
    if (warmup_.contains(step)) {
      return warmup_.factor(step);
    }
    return std::max(0.0, static_cast<double>(warmup_.total() - step) / warmup_.rest());
  }

 private:
  detail::Warmup warmup_;
};

/// Rises to 1, then falls like a cosine: transformers' get_cosine_schedule_with_warmup.
///
///   f(t) = t / u for t < u, then (1 + cos(2 pi c (t - u) / (n - u))) / 2;   u warm-up steps of n, c cycles
///
/// Models: Schedule.
///
/// @note  past the end of the run the wave goes on, as it does there
class WarmupCosine {
 public:
  using Options = WarmupCosineOptions;
  static constexpr const char* name = "warmup_cosine";
  explicit WarmupCosine(Options options, std::int64_t total)
      : warmup_({options.warmup_ratio, options.warmup_steps}, total), cycles_(options.cycles) {
    const bool possible = cycles_ > 0.0 && std::isfinite(cycles_);
    detail::require_schedule(possible, "cycles", std::to_string(cycles_), "a number > 0");
  }
  [[nodiscard]] std::int64_t warmup_steps() const { return warmup_.steps(); }
  [[nodiscard]] double factor(std::int64_t step) const {
    if (warmup_.contains(step)) {
      return warmup_.factor(step);
    }
    const double progress = static_cast<double>(step - warmup_.steps()) / warmup_.rest();
    return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * cycles_ * 2.0 * progress)));
  }

 private:
  detail::Warmup warmup_;
  double cycles_;
};

static_assert(Schedule<Constant> && Schedule<WarmupConstant>);
static_assert(Schedule<WarmupLinear> && Schedule<WarmupCosine>);

}  // namespace reasonembed::optim
