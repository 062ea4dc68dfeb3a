#pragma once
/// @file The pipeline of `reasonembed synthesize`, for any language model.
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/data/corpus.hpp>
#include <reasonembed/data/dataset_layout.hpp>
#include <reasonembed/data/find_dataset.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/model/any_text_encoder.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/remixer/annotate_relevance.hpp>
#include <reasonembed/remixer/any_language_model.hpp>
#include <reasonembed/remixer/any_retriever.hpp>
#include <reasonembed/remixer/assemble.hpp>
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/dense_retriever.hpp>
#include <reasonembed/remixer/document_pool.hpp>
#include <reasonembed/remixer/filter_domain.hpp>
#include <reasonembed/remixer/fused_retriever.hpp>
#include <reasonembed/remixer/generate_queries.hpp>
#include <reasonembed/remixer/inspect_items.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>
#include <reasonembed/remixer/pipeline.hpp>
#include <reasonembed/remixer/prompts.hpp>
#include <reasonembed/remixer/sample_sources.hpp>
#include <reasonembed/remixer/source_exclusion.hpp>
#include <reasonembed/remixer/synthesis_files.hpp>
#include <reasonembed/remixer/vector_file_retriever.hpp>
#include <reasonembed/remixer/write_reasoning_queries.hpp>

#include "contamination_check.hpp"
#include "synthesis_config.hpp"

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace replicate {

namespace rx = reasonembed::remixer;

/// The documents of a task, and which of them no query may be made from. Their texts are on the disk.
struct TaskData {
  std::shared_ptr<const rx::DocumentPool> pool = {};
  std::vector<rx::SourceDocument> documents = {};  // in the order of the corpus; their texts are the pool's
  re::StringIndex left_out = {};
};

/// @param texts_in  the directory where the texts lie while they are needed
inline TaskData read_task_data(const TaskConfig& config, const std::filesystem::path& texts_in) {
  TaskData data;
  std::vector<std::string> notes;
  std::filesystem::path corpus = config.corpus;
  if (config.corpus.empty()) {
    std::vector<std::string> splits = config.splits;
    if (splits.empty()) {
      splits.emplace_back("");
    }
    const std::filesystem::path directory = re::data::find_dataset(config.data);
    for (const std::string& split : splits) {
      const re::data::RetrievalDataset dataset =
          re::data::read_retrieval_dataset(directory, {.split = split, .texts = false});
      const re::StringIndex judged = rx::benchmark_documents(dataset.qrels, dataset.queries);
      for (const std::string& id : judged.strings()) {
        data.left_out.add(id);
      }
      notes.insert(notes.end(), dataset.notes.begin(), dataset.notes.end());
      corpus = re::data::find_dataset_files(directory, split).corpus;
    }
  }
  std::filesystem::create_directories(texts_in);
  const auto pool = std::make_shared<rx::DocumentPool>(texts_in);
  std::vector<std::string> known_notes;
  re::data::for_each_document(
      corpus, config.corpus.empty() ? known_notes : notes, [&](std::string_view id, const std::string& text) {
        data.documents.push_back({std::string(id), pool->text(pool->add(text))});
      });
  data.pool = pool;
  for (const std::string& note : notes) {
    std::fprintf(stderr, "%s\n", note.c_str());
  }
  return data;
}

inline rx::Prompts read_prompts(const SynthesisConfig& config) {
  return config.prompts.empty() ? rx::Prompts() : rx::Prompts(config.prompts);
}

/// @return  the directory of a model: as it is said, or for "all-MiniLM-L6-v2" where the quickstart has put it
inline std::filesystem::path find_model(const std::string& said) {
  if (said == "all-MiniLM-L6-v2" && !std::filesystem::exists(said)) {
    if (const auto found = re::model::find_minilm()) {
      return *found;
    }
  }
  return said;
}

/// Makes the retrievers that the configuration asks for; they look at what lies here.
class Retrievers {
 public:
  explicit Retrievers(const RetrieverConfig& config) : config_(&config), pool_(config.threads) {
    if (config.kind != RetrieverKind::kBm25) {
      encoder_.emplace(re::model::AnyTextEncoder<>::load(find_model(config.model), {.threads = config.threads}));
    }
  }
  /// @return  the retriever for a task's documents, which may have vectors in files
  [[nodiscard]] rx::AnyRetriever make(const TaskConfig& task) const {
    const rx::Bm25Retriever<> bm25({}, &pool_);
    if (config_->kind == RetrieverKind::kBm25) {
      return bm25;
    }
    const std::vector<std::string>& files = task.vectors.empty() ? config_->vectors : task.vectors;
    const rx::AnyRetriever dense =
        files.empty() ? rx::AnyRetriever(rx::DenseRetriever(*encoder_))
                      : rx::AnyRetriever(rx::VectorFileRetriever(
                            *encoder_, std::vector<std::filesystem::path>(files.begin(), files.end())));
    return config_->kind == RetrieverKind::kDense ? dense
                                                  : rx::AnyRetriever(rx::FusedRetriever(bm25, dense, config_->fusion));
  }
  /// The stage that mines a task's documents.
  [[nodiscard]] rx::MineCandidates<rx::AnyRetriever, rx::NearSource> stage(
      const TaskConfig& task, const TaskData& data, const rx::MineCandidatesOptions& options) const {
    return {make(task), data.pool, task.task.instruction, options, rx::NearSource(config_->exclusion)};
  }

 private:
  const RetrieverConfig* config_;
  re::ThreadPool pool_;
  std::optional<re::model::AnyTextEncoder<>> encoder_;
};

/// Prints, for each document that would be asked about, what a query would be asked to be like, and the prompt: one
/// JSON object a line. Asks nobody.
inline void print_generation_prompts(const SynthesisConfig& config, std::FILE* out) {
  const rx::Prompts prompts = read_prompts(config);
  for (const TaskConfig& task : config.tasks) {
    TaskData data = read_task_data(task, config.out);
    rx::SampleSources sample(config.options.sample, std::move(data.left_out));
    rx::StageReport report;
    for (const rx::SourceDocument& document : run_stage(sample, std::move(data.documents), report)) {
      const rx::Conditions conditions =
          rx::draw_conditions(document.text, config.options.generate.seed, config.options.generate.conditions);
      re::io::Json messages = re::io::Json::array();
      for (const rx::ChatMessage& message :
           rx::generation_messages(prompts.get("generate_queries", task.task.kind), task.task, document, conditions)) {
        messages.push_back({{"role", message.role}, {"content", message.content}});
      }
      const re::io::Json row = {{"task", task.task.name},
                                {"source_id", document.id},
                                {"length", conditions.length},
                                {"level", conditions.level},
                                {"messages", messages}};
      std::fprintf(out, "%s\n", re::io::dump_json(row, -1).c_str());
    }
  }
}

/// What a run of all tasks did.
struct SynthesisSummary {
  re::Index rows = 0;
  re::Index unanswered = 0;  // calls whose answers are still to come: run again when they are there
};

/// Makes the model that a stage asks for a task.
using MakeModel = std::function<rx::AnyLanguageModel(std::string_view stage, const std::string& task)>;

/// Told how far a stage of a task has come.
using WatchRun =
    std::function<void(const std::string& task, std::string_view stage, const rx::StageProgress& progress)>;

/// The stages of a run whose progress is worth telling, in their order.
inline std::vector<TaskAndStage> stages_of(const SynthesisConfig& config) {
  using Llm = rx::AnyLanguageModel;
  std::vector<TaskAndStage> stages;
  for (const TaskConfig& task : config.tasks) {
    const auto add = [&](std::string_view stage) { stages.emplace_back(task.task.name, std::string(stage)); };
    if (config.options.filter_domain) {
      add(rx::FilterDomain<Llm>::name);
    }
    add(rx::GenerateQueries<Llm>::name);
    add(rx::MineCandidates<rx::Bm25Retriever<>>::name);
    add(rx::AnnotateRelevance<Llm>::name);
    if (config.options.write_reasoning) {
      add(rx::WriteReasoningQueries<Llm>::name);
    }
  }
  return stages;
}

/// The ids of a task's documents by text; of equal texts the first. The data must outlive it.
inline std::function<std::string(std::string_view)> ids_by_text(const TaskData& data) {
  return [&data](std::string_view text) {
    const re::Index number = data.pool->find(text);
    return number == rx::DocumentPool::kAbsent
               ? std::string()
               : data.documents[static_cast<std::size_t>(data.pool->rows()[static_cast<std::size_t>(number)])].id;
  };
}

/// Runs the pipeline for each task. Each leaves, under `out`, TASK/generated.jsonl, TASK/mined.jsonl,
/// TASK/labelled.jsonl and TASK/report.json; and, where no answer is still to come, rows/TASK.jsonl. What a check of
/// all rows for texts of benchmarks has found lies beside them as rows/contamination.md, which goes into model cards.
class Synthesis {
 public:
  Synthesis(const SynthesisConfig& config, MakeModel make_model, re::ProgressOptions progress, WatchRun watch = {})
      : config_(&config),
        make_model_(std::move(make_model)),
        progress_(std::move(progress)),
        watch_(std::move(watch)),
        prompts_(read_prompts(config)),
        contamination_(config) {}

  SynthesisSummary run() {
    const Retrievers retrievers(config_->retriever);
    for (const TaskConfig& task : config_->tasks) {
      run_task(task, retrievers);
    }
    if (summary_.unanswered == 0) {
      contamination_.write();
    }
    return summary_;
  }

 private:
  using Documents = std::vector<rx::SourceDocument>;
  using Llm = rx::AnyLanguageModel;
  /// Ends a task at a stage that lacks answers: what follows would be made of a part, and made again.
  struct Unanswered {};

  /// The documents to make queries from: of the domain, if that is asked for, and drawn.
  Documents sources(const TaskConfig& config, const TaskData& data, const rx::PipelineOptions& shown) {
    const rx::SynthesisOptions& options = config_->options;
    Documents documents = data.documents;
    rx::SampleSources sample(options.sample, data.left_out);
    rx::PipelineResult<rx::SourceDocument> result;
    if (options.filter_domain) {  // those that can't be drawn are not asked about
      rx::SampleSourcesOptions all = options.sample;
      all.most_documents = 0;
      Llm model = make_model_(rx::FilterDomain<Llm>::name, config.task.name);
      rx::Pipeline pipeline(rx::SampleSources(all, data.left_out),
                            rx::FilterDomain<Llm>(model, config.task, options.filter, prompts_),
                            std::move(sample));
      result = pipeline.run(std::move(documents), shown);
    } else {
      result = rx::Pipeline(std::move(sample)).run(std::move(documents), shown);
    }
    return std::move(result.items);
  }

  void run_task(const TaskConfig& config, const Retrievers& retrievers) {
    std::filesystem::create_directories(config_->out / config.task.name);
    const TaskData data = read_task_data(config, config_->out / config.task.name);
    std::vector<rx::StageReport> reports;
    const rx::PipelineOptions shown{.progress = progress_,
                                    .label = config.task.name,
                                    .on_stage =
                                        [&](const rx::StageReport& report) {
                                          data.pool->release();
                                          if (report.stage != rx::InspectItems<int>::name) {
                                            reports.push_back(report);
                                          }
                                          if (report.failures_by(rx::CallFault::kNotRecorded) > 0) {
                                            throw Unanswered();
                                          }
                                        },
                                    .on_progress =
                                        [&](std::string_view stage, const rx::StageProgress& progress) {
                                          if (watch_) {
                                            watch_(config.task.name, stage, progress);
                                          }
                                        }};
    std::vector<re::data::TrainingRow> rows;
    try {
      rows = rows_of(config, sources(config, data, shown), data, retrievers, shown);
    } catch (const Unanswered&) {
      rows.clear();
    }
    finish_task(config.task, rows, reports);
  }

  std::vector<re::data::TrainingRow> rows_of(const TaskConfig& config,
                                             Documents documents,
                                             const TaskData& data,
                                             const Retrievers& retrievers,
                                             const rx::PipelineOptions& shown) {
    const rx::SynthesisOptions& options = config_->options;
    const rx::Task& task = config.task;
    const std::filesystem::path out = config_->out / task.name;
    Llm writer = make_model_(rx::GenerateQueries<Llm>::name, task.name);
    Llm annotator = make_model_(rx::AnnotateRelevance<Llm>::name, task.name);
    rx::AnnotateRelevance<Llm> annotate(annotator, task, options.annotate, prompts_);
    annotate.name_documents(ids_by_text(data));
    rx::Pipeline pipeline(rx::GenerateQueries<Llm>(writer, task, options.generate, prompts_),
                          rx::InspectItems<rx::GeneratedQuery>([&](std::span<const rx::GeneratedQuery> queries) {
                            write_generated(out / "generated.jsonl", queries);
                          }),
                          retrievers.stage(config, data, options.mine),
                          rx::InspectItems<rx::MinedQuery>([&](std::span<const rx::MinedQuery> queries) {
                            write_mined(out / "mined.jsonl", queries, task.instruction);
                          }),
                          std::move(annotate),
                          rx::InspectItems<rx::AnnotatedQuery>([&](std::span<const rx::AnnotatedQuery> queries) {
                            write_labelled(out / "labelled.jsonl", queries);
                          }),
                          rx::Assemble(task, options.assemble));
    std::vector<re::data::TrainingRow> rows = pipeline.run(std::move(documents), shown).items;
    if (options.write_reasoning) {
      Llm thinker = make_model_(rx::WriteReasoningQueries<Llm>::name, task.name);
      rx::Pipeline reasoning(rx::WriteReasoningQueries<Llm>(thinker, task, options.reasoning, prompts_));
      rows = reasoning.run(std::move(rows), shown).items;
    }
    return rows;
  }

  void finish_task(const rx::Task& task,
                   std::vector<re::data::TrainingRow>& rows,
                   const std::vector<rx::StageReport>& reports) {
    re::io::Json json = re::io::Json::array();
    re::Index unanswered = 0;
    for (const rx::StageReport& report : reports) {
      json.push_back(report_json(report));
      unanswered += report.failures_by(rx::CallFault::kNotRecorded);
    }
    re::io::write_json(config_->out / task.name / "report.json", json);
    const std::filesystem::path file = config_->out / "rows" / (task.name + ".jsonl");
    std::filesystem::create_directories(file.parent_path());
    if (unanswered == 0) {
      if (const re::Index dropped = contamination_.check(rows); dropped > 0) {
        std::printf("%s: %td rows with a text of a benchmark left out\n", task.name.c_str(), dropped);
      }
      re::io::write_file_atomically(file, [&](re::io::AtomicFile& target) {
        for (const re::data::TrainingRow& row : rows) {
          target.write(re::io::dump_json(training_row_json(row), -1) + "\n");
        }
      });
      summary_.rows += static_cast<re::Index>(rows.size());
    }
    summary_.unanswered += unanswered;
    for (const rx::StageReport& report : reports) {
      std::printf("%s %s", task.name.c_str(), describe(report).c_str());
    }
  }

  const SynthesisConfig* config_;
  MakeModel make_model_;
  re::ProgressOptions progress_;
  WatchRun watch_;
  rx::Prompts prompts_;
  ContaminationCheck contamination_;
  SynthesisSummary summary_;
};

}  // namespace replicate
