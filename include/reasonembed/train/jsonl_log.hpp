#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/line_reader.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/train/events.hpp>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// Writes a run as JSON Lines: one object for its start, each step, each checkpoint and its end; docs/file_formats.md
/// shows the fields. Every line is in the file when the step's callback returns.
///
/// A run that starts replaces the file. One that goes on from a checkpoint keeps the lines up to there and drops those
/// of steps that are now taken again, so that a log has each step once, whatever killed the run.
///
/// Models: Callback.
class JsonlLog {
 public:
  /// @param path  opened when a run starts
  explicit JsonlLog(std::filesystem::path path) : path_(std::move(path)) {}

  /// @throws  IoError if the file can't be written
  void operator()(const RunStart& start) {
    keep_until(start.first_step);
    writer_.emplace(path_);
    writer_->write({{"event", "start"},
                    {"first_step", start.first_step},
                    {"total_steps", start.total_steps},
                    {"epoch_steps", start.epoch_steps},
                    {"rows", start.rows},
                    {"parameters", start.parameters},
                    {"notes", start.notes},
                    {"options", start.options}});
  }
  void operator()(const StepReport& report) {
    io::Json row = {{"event", "step"},
                    {"step", report.step},
                    {"epoch", report.epoch},
                    {"loss", report.skipped ? io::Json(nullptr) : io::Json(report.loss)},
                    {"lr", report.lr},
                    {"gradient_norm", report.gradient_norm},
                    {"queries", report.queries},
                    {"documents", report.documents},
                    {"false_negatives", report.false_negatives},
                    {"truncated", report.truncated},
                    {"tokens", report.tokens},
                    {"seconds", report.seconds}};
    if (report.skipped) {
      row["skipped"] = true;
    }
    if (report.measured && !report.skipped) {
      row["mean_intensity"] = report.mean_intensity;
      row["missing_reasoning"] = report.missing_reasoning;
      row["intensities"] = std::vector<double>(report.intensities.begin(), report.intensities.end());
    }
    writer().write(row);
  }
  void operator()(const CheckpointSaved& saved) {
    writer().write({{"event", "checkpoint"}, {"step", saved.step}, {"directory", saved.directory}});
  }
  void operator()(const RunEnd& end) {
    writer().write({{"event", "end"},
                    {"steps", end.steps},
                    {"skipped_steps", end.skipped_steps},
                    {"tokens", end.tokens},
                    {"missing_reasoning", end.missing_reasoning},
                    {"seconds", end.seconds}});
    writer().sync();
  }

 private:
  /// Steps that come without a start, from a loop of the caller's own, are appended to what is there.
  io::JsonlWriter& writer() { return writer_ ? *writer_ : writer_.emplace(path_); }

  /// Rewrites the file with the lines of the run's first `steps` steps; what can't be read as a log ends there.
  void keep_until(std::int64_t steps) const {
    std::string kept;
    std::error_code missing;
    if (steps > 0 && std::filesystem::exists(path_, missing)) {
      io::LineReader lines(path_);
      while (next(lines)) {
        const std::optional<std::int64_t> step = step_of(lines.text(), lines.where());
        if (!step || *step > steps) {
          break;
        }
        kept.append(lines.text()).append("\n");
      }
    }
    io::write_file_atomically(path_, kept);
  }
  static bool next(io::LineReader& lines) {
    try {
      return lines.next();
    } catch (const DataError&) {  // not text: the kill came while the disk was failing
      return false;
    }
  }
  /// @return  the step a line belongs to, 0 for a start; nothing for an end or what is no line of a log
  static std::optional<std::int64_t> step_of(std::string_view line, const std::string& where) {
    try {
      const io::Json json = io::parse_json(line, where);
      const io::JsonFields fields(json, where);
      const std::string& event = fields.get_string("event");
      if (event == "start") {
        return 0;
      }
      if (event == "end") {
        return std::nullopt;
      }
      return fields.get_int("step", 1, std::numeric_limits<std::int64_t>::max());
    } catch (const DataError&) {
      return std::nullopt;
    }
  }

  std::filesystem::path path_;
  std::optional<io::JsonlWriter> writer_;
};

static_assert(Callback<JsonlLog>);

}  // namespace reasonembed::train
