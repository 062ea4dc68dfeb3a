#pragma once
/// @file What the answers of a language model cost.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// What a million tokens cost, in whatever currency the bill is in.
struct Prices {
  double prompt = 0.0;      ///< of a million prompt tokens, >= 0
  double completion = 0.0;  ///< of a million tokens written, >= 0

  friend bool operator==(const Prices&, const Prices&) = default;

  /// Calls `f(name, value)` for every option.
  template <class F>
  void visit(F&& f) const {
    f("prompt", prompt);
    f("completion", completion);
  }
  /// @throws  ConfigError if a price is negative or not finite
  void check(std::string_view where) const {
    visit([&](const char* name, double value) {
      if (!(value >= 0.0) || !std::isfinite(value)) {
        throw ConfigError::invalid(where, "prices." + std::string(name), std::to_string(value), "a price >= 0");
      }
    });
  }
  /// @return  prompt * prompt_tokens / 10^6 + completion * completion_tokens / 10^6
  [[nodiscard]] double of(std::int64_t prompt_tokens, std::int64_t completion_tokens) const {
    return (prompt * static_cast<double>(prompt_tokens) + completion * static_cast<double>(completion_tokens)) / 1e6;
  }
};

/// What was used.
struct Usage {
  std::int64_t answers = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;

  friend bool operator==(const Usage&, const Usage&) = default;

  void add(const Usage& other) {
    answers += other.answers;
    prompt_tokens += other.prompt_tokens;
    completion_tokens += other.completion_tokens;
  }
};

/// Tokens and money by stage. Tokens are counted as integers and priced at the end, so the sum does not depend on the
/// order in which answers come.
class CostLedger {
 public:
  CostLedger() = default;
  /// @throws  ConfigError if a price is negative or not finite
  explicit CostLedger(const Prices& prices) : prices_(prices) { prices_.check("remixer::CostLedger"); }

  void add(std::string_view stage, const ChatAnswer& answer) {
    auto row = stages_.find(stage);
    if (row == stages_.end()) {
      row = stages_.emplace(stage, Usage{}).first;
    }
    row->second.add(
        {.answers = 1, .prompt_tokens = answer.prompt_tokens, .completion_tokens = answer.completion_tokens});
  }

  [[nodiscard]] const Prices& prices() const { return prices_; }
  /// By the name of the stage, in the order of names.
  [[nodiscard]] const std::map<std::string, Usage, std::less<>>& stages() const { return stages_; }
  [[nodiscard]] Usage total() const {
    Usage sum;
    for (const auto& [stage, usage] : stages_) {
      sum.add(usage);
    }
    return sum;
  }
  [[nodiscard]] double money(const Usage& usage) const {
    return prices_.of(usage.prompt_tokens, usage.completion_tokens);
  }
  [[nodiscard]] double money() const { return money(total()); }

 private:
  Prices prices_;
  std::map<std::string, Usage, std::less<>> stages_;
};

}  // namespace reasonembed::remixer
