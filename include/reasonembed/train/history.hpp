#pragma once
/// @file The numbers of a run, step by step: collected while it goes, or read from its log.
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/train/events.hpp>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// What a run measured. Skipped steps are left out.
struct History {
  std::vector<std::int64_t> steps = {};           ///< (S) ascending, from 1
  std::vector<double> losses = {};                ///< (S) nats
  std::vector<std::int64_t> measured_steps = {};  ///< (M) steps whose intensities were measured
  std::vector<double> mean_intensities = {};      ///< (M)
  std::vector<double> intensities = {};           ///< those of all queries of all measured steps, one after another

  friend bool operator==(const History&, const History&) = default;
};

/// Fills a History of the caller's while a run goes. A run that starts clears it.
///
/// Models: Callback.
class RecordHistory {
 public:
  /// @param history  outlives the run
  explicit RecordHistory(History& history) : history_(&history) {}

  void operator()(const RunStart& /*start*/) const { *history_ = {}; }
  void operator()(const StepReport& report) const {
    if (report.skipped) {
      return;
    }
    history_->steps.push_back(report.step);
    history_->losses.push_back(report.loss);
    if (report.measured) {
      history_->measured_steps.push_back(report.step);
      history_->mean_intensities.push_back(report.mean_intensity);
      history_->intensities.insert(history_->intensities.end(), report.intensities.begin(), report.intensities.end());
    }
  }

 private:
  History* history_;
};

static_assert(Callback<RecordHistory>);

/// Reads the history of a run from what JsonlLog has written, that of a resumed run too.
///
/// @throws  IoError if the file can't be read; DataError, with file:line, for a line that is none of a log
[[nodiscard]] inline History read_history(const std::filesystem::path& path) {
  History history;
  io::for_each_json_line(path, [&](const io::JsonFields& fields) {
    if (fields.get_string("event") != "step" || fields.find_bool("skipped").value_or(false)) {
      return;
    }
    const std::int64_t step = fields.get_int("step", 1, std::numeric_limits<std::int64_t>::max());
    history.steps.push_back(step);
    history.losses.push_back(fields.get_double("loss"));
    if (fields.has("mean_intensity")) {
      history.measured_steps.push_back(step);
      history.mean_intensities.push_back(fields.get_double("mean_intensity"));
      for (const io::Json& value : fields.get_array("intensities")) {
        if (!value.is_number()) {
          throw DataError::invalid(fields.where(), "an intensity", value.type_name(), "a number");
        }
        history.intensities.push_back(value.get<double>());
      }
    }
  });
  return history;
}

}  // namespace reasonembed::train
