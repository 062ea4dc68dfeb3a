#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI {

/// How a Progress line is shown. The defaults suit a program; tests replace the sink and the clock.
struct ProgressOptions {
  std::string unit = "items";         ///< plural noun printed with the rate
  bool silent = false;                ///< write nothing at all
  double redraw_seconds = 0.1;        ///< least time between two drawings on a terminal
  double line_seconds = 10.0;         ///< least time between two lines where there is no terminal (log files)
  int bar_width = 24;                 ///< columns between the brackets of the bar; 0 draws none
  std::optional<bool> terminal = {};  ///< whether lines are redrawn in place; empty asks isatty(stderr)
  std::function<void(std::string_view)> sink = {};  ///< where text goes; empty writes to stderr
  std::function<double()> clock = {};               ///< seconds on a monotonic clock; empty takes steady_clock
};

/// One line that tells how far a long loop has come: `encode [=====>    ]  5120/10000 documents  812/s  eta 0:06`.
///
/// On a terminal the line is redrawn in place; elsewhere a new line is printed every `line_seconds`. The last state is
/// always printed by `finish` or the destructor. The text is ASCII.
///
/// @note  `advance` is thread-safe and costs an atomic addition and a clock reading unless a drawing is due.
class Progress {
 public:
  using Options = ProgressOptions;

  /// @param label  what is going on
  /// @param total  units of work in all; <= 0 if unknown (neither bar nor remaining time is shown)
  explicit Progress(std::string label, Index total = 0, Options options = {})
      : label_(std::move(label)), total_(total), options_(std::move(options)) {
    if (options_.silent) {
      return;
    }
    terminal_ = options_.terminal.value_or(::isatty(STDERR_FILENO) == 1);
    start_ = now();
    due_.store(start_ + interval(), std::memory_order_relaxed);
    if (terminal_) {
      const std::scoped_lock lock(mutex_);
      draw(start_, false);
    }
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  Progress(Progress&&) = delete;
  Progress& operator=(Progress&&) = delete;
  ~Progress() {
    try {
      finish();
    } catch (...) {  // a sink that throws must not end the program from a destructor; the work itself is done
      finished_ = true;
    }
  }

  /// Adds `count` units of finished work.
  void advance(Index count = 1) {
    done_.fetch_add(count, std::memory_order_relaxed);
    if (options_.silent) {
      return;
    }
    const double time = now();
    if (time < due_.load(std::memory_order_relaxed)) {
      return;
    }
    const std::unique_lock lock(mutex_, std::try_to_lock);  // another thread is drawing: its line will do
    if (lock.owns_lock() && !finished_ && time >= due_.load(std::memory_order_relaxed)) {
      due_.store(time + interval(), std::memory_order_relaxed);
      draw(time, false);
    }
  }

  /// Shows `text` behind the rate from the next drawing on, such as the loss of the last step. ASCII, one line.
  void note(std::string text) {
    const std::scoped_lock lock(mutex_);
    note_ = std::move(text);
  }

  /// Prints the final state and ends the line; later calls do nothing.
  void finish() {
    const std::scoped_lock lock(mutex_);
    if (!finished_ && !options_.silent) {
      finished_ = true;
      draw(now(), true);
    }
  }

  [[nodiscard]] Index done() const { return done_.load(std::memory_order_relaxed); }
  [[nodiscard]] Index total() const { return total_; }

 private:
  [[nodiscard]] double interval() const { return terminal_ ? options_.redraw_seconds : options_.line_seconds; }

  [[nodiscard]] double now() const {
    if (options_.clock) {
      return options_.clock();
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  static std::string duration(double seconds) {
    const auto whole = static_cast<long long>(std::min(std::max(std::ceil(seconds), 0.0), 359'999'999.0));
    char text[48];
    if (whole >= 3600) {
      std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
    } else {
      std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
    }
    return text;
  }

  static std::string rate(double per_second) {
    char text[48];
    std::snprintf(text, sizeof text, per_second < 10.0 ? "%.2f/s" : "%.0f/s", per_second);
    return text;
  }

  [[nodiscard]] std::string bar(double fraction) const {
    const auto width = static_cast<std::size_t>(std::max(options_.bar_width, 0));
    const auto full = static_cast<std::size_t>(fraction * static_cast<double>(width));
    std::string text(full, '=');
    if (full < width) {
      text += '>';
      text.append(width - full - 1, ' ');
    }
    return " [" + text + "]";
  }

  void draw(double time, bool last) {
    const Index done = done_.load(std::memory_order_relaxed);
    const double elapsed = std::max(time - start_, 0.0);
    std::string text = label_;
    if (total_ > 0) {
      const double fraction = std::clamp(static_cast<double>(done) / static_cast<double>(total_), 0.0, 1.0);
      if (options_.bar_width > 0) {
        text += bar(fraction);
      }
      text += " " + std::to_string(done) + "/" + std::to_string(total_) + " " + options_.unit;
    } else {
      text += " " + std::to_string(done) + " " + options_.unit;
    }
    const double per_second = elapsed > 0.0 ? static_cast<double>(done) / elapsed : 0.0;
    if (per_second > 0.0) {
      text += "  " + rate(per_second);
    }
    text += note_.empty() ? "" : "  " + note_;
    if (last) {
      text += "  in " + duration(elapsed);
    } else if (total_ > 0 && per_second > 0.0) {
      text += "  eta " + duration(static_cast<double>(total_ - done) / per_second);
    }
    write(std::move(text), last);
  }

  void write(std::string text, bool last) {
    const std::size_t length = text.size();
    if (terminal_) {
      text.insert(text.begin(), '\r');
      if (length < drawn_) {
        text.append(drawn_ - length, ' ');  // covers the rest of a longer earlier line
      }
      drawn_ = length;
    }
    if (!terminal_ || last) {
      text += '\n';
    }
    if (options_.sink) {
      options_.sink(text);
    } else {
      std::fwrite(text.data(), 1, text.size(), stderr);
      std::fflush(stderr);
    }
  }

  std::string label_;
  Index total_;
  Options options_;
  bool terminal_ = false;
  double start_ = 0.0;
  std::atomic<Index> done_{0};
  std::atomic<double> due_{0.0};
  std::mutex mutex_;
  std::string note_;
  std::size_t drawn_ = 0;
  bool finished_ = false;
};

}  // namespace reasonembed
