#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/train/events.hpp>

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// Shows how a run goes: `train [====>  ] 12/40 steps  1.52/s  9021 tokens/s  loss 0.4127  intensity 2.31  eta 0:19`.
///
/// Tokens are those of texts: there is no padding to count. The intensity appears once it is measured. Notes of the run
/// are printed before it starts.
///
/// Models: Callback.
/// @note  move-only; writes to stderr unless the options have a sink
class ProgressBar {
 public:
  /// @param label    what is going on
  /// @param options  see ProgressOptions; `unit` is "steps"
  /// @param notes    whether notes are printed; false for the second of several runs on the same rows
  explicit ProgressBar(std::string label = "train", ProgressOptions options = {}, bool notes = true)
      : label_(std::move(label)), options_(std::move(options)), notes_(notes) {
    options_.unit = "steps";
  }

  void operator()(const RunStart& start) {
    for (std::size_t i = 0; notes_ && i < start.notes.size(); ++i) {
      print("note: " + start.notes[i] + "\n");
    }
    if (start.first_step > 0) {
      print(label_ + ": goes on after step " + std::to_string(start.first_step) + " of " +
            std::to_string(start.total_steps) + "\n");
    }
    tokens_ = 0;
    seconds_ = 0.0;
    progress_ = std::make_unique<Progress>(label_, static_cast<Index>(start.total_steps - start.first_step), options_);
  }
  void operator()(const StepReport& report) {
    tokens_ += report.tokens;
    seconds_ += report.seconds;
    char text[160];
    std::snprintf(text,
                  sizeof text,
                  "%.0f tokens/s  loss %.4f",
                  seconds_ > 0.0 ? static_cast<double>(tokens_) / seconds_ : 0.0,
                  report.loss);
    std::string note = report.skipped ? "step skipped: not finite" : text;
    if (report.measured && !report.skipped) {
      std::snprintf(text, sizeof text, "  intensity %.2f", report.mean_intensity);
      note += text;
    }
    progress_->note(std::move(note));
    progress_->advance();
  }
  void operator()(const RunEnd& /*end*/) { progress_.reset(); }

 private:
  void print(const std::string& text) const {
    if (options_.silent) {
      return;
    }
    if (options_.sink) {
      options_.sink(text);
    } else {
      std::fputs(text.c_str(), stderr);
    }
  }

  std::string label_;
  ProgressOptions options_;
  bool notes_;
  std::unique_ptr<Progress> progress_;
  Index tokens_ = 0;
  double seconds_ = 0.0;
};

static_assert(Callback<ProgressBar>);

}  // namespace reasonembed::train
