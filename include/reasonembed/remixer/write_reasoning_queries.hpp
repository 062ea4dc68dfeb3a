#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/remixer/answer_parser.hpp>
#include <reasonembed/remixer/ask.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/prompt_template.hpp>
#include <reasonembed/remixer/prompts.hpp>
#include <reasonembed/remixer/stage.hpp>
#include <reasonembed/remixer/stage_output.hpp>
#include <reasonembed/remixer/stage_report.hpp>
#include <reasonembed/remixer/task.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// What becomes of a row whose reasoning query could not be had.
enum class WithoutReasoning : bool {
  kKeep,  ///< it stays without one, and its intensity is taken as 1
  kDrop,  ///< it is dropped
};

/// Options of WriteReasoningQueries.
struct WriteReasoningQueriesOptions {
  Sampling sampling = {.temperature = 0.7, .top_p = 0.95, .top_k = 0, .max_tokens = 4096};
  WithoutReasoning without_reasoning = WithoutReasoning::kKeep;
  AskOptions ask = {};

  friend bool operator==(const WriteReasoningQueriesOptions&, const WriteReasoningQueriesOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("sampling", sampling);
    f("without_reasoning", without_reasoning);
    f("ask", ask);
  }
};

/// What a model is told when it is to spell out the reasoning of a query.
///
/// @param page  of the stage "write_reasoning_queries"
[[nodiscard]] inline std::vector<ChatMessage> reasoning_messages(const PromptTemplate& page,
                                                                 const Task& task,
                                                                 std::string_view query) {
  const std::array<PromptValue, 4> values = {
      {{"domain", task.domain}, {"query_form", task.query_form}, {"relevance", task.relevance}, {"query", query}}};
  return page.render(values);
}

/// Gives each row the query with its reasoning spelled out, which Redapter weighs rows by. Rows that have one keep it.
///
/// It works on finished rows, so that nothing is paid for queries that assembly drops, and on rows of any origin.
///
/// @tparam M  models LanguageModel; must outlive the stage
template <LanguageModel M>
class WriteReasoningQueries {
 public:
  using Input = data::TrainingRow;
  using Output = data::TrainingRow;
  using Options = WriteReasoningQueriesOptions;
  static constexpr std::string_view name = "write_reasoning_queries";

  /// @throws  ConfigError for an impossible option or task
  WriteReasoningQueries(M& model, Task task, Options options = {}, const Prompts& prompts = Prompts())
      : model_(&model), task_(std::move(task)), options_(options), page_(prompts.get(name, task_.kind)) {
    require_valid(task_);
    require_valid(options_.sampling);
    require_valid(options_.ask);
  }

  [[nodiscard]] std::vector<data::TrainingRow> run(std::vector<data::TrainingRow> rows, StageMonitor& monitor) {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (data::detail::is_blank(rows[i].reasoning_query)) {
        open.push_back(i);
      }
    }
    const auto render = [&](Index i) {
      return reasoning_messages(page_, task_, rows[open[static_cast<std::size_t>(i)]].query);
    };
    const auto input = [&](Index i) {
      const std::string& query = rows[open[static_cast<std::size_t>(i)]].query;
      return io::dump_json({{"query_id", text_id(query)}, {"query", query}}, -1);
    };
    monitor.expect(static_cast<Index>(open.size()), "queries");
    const Questions questions{
        name, static_cast<Index>(open.size()), options_.sampling, options_.ask, input, reasoning_output};
    std::vector<std::optional<std::string>> texts = ask(*model_, questions, render, kParse, monitor);
    for (std::size_t i = 0; i < open.size(); ++i) {
      rows[open[i]].reasoning_query = texts[i] ? std::move(*texts[i]) : std::string();
    }
    return finished(std::move(rows), monitor.report());
  }

 private:
  static constexpr auto kParse = [](const ChatAnswer& answer) { return parse_query(answer); };

  [[nodiscard]] std::vector<data::TrainingRow> finished(std::vector<data::TrainingRow> rows,
                                                        StageReport& report) const {
    std::vector<data::TrainingRow> kept;
    kept.reserve(rows.size());
    for (data::TrainingRow& row : rows) {
      if (!row.reasoning_query.empty()) {
        kept.push_back(std::move(row));
      } else if (options_.without_reasoning == WithoutReasoning::kKeep) {
        ++report.counts["rows without a reasoning query"];
        kept.push_back(std::move(row));
      } else {
        report.drop("no reasoning query");
      }
    }
    return kept;
  }

  M* model_;
  Task task_;
  Options options_;
  PromptTemplate page_;
};

}  // namespace reasonembed::remixer
