#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/eval/evaluation_report.hpp>
#include <reasonembed/eval/html_report.hpp>
#include <reasonembed/eval/score.hpp>
#include <reasonembed/retrieval/run.hpp>
#include <reasonembed/retrieval/trec_run.hpp>
#include <reasonembed/train/charts.hpp>
#include <reasonembed/train/seed_study.hpp>

#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::train {

/// Systems compared on one dataset, in files that are complete after each one that is added: PATH.json (the table),
/// PATH.html (the table, the curves of loss and reasoning intensity, and a histogram of intensities), and
/// PATH.NAME.trec, the run of each.
class Comparison {
 public:
  /// @param path   of the JSON file; the others have its name with another ending
  /// @param title  of the HTML page
  explicit Comparison(std::filesystem::path path, std::string title = "Comparison")
      : path_(std::move(path)), title_(std::move(title)) {}

  /// Adds a system that was not trained here.
  /// @throws  IoError if a file can't be written; as eval::EvaluationReport::add
  void add(const eval::ScoredRun& scored) { add(scored.row, scored.run); }
  /// Adds what several seeds have reached: its row, the curves of its runs, and the run of its last model.
  template <class Model>
  void add(const SeedStudy<Model>& study) {
    runs_.push_back(study.runs);
    add(study.row, study.last_run);
  }

  [[nodiscard]] const eval::EvaluationReport& report() const { return report_; }
  /// @return  the page
  [[nodiscard]] eval::HtmlReport html() const {
    eval::HtmlReport page(title_);
    page.add("Results", report_, "Mean over seeds, with their standard deviation; seconds of all seeds together.");
    if (runs_.empty()) {
      return page;
    }
    page.add(loss_chart(runs_));
    for (const NamedRuns& named : runs_) {
      if (measured(named)) {
        page.add(intensity_chart(std::span(&named, 1)));
        page.add(intensity_histogram(named));
      }
    }
    return page;
  }

 private:
  static bool measured(const NamedRuns& named) {
    for (const History& run : named.runs) {
      if (!run.intensities.empty()) {
        return true;
      }
    }
    return false;
  }
  [[nodiscard]] std::filesystem::path file(const std::string& ending) const {
    return std::filesystem::path(path_).replace_extension(ending);
  }
  void add(const eval::EvaluationRow& row, const retrieval::Run& run) {
    report_.add(row);
    retrieval::write_trec_run(file(row.name + ".trec"), run);
    report_.write(path_);
    html().write(file("html"));
  }

  std::filesystem::path path_;
  std::string title_;
  eval::EvaluationReport report_;
  std::vector<NamedRuns> runs_;
};

}  // namespace reasonembed::train
