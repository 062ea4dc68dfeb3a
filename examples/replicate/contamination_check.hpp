#pragma once
/// @file The check of training rows for texts of benchmarks, as `reasonembed synthesize` and `report` make it.
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/data/find_dataset.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/model/any_text_encoder.hpp>
#include <reasonembed/remixer/benchmark_items.hpp>
#include <reasonembed/remixer/contamination.hpp>

#include "synthesis_config.hpp"

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace replicate {

/// NAME=FILE, or FILE alone, named by its stem.
inline std::pair<std::string, std::string> named_file(const std::string& argument) {
  const std::size_t at = argument.find('=');
  return at == std::string::npos ? std::pair(std::filesystem::path(argument).stem().string(), argument)
                                 : std::pair(argument.substr(0, at), argument.substr(at + 1));
}

/// Adds a data set's queries and gold documents to what rows are checked for.
inline void add_benchmark(re::remixer::ContaminationGate& gate,
                          const std::string& name,
                          const std::string& directory,
                          const std::string& split) {
  const auto dataset = re::data::read_retrieval_dataset(re::data::find_dataset(directory), {.split = split});
  for (const std::string& note : dataset.notes) {
    std::fprintf(stderr, "%s\n", note.c_str());
  }
  gate.add(name, re::remixer::benchmark_items(dataset));
}

/// The check of a synthesis: task by task before rows are written, with one report for all.
class ContaminationCheck {
 public:
  /// Removes the report of an earlier run, which is about other rows.
  explicit ContaminationCheck(const SynthesisConfig& config)
      : config_(&config.contamination),
        out_(config.out),
        pool_(config.retriever.threads),
        gate_({.ngram = config_->ngram,
               .cosine = config_->model.empty() ? 0.0 : config_->cosine,
               .positives = config_->positives}) {
    std::error_code error;
    for (const char* form : {".md", ".json", ".html"}) {
      std::filesystem::remove(form_of_report(form), error);
    }
    if (!config_->enabled) {
      return;
    }
    for (const std::string& argument : config_->benchmarks) {
      const auto [name, directory] = named_file(argument);
      add(name, directory, config_->split);
    }
    if (config_->benchmarks.empty()) {
      for (const TaskConfig& task : config.tasks) {
        add_left_out(task);
      }
    }
    if (checks_ && !config_->model.empty()) {
      model_ = re::model::AnyTextEncoder<>::load(config_->model, {.threads = config.retriever.threads});
    }
  }

  /// Checks a task's rows. @return  how many were left out, as strict checks do
  re::Index check(std::vector<re::data::TrainingRow>& rows) {
    if (!checks_) {
      return 0;
    }
    re::remixer::ContaminationReport report = model_ ? gate_.check(rows, *model_) : gate_.check(rows, &pool_);
    const re::Index dropped = config_->strict ? re::remixer::drop_leaking_rows(rows, report) : 0;
    dropped_ += dropped;
    report_.append(std::move(report));
    return dropped;
  }
  /// Writes the report beside the rows.
  void write() const {
    if (!checks_) {
      return;
    }
    report_.write(form_of_report(".json"));
    std::string text = report_.to_markdown();
    if (config_->strict) {
      text += "\nThe check was strict: these " + std::to_string(dropped_) + " rows were left out.\n";
    }
    re::io::write_file_atomically(form_of_report(".md"), text);
    std::printf("contamination: %s\n", report_.summary().c_str());
  }

 private:
  /// The data sets whose judged documents the task leaves out.
  void add_left_out(const TaskConfig& task) {
    if (task.data.empty()) {
      return;
    }
    const std::vector<std::string> all = {""};
    for (const std::string& split : task.splits.empty() ? all : task.splits) {
      add(task.task.name + (split.empty() ? "" : " " + split), task.data, split);
    }
  }
  void add(const std::string& name, const std::string& directory, const std::string& split) {
    add_benchmark(gate_, name, directory, split);
    checks_ = true;
  }
  [[nodiscard]] std::filesystem::path form_of_report(const char* extension) const {
    return (out_ / "rows" / re::data::kContaminationFile).replace_extension(extension);
  }

  const ContaminationConfig* config_;
  std::filesystem::path out_;
  re::ThreadPool pool_;
  re::remixer::ContaminationGate gate_;
  std::optional<re::model::AnyTextEncoder<>> model_;
  re::remixer::ContaminationReport report_;
  re::Index dropped_ = 0;
  bool checks_ = false;
};

}  // namespace replicate
