#pragma once
/// @file What a stage did, in numbers, and how far it has come.
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/remixer/answer_parser.hpp>
#include <reasonembed/remixer/language_model.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// How many kinds of CallFault there are.
inline constexpr std::size_t kCallFaults = 9;

/// The kind of a failure in words.
[[nodiscard]] inline std::string_view describe(CallFault fault) {
  constexpr std::array<std::string_view, kCallFaults> kWords = {"refused by the server",
                                                                "over the rate limit",
                                                                "server errors",
                                                                "too late",
                                                                "without a connection",
                                                                "without encryption",
                                                                "malformed",
                                                                "without a text",
                                                                "not recorded"};
  return kWords[static_cast<std::size_t>(fault)];
}

/// What a stage did.
struct StageReport {
  std::string stage = {};
  Index items_in = 0;
  Index items_out = 0;
  Index calls = 0;                                 ///< questions asked, each attempt counted
  std::array<Index, kAnswerFaults> unusable = {};  ///< answers that could not be used, by AnswerFault
  std::array<Index, kCallFaults> failures = {};    ///< calls without an answer, by CallFault
  std::int64_t prompt_tokens = 0;                  ///< as the server counts them
  std::int64_t completion_tokens = 0;              ///< likewise
  std::map<std::string, Index> dropped = {};       ///< items that went in and did not come out, by reason
  std::map<std::string, Index> counts = {};        ///< what else is worth knowing, e.g. labels by score

  friend bool operator==(const StageReport&, const StageReport&) = default;

  /// Counts items that do not come out; 0 of them leave no trace.
  void drop(const std::string& reason, Index count = 1) {
    if (count > 0) {
      dropped[reason] += count;
    }
  }
  [[nodiscard]] Index unusable_by(AnswerFault fault) const { return unusable[static_cast<std::size_t>(fault)]; }
  [[nodiscard]] Index failures_by(CallFault fault) const { return failures[static_cast<std::size_t>(fault)]; }
  /// @return  items dropped for any reason
  [[nodiscard]] Index all_dropped() const { return sum(dropped); }
  /// @return  answers that could not be used
  [[nodiscard]] Index all_unusable() const {
    Index all = 0;
    for (const Index count : unusable) {
      all += count;
    }
    return all;
  }
  /// @return  calls without an answer
  [[nodiscard]] Index all_failures() const {
    Index all = 0;
    for (const Index count : failures) {
      all += count;
    }
    return all;
  }

 private:
  static Index sum(const std::map<std::string, Index>& counts) {
    Index all = 0;
    for (const auto& [name, count] : counts) {
      all += count;
    }
    return all;
  }
};

namespace detail {

/// Calls `f(words, count)` for what happened at all, kinds of faults first.
template <class F>
void for_each_incident(const StageReport& report, const F& f) {
  for (std::size_t i = 0; i < kAnswerFaults; ++i) {
    if (report.unusable[i] > 0) {
      f("answers " + std::string(describe(static_cast<AnswerFault>(i))), report.unusable[i]);
    }
  }
  for (std::size_t i = 0; i < kCallFaults; ++i) {
    if (report.failures[i] > 0) {
      f("calls " + std::string(describe(static_cast<CallFault>(i))), report.failures[i]);
    }
  }
  for (const auto& [reason, count] : report.dropped) {
    f("dropped: " + reason, count);
  }
  for (const auto& [what, count] : report.counts) {
    f(what, count);
  }
}

}  // namespace detail

/// A report as lines of text: `generate_queries: 72 in, 70 out, 75 calls`, then one line for each thing that happened.
[[nodiscard]] inline std::string describe(const StageReport& report) {
  std::string text = report.stage + ": " + std::to_string(report.items_in) + " in, " +
                     std::to_string(report.items_out) + " out" +
                     (report.calls == 0 ? "" : ", " + std::to_string(report.calls) + " calls") + "\n";
  detail::for_each_incident(
      report, [&](const std::string& what, Index count) { text += "  " + std::to_string(count) + " " + what + "\n"; });
  return text;
}

/// The same as JSON.
[[nodiscard]] inline io::Json report_json(const StageReport& report) {
  io::Json json = {{"stage", report.stage},
                   {"items_in", report.items_in},
                   {"items_out", report.items_out},
                   {"calls", report.calls},
                   {"prompt_tokens", report.prompt_tokens},
                   {"completion_tokens", report.completion_tokens},
                   {"incidents", io::Json::object()}};
  detail::for_each_incident(report, [&](const std::string& what, Index count) { json["incidents"][what] = count; });
  return json;
}

/// How far a stage has come.
struct StageProgress {
  Index total = 0;     ///< units of work, 0 before the stage knows
  Index settled = 0;   ///< units that are finished
  Index lost = 0;      ///< of those, without a result
  bool ended = false;  ///< the stage has

  friend bool operator==(const StageProgress&, const StageProgress&) = default;
};

/// Told how far a stage has come, each time that this changes.
using StageWatch = std::function<void(const StageProgress&)>;

/// What a stage is given to tell how far it has come and what has happened.
///
/// @note  not thread-safe: a stage tells from one thread
class StageMonitor {
 public:
  /// @param label     of the progress line
  /// @param progress  how it is shown; silent unless somebody asks for it
  /// @param watch     told how far it has come; may be empty
  explicit StageMonitor(std::string label = {}, ProgressOptions progress = {.silent = true}, StageWatch watch = {})
      : label_(std::move(label)), options_(std::move(progress)), watch_(std::move(watch)) {}

  [[nodiscard]] StageReport& report() { return report_; }
  /// Begins the progress line: there are `total` units of work.
  void expect(Index total, std::string unit) {
    options_.unit = std::move(unit);
    progress_ = std::make_unique<Progress>(label_, total, options_);
    tell(false);
  }
  /// `count` more units are finished.
  void advance(Index count = 1) {
    if (progress_) {
      progress_->advance(count);
      tell(false);
    }
  }
  /// `count` more units are finished, and have no result.
  void lose(Index count = 1) {
    lost_ += count;
    advance(count);
  }
  /// The progress line, null before `expect`.
  [[nodiscard]] Progress* progress() { return progress_.get(); }
  /// Ends the progress line.
  void finish() {
    if (progress_) {
      tell(true);
    }
    progress_.reset();
  }

 private:
  void tell(bool ended) const {
    if (watch_) {
      watch_({.total = progress_->total(), .settled = progress_->done(), .lost = lost_, .ended = ended});
    }
  }

  std::string label_;
  ProgressOptions options_;
  StageWatch watch_;
  Index lost_ = 0;
  StageReport report_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace reasonembed::remixer
