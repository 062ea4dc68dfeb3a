#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/remixer/answer_parser.hpp>
#include <reasonembed/remixer/ask.hpp>
#include <reasonembed/remixer/conditions.hpp>
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
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of GenerateQueries; the defaults are the paper's.
struct GenerateQueriesOptions {
  Sampling sampling = {.temperature = 1.0, .top_p = 0.6, .top_k = 0, .max_tokens = 8192};
  std::uint64_t seed = 42;  ///< of the conditions
  ConditionOptions conditions = {};
  AskOptions ask = {};

  friend bool operator==(const GenerateQueriesOptions&, const GenerateQueriesOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("sampling", sampling);
    f("seed", seed);
    f("conditions", conditions);
    f("ask", ask);
  }
};

/// What a model is told when it is to write the query of a document.
///
/// @param page  of the stage "generate_queries"
[[nodiscard]] inline std::vector<ChatMessage> generation_messages(const PromptTemplate& page,
                                                                  const Task& task,
                                                                  const SourceDocument& document,
                                                                  const Conditions& conditions) {
  const std::array<PromptValue, 6> values = {{{"domain", task.domain},
                                              {"query_form", task.query_form},
                                              {"relevance", task.relevance},
                                              {"length", conditions.length},
                                              {"level", conditions.level},
                                              {"document", document.text}}};
  return page.render(values);
}

/// Writes one query for each document, of a length and for a level of education that are drawn for it.
///
/// A query that another document has led to already, letter by letter, is dropped; the first document keeps it.
///
/// @tparam M  models LanguageModel; must outlive the stage
template <LanguageModel M>
class GenerateQueries {
 public:
  using Input = SourceDocument;
  using Output = GeneratedQuery;
  using Options = GenerateQueriesOptions;
  static constexpr std::string_view name = "generate_queries";

  /// @throws  ConfigError for an impossible option or task
  GenerateQueries(M& model, Task task, Options options = {}, const Prompts& prompts = Prompts())
      : model_(&model), task_(std::move(task)), options_(std::move(options)), page_(prompts.get(name, task_.kind)) {
    require_valid(task_);
    require_valid(options_.sampling);
    require_valid(options_.ask);
    require_valid(options_.conditions);
  }

  [[nodiscard]] std::vector<GeneratedQuery> run(std::vector<SourceDocument> documents, StageMonitor& monitor) {
    const auto count = static_cast<Index>(documents.size());
    const auto conditions = [&](Index i) {
      return draw_conditions(documents[static_cast<std::size_t>(i)].text, options_.seed, options_.conditions);
    };
    const auto render = [&](Index i) {
      return generation_messages(page_, task_, documents[static_cast<std::size_t>(i)], conditions(i));
    };
    const auto input = [&](Index i) {
      const Conditions drawn = conditions(i);
      return io::dump_json({{"document_id", document_id(documents[static_cast<std::size_t>(i)])},
                            {"length", drawn.length},
                            {"level", drawn.level}},
                           -1);
    };
    monitor.expect(count, "queries");
    std::vector<std::optional<std::string>> queries =
        ask(*model_, {name, count, options_.sampling, options_.ask, input, query_output}, render, kParse, monitor);
    std::vector<GeneratedQuery> generated;
    StringIndex seen;
    for (Index i = 0; i < count; ++i) {
      const auto item = static_cast<std::size_t>(i);
      if (!queries[item]) {
        monitor.report().drop("no usable answer");
      } else if (!seen.add(*queries[item]).second) {
        monitor.report().drop("the query of another document");
      } else {
        generated.push_back({std::move(*queries[item]), std::move(documents[item]), {}});
        generated.back().conditions = draw_conditions(generated.back().source.text, options_.seed, options_.conditions);
      }
    }
    return generated;
  }

 private:
  static constexpr auto kParse = [](const ChatAnswer& answer) { return parse_query(answer); };

  M* model_;
  Task task_;
  Options options_;
  PromptTemplate page_;
};

}  // namespace reasonembed::remixer
