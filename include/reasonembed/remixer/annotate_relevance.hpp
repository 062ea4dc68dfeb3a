#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
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
#include <reasonembed/text/unicode.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Options of AnnotateRelevance; the defaults are the paper's.
struct AnnotateRelevanceOptions {
  Sampling sampling = {.temperature = 0.7, .top_p = 0.95, .top_k = 40, .max_tokens = 2048};
  Index longest_text = 49152;  ///< characters; a pair with a longer query or document is not asked about
  AskOptions ask = {};
  bool keep_answers = false;  ///< whether records keep what the model wrote, to train an annotator on

  friend bool operator==(const AnnotateRelevanceOptions&, const AnnotateRelevanceOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("sampling", sampling);
    f("longest_text", longest_text);
    f("ask", ask);
    f("keep_answers", keep_answers);
  }
};

/// What a model is told when it is to judge a document for a query.
///
/// @param page  of the stage "annotate_relevance"
[[nodiscard]] inline std::vector<ChatMessage> annotation_messages(const PromptTemplate& page,
                                                                  const Task& task,
                                                                  std::string_view query,
                                                                  std::string_view document) {
  const std::array<PromptValue, 5> values = {{{"domain", task.domain},
                                              {"query_form", task.query_form},
                                              {"relevance", task.relevance},
                                              {"query", query},
                                              {"document", document}}};
  return page.render(values);
}

/// Scores each candidate of each query from 1 (unrelated) to 5 (decisive), after reasoning about both.
///
/// Every query comes out, with one label for each candidate; kUnlabelled where no answer could be used.
///
/// @tparam M  models LanguageModel; must outlive the stage
template <LanguageModel M>
class AnnotateRelevance {
 public:
  using Input = MinedQuery;
  using Output = AnnotatedQuery;
  using Options = AnnotateRelevanceOptions;
  static constexpr std::string_view name = "annotate_relevance";

  /// @throws  ConfigError for an impossible option or task
  AnnotateRelevance(M& model, Task task, Options options = {}, const Prompts& prompts = Prompts())
      : model_(&model), task_(std::move(task)), options_(options), page_(prompts.get(name, task_.kind)) {
    require_valid(task_);
    require_valid(options_.sampling);
    require_valid(options_.ask);
    if (options_.longest_text < 1) {
      throw ConfigError::invalid(
          "remixer::AnnotateRelevance", "longest_text", std::to_string(options_.longest_text), "at least 1");
    }
  }

  /// Gives the id of a candidate by its text, for the journal; without it, and for "", the id is the text's own.
  void name_documents(std::function<std::string(std::string_view text)> id_of) { id_of_ = std::move(id_of); }

  [[nodiscard]] std::vector<AnnotatedQuery> run(std::vector<MinedQuery> mined, StageMonitor& monitor) {
    std::vector<AnnotatedQuery> annotated;
    annotated.reserve(mined.size());
    for (MinedQuery& query : mined) {
      annotated.push_back({std::move(query.query), std::move(query.source), std::move(query.candidates), {}, {}});
      annotated.back().labels.assign(annotated.back().candidates.size(), kUnlabelled);
      annotated.back().answers.resize(options_.keep_answers ? annotated.back().candidates.size() : 0);
    }
    const std::vector<Pair> pairs = admissible_pairs(annotated, monitor.report());
    const auto render = [&](Index i) {
      const auto [query, candidate] = pairs[static_cast<std::size_t>(i)];
      return annotation_messages(page_, task_, annotated[query].query, annotated[query].candidates[candidate]);
    };
    const auto input = [&](Index i) {
      const auto [query, candidate] = pairs[static_cast<std::size_t>(i)];
      return input_of(annotated[query], candidate);
    };
    monitor.expect(static_cast<Index>(pairs.size()), "pairs");
    const Questions questions{
        name, static_cast<Index>(pairs.size()), options_.sampling, options_.ask, input, score_output};
    const bool keep = options_.keep_answers;
    const auto parse = [keep](const ChatAnswer& answer) {
      return parse_score(answer).map([&](int score) { return Scored{score, keep ? answer.text : std::string()}; });
    };
    std::vector<std::optional<Scored>> scores = ask(*model_, questions, render, parse, monitor);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (scores[i]) {
        annotated[pairs[i].query].labels[pairs[i].candidate] = scores[i]->score;
        if (keep) {
          annotated[pairs[i].query].answers[pairs[i].candidate] = std::move(scores[i]->answer);
        }
      }
    }
    count_labels(annotated, monitor.report());
    return annotated;
  }

 private:
  struct Pair {
    std::size_t query = 0;
    std::size_t candidate = 0;
  };
  struct Scored {
    int score = 0;
    std::string answer = {};
  };

  [[nodiscard]] std::string input_of(const AnnotatedQuery& query, std::size_t candidate) const {
    const std::string_view text = query.candidates[candidate];
    std::string id = id_of_ ? id_of_(text) : std::string();
    io::Json json = {{"query_id", text_id(query.query)},
                     {"query", query.query},
                     {"document_id", id.empty() ? text_id(text) : std::move(id)},
                     {"rank", candidate + 1}};
    if (!query.source.id.empty() || !query.source.text.empty()) {
      json["source_id"] = document_id(query.source);
    }
    return io::dump_json(json, -1);
  }
  [[nodiscard]] bool too_long(std::string_view text) const {
    const auto most = static_cast<std::size_t>(options_.longest_text);
    return text.size() > most && text::count_characters(text) > most;
  }
  [[nodiscard]] std::vector<Pair> admissible_pairs(const std::vector<AnnotatedQuery>& queries,
                                                   StageReport& report) const {
    std::vector<Pair> pairs;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const bool query_too_long = too_long(queries[i].query);
      for (std::size_t j = 0; j < queries[i].candidates.size(); ++j) {
        if (query_too_long || too_long(queries[i].candidates[j])) {
          ++report.counts["pairs with a text that is too long"];
        } else {
          pairs.push_back({i, j});
        }
      }
    }
    return pairs;
  }
  static void count_labels(const std::vector<AnnotatedQuery>& queries, StageReport& report) {
    for (const AnnotatedQuery& query : queries) {
      for (const int label : query.labels) {
        ++report.counts[label == kUnlabelled ? "pairs without a label" : "pairs with label " + std::to_string(label)];
      }
    }
  }

  M* model_;
  Task task_;
  Options options_;
  PromptTemplate page_;
  std::function<std::string(std::string_view)> id_of_;
};

}  // namespace reasonembed::remixer
