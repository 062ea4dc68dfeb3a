#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/remixer/records.hpp>
#include <reasonembed/remixer/stage.hpp>
#include <reasonembed/remixer/stage_report.hpp>
#include <reasonembed/remixer/task.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of Assemble; the default is the paper's.
struct AssembleOptions {
  int least_positive = 3;  ///< labels from here to 5 make a positive, those from 1 to below it a negative; in [2, 5]

  friend bool operator==(const AssembleOptions&, const AssembleOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("least_positive", least_positive);
  }
};

/// Makes a training row of each query that has a positive and a negative document.
///
/// Candidates without a label are in neither. Documents keep the order of the candidates, and their labels become the
/// scores. Rows carry the task's instruction, name, group and batch size.
class Assemble {
 public:
  using Input = AnnotatedQuery;
  using Output = data::TrainingRow;
  using Options = AssembleOptions;
  static constexpr std::string_view name = "assemble";

  /// @throws  ConfigError for an impossible option or task
  explicit Assemble(Task task, Options options = {}) : task_(std::move(task)), options_(options) {
    require_valid(task_);
    if (options_.least_positive < 2 || options_.least_positive > 5) {
      throw ConfigError::invalid(
          "remixer::Assemble", "least_positive", std::to_string(options_.least_positive), "in [2, 5]");
    }
  }

  /// @throws  DataError if a query has not one label for each candidate, or a label that is none
  [[nodiscard]] std::vector<data::TrainingRow> run(std::vector<AnnotatedQuery> queries, StageMonitor& monitor) const {
    std::vector<data::TrainingRow> rows;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      data::TrainingRow row = row_of(queries[i], i);
      if (row.pos.empty() || row.neg.empty()) {
        monitor.report().drop(row.pos.empty() ? row.neg.empty() ? "no labelled candidate" : "no positive document"
                                              : "no negative document");
        continue;
      }
      monitor.report().counts["positive documents"] += static_cast<Index>(row.pos.size());
      monitor.report().counts["negative documents"] += static_cast<Index>(row.neg.size());
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  [[nodiscard]] data::TrainingRow row_of(AnnotatedQuery& query, std::size_t number) const {
    if (query.labels.size() != query.candidates.size()) {
      throw DataError::invalid("remixer::Assemble: query " + std::to_string(number),
                               "number of labels",
                               std::to_string(query.labels.size()),
                               std::to_string(query.candidates.size()) + ", one for each candidate");
    }
    data::TrainingRow row{.query = std::move(query.query),
                          .prompt = task_.instruction,
                          .type = task_.name,
                          .train_group_size = task_.group_size,
                          .batch_size = task_.batch_size};
    for (std::size_t j = 0; j < query.labels.size(); ++j) {
      const int label = query.labels[j];
      if (label == kUnlabelled) {
        continue;
      }
      if (label < 1 || label > 5) {
        throw DataError::invalid("remixer::Assemble: query " + std::to_string(number),
                                 "labels[" + std::to_string(j) + "]",
                                 std::to_string(label),
                                 "1 to 5, or -1");
      }
      const bool positive = label >= options_.least_positive;
      (positive ? row.pos : row.neg).push_back(query.candidates[j].str());
      (positive ? row.pos_scores : row.neg_scores).push_back(label);
    }
    return row;
  }

  Task task_;
  Options options_;
};
static_assert(Stage<Assemble>);

}  // namespace reasonembed::remixer
