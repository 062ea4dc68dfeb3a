#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/remixer/answer_parser.hpp>
#include <reasonembed/remixer/ask.hpp>
#include <reasonembed/remixer/language_model.hpp>
#include <reasonembed/remixer/prompt_template.hpp>
#include <reasonembed/remixer/prompts.hpp>
#include <reasonembed/remixer/records.hpp>
#include <reasonembed/remixer/stage.hpp>
#include <reasonembed/remixer/stage_output.hpp>
#include <reasonembed/remixer/stage_report.hpp>
#include <reasonembed/remixer/task.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of FilterDomain.
struct FilterDomainOptions {
  Sampling sampling = {.temperature = 0.0, .top_p = 1.0, .top_k = 0, .max_tokens = 16};
  AskOptions ask = {};

  friend bool operator==(const FilterDomainOptions&, const FilterDomainOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("sampling", sampling);
    f("ask", ask);
  }
};

/// What a model is told when it is to say whether a document belongs to a task's domain.
///
/// @param page  of the stage "filter_domain"
[[nodiscard]] inline std::vector<ChatMessage> domain_messages(const PromptTemplate& page,
                                                              const Task& task,
                                                              std::string_view document) {
  const std::array<PromptValue, 2> values = {{{"domain", task.domain}, {"document", document}}};
  return page.render(values);
}

/// Keeps the documents of which a model says that they belong to the task's domain, with an exact "Yes".
///
/// @tparam M  models LanguageModel; must outlive the stage
template <LanguageModel M>
class FilterDomain {
 public:
  using Input = SourceDocument;
  using Output = SourceDocument;
  using Options = FilterDomainOptions;
  static constexpr std::string_view name = "filter_domain";

  /// @throws  ConfigError for an impossible option or task
  FilterDomain(M& model, Task task, Options options = {}, const Prompts& prompts = Prompts())
      : model_(&model), task_(std::move(task)), options_(options), page_(prompts.get(name, task_.kind)) {
    require_valid(task_);
    require_valid(options_.sampling);
    require_valid(options_.ask);
  }

  [[nodiscard]] std::vector<SourceDocument> run(std::vector<SourceDocument> documents, StageMonitor& monitor) {
    const auto count = static_cast<Index>(documents.size());
    const auto render = [&](Index i) {
      return domain_messages(page_, task_, documents[static_cast<std::size_t>(i)].text);
    };
    const auto input = [&](Index i) {
      return io::dump_json({{"document_id", document_id(documents[static_cast<std::size_t>(i)])}}, -1);
    };
    monitor.expect(count, "documents");
    const std::vector<std::optional<bool>> belongs =
        ask(*model_, {name, count, options_.sampling, options_.ask, input, domain_output}, render, kParse, monitor);
    std::vector<SourceDocument> kept;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      if (!belongs[i]) {
        monitor.report().drop("no usable answer");
      } else if (!*belongs[i]) {
        monitor.report().drop("of another domain");
      } else {
        kept.push_back(std::move(documents[i]));
      }
    }
    return kept;
  }

 private:
  static constexpr auto kParse = [](const ChatAnswer& answer) { return parse_yes_no(answer); };

  M* model_;
  Task task_;
  Options options_;
  PromptTemplate page_;
};

}  // namespace reasonembed::remixer
