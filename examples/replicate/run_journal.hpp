#pragma once
/// @file The journal of `reasonembed synthesize`, if this program is built with one: what a run tells it, and what it
/// tells of the run.
#include <reasonembed/core/error.hpp>
#include <reasonembed/remixer/distillation.hpp>
#include <reasonembed/remixer/labelled_rows.hpp>
#include <reasonembed/remixer/stage_report.hpp>

#ifdef REPLICATE_HAS_REMIXER
#include <reasonembed/remixer/journal.hpp>
#include <reasonembed/remixer/journal_annotations.hpp>
#endif

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replicate {

namespace re = reasonembed;

using TaskAndStage = std::pair<std::string, std::string>;

#ifdef REPLICATE_HAS_REMIXER

using JournalPointer = std::shared_ptr<re::remixer::Journal>;

inline JournalPointer open_journal(const std::filesystem::path& path) {
  std::filesystem::create_directories(std::filesystem::absolute(path).parent_path());
  return std::make_shared<re::remixer::Journal>(path);
}
inline void plan_run(const JournalPointer& journal, const std::vector<TaskAndStage>& stages) {
  std::vector<re::remixer::StageOfTask> planned;
  for (const auto& [task, stage] : stages) {
    planned.push_back({task, stage});
  }
  journal->plan(planned);
}
inline void begin_stage(const JournalPointer& journal, const std::string& task, std::string_view stage) {
  journal->begin_stage(task, stage);
}
inline void note_progress(const JournalPointer& journal,
                          const std::string& task,
                          std::string_view stage,
                          const re::remixer::StageProgress& progress) {
  journal->note_progress(task, stage, progress);
}

namespace detail {

inline std::string duration_text(std::int64_t milliseconds) {
  const long long seconds = (milliseconds + 999) / 1000;
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
  return text.data();
}

/// One line of the table; what nobody knows yet is "unknown".
inline std::string status_line(const re::remixer::StageStatus& stage) {
  const bool counted = stage.remaining || stage.settled > 0;  // else nobody has told the journal how far it has come
  std::int64_t failed = stage.lost;
  if (!counted) {
    for (const auto& [fault, count] : stage.failed) {
      failed += count;
    }
  }
  std::array<char, 256> text{};
  std::snprintf(text.data(),
                text.size(),
                "%-24s %10lld %10s %8lld %9lld %14lld %14lld %10.2f %10s",
                stage.stage.c_str(),
                static_cast<long long>(counted ? stage.settled - stage.lost : stage.done),
                stage.remaining ? std::to_string(*stage.remaining).c_str() : "unknown",
                static_cast<long long>(failed),
                static_cast<long long>(stage.calls),
                static_cast<long long>(stage.prompt_tokens),
                static_cast<long long>(stage.completion_tokens),
                stage.money,
                stage.milliseconds_left ? duration_text(*stage.milliseconds_left).c_str() : "unknown");
  return text.data();
}

}  // namespace detail

/// Prints how far each stage has come; also while another process is at work.
inline void print_status(const std::filesystem::path& path) {
  re::remixer::Journal journal = re::remixer::Journal::read_only(path);
  std::printf("%-24s %10s %10s %8s %9s %14s %14s %10s %10s\n",
              "stage",
              "done",
              "remaining",
              "failed",
              "calls",
              "prompt tokens",
              "written tokens",
              "money",
              "time left");
  for (const re::remixer::StageStatus& stage : journal.status()) {
    std::printf("%s\n", detail::status_line(stage).c_str());
    for (const auto& [fault, count] : stage.failed) {
      std::printf("  %lld calls failed: %s\n", static_cast<long long>(count), std::string(name_of(fault)).c_str());
    }
  }
}

inline std::vector<re::remixer::AnnotationRecord> read_journal_annotations(const std::filesystem::path& path,
                                                                           const std::string& task) {
  return re::remixer::read_journal_annotations(path, task);
}
/// Labelled rows of a file, or of a journal's annotations, whose documents are then named by their ids.
inline std::vector<re::remixer::LabelledRow> read_labels(const std::filesystem::path& path) {
  return re::remixer::is_sqlite_file(path) ? re::remixer::read_journal_labels(path)
                                           : re::remixer::read_labelled_rows(path);
}

#else

using JournalPointer = std::shared_ptr<void>;

[[noreturn]] inline void refuse_journal() {
  throw re::ConfigError::invalid(
      "reasonembed", "this program", "built without libcurl and SQLite", "one that can ask language models");
}
inline JournalPointer open_journal(const std::filesystem::path& /*path*/) {
  return nullptr;
}
inline void plan_run(const JournalPointer& /*journal*/, const std::vector<TaskAndStage>& /*stages*/) {}
inline void begin_stage(const JournalPointer& /*journal*/, const std::string& /*task*/, std::string_view /*stage*/) {}
inline void note_progress(const JournalPointer& /*journal*/,
                          const std::string& /*task*/,
                          std::string_view /*stage*/,
                          const re::remixer::StageProgress& /*progress*/) {}
inline void print_status(const std::filesystem::path& /*path*/) {
  refuse_journal();
}
inline std::vector<re::remixer::AnnotationRecord> read_journal_annotations(const std::filesystem::path& /*path*/,
                                                                           const std::string& /*task*/) {
  refuse_journal();
}
inline std::vector<re::remixer::LabelledRow> read_labels(const std::filesystem::path& path) {
  return re::remixer::read_labelled_rows(path);
}

#endif

}  // namespace replicate
