#pragma once
/// @file `reasonembed synthesize`, `mine` and `annotate`: from a corpus and a language model to training rows.
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/closest_names.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/any_language_model.hpp>
#include <reasonembed/remixer/stage.hpp>
#include <reasonembed/remixer/synthesis_files.hpp>

#include "language_model.hpp"
#include "synthesis_config.hpp"
#include "synthesize.hpp"
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replicate {

struct SynthesizeOptions {
  std::string config = {};
  bool print_prompts = false;
  bool status = false;
};

/// One stage alone, from file to file.
struct OneStageOptions {
  std::string config = {};
  std::string task = {};
  std::string in = {};
  std::string out = {};
};

inline const ModelConfig& model_of(const SynthesisConfig& config, std::string_view stage) {
  const StageModels& models = config.models;
  return stage == "filter_domain"        ? models.filter_domain
         : stage == "generate_queries"   ? models.generate
         : stage == "annotate_relevance" ? models.annotate
                                         : models.reasoning;
}

/// Makes models whose calls are in the journal, as the task's.
inline MakeModel model_maker(const SynthesisConfig& config, JournalPointer journal) {
  return [&config, journal = std::move(journal)](std::string_view stage, const std::string& task) {
    begin_stage(journal, task, stage);
    return make_language_model(model_of(config, stage), task, journal);
  };
}

inline void synthesize(const SynthesizeOptions& options) {
  const SynthesisConfig config = read_synthesis_config(options.config);
  if (options.status) {
    print_status(config.journal);
    return;
  }
  if (options.print_prompts) {
    print_generation_prompts(config, stdout);
    return;
  }
  const JournalPointer journal = open_journal(config.journal);
  plan_run(journal, stages_of(config));
  const auto watch = [&](const std::string& task, std::string_view stage, const rx::StageProgress& progress) {
    note_progress(journal, task, stage, progress);
  };
  const SynthesisSummary summary = Synthesis(config, model_maker(config, journal), re::ProgressOptions{}, watch).run();
  if (summary.unanswered > 0) {
    std::printf("%td calls wait for their answers; run the same command again when they are there\n",
                summary.unanswered);
  } else {
    std::printf("%td rows in %s\n", summary.rows, (config.out / "rows").c_str());
  }
}

/// @throws  ConfigError with the closest names if the file has no such task; without a name it must have one alone
inline const TaskConfig& find_task(const SynthesisConfig& config, const std::string& name, const std::string& file) {
  std::vector<std::string> names;
  for (const TaskConfig& task : config.tasks) {
    if (task.task.name == name || (name.empty() && config.tasks.size() == 1)) {
      return task;
    }
    names.push_back(task.task.name);
  }
  throw re::ConfigError::invalid(
      file, "task", re::io::in_quotes(name), "such as " + re::io::closest_names(name, names, 1).front());
}

inline void mine(const OneStageOptions& options) {
  const SynthesisConfig config = read_synthesis_config(options.config);
  const TaskConfig& task = find_task(config, options.task, options.config);
  const TaskData data = read_task_data(task, config.out);
  const Retrievers retrievers(config.retriever);
  auto stage = retrievers.stage(task, data, config.options.mine);
  rx::StageReport report;
  const auto mined = run_stage(stage, rx::read_generated(options.in), report, re::ProgressOptions{});
  rx::write_mined(options.out, mined, task.task.instruction);
  std::printf("%s", describe(report).c_str());
}

inline void annotate(const OneStageOptions& options) {
  const SynthesisConfig config = read_synthesis_config(options.config);
  const TaskConfig& task = find_task(config, options.task, options.config);
  const JournalPointer journal = open_journal(config.journal);
  rx::AnyLanguageModel model = model_maker(config, journal)("annotate_relevance", task.task.name);
  rx::AnnotateRelevance stage(model, task.task, config.options.annotate, read_prompts(config));
  std::filesystem::create_directories(config.out);
  const TaskData data = read_task_data(task, config.out);
  stage.name_documents(ids_by_text(data));
  rx::StageReport report;
  const auto watch = [&](const rx::StageProgress& progress) {
    note_progress(journal, task.task.name, "annotate_relevance", progress);
  };
  const auto annotated = run_stage(
      stage, rx::read_mined(options.in, config.out), report, re::ProgressOptions{}, "annotate_relevance", watch);
  rx::write_labelled(options.out, annotated);
  std::printf("%s", describe(report).c_str());
}

inline void add_one_stage(CLI::App& app,
                          const char* name,
                          const char* what,
                          const char* in,
                          const char* out,
                          void (*run)(const OneStageOptions&)) {
  CLI::App* command = app.add_subcommand(name, what);
  auto options = std::make_shared<OneStageOptions>();
  command->add_option("--config", options->config, "TOML file, see docs/remixer.md")->required();
  command->add_option("--task", options->task, "a task of that file; may be left out if it has only one");
  command->add_option("--in", options->in, in)->required();
  command->add_option("--out", options->out, out)->required();
  command->callback([options, run] { run(*options); });
}

inline void register_synthesize(CLI::App& app) {
  CLI::App* command = app.add_subcommand("synthesize", "Makes training rows of a corpus; killed, it goes on.");
  auto options = std::make_shared<SynthesizeOptions>();
  command->add_option("--config", options->config, "TOML file, see docs/remixer.md")->required();
  command->add_flag("--print-prompts", options->print_prompts, "prints the generation prompts and asks nobody");
  command->add_flag("--status", options->status, "prints how far each stage has come and asks nobody");
  command->callback([options] { synthesize(*options); });
  add_one_stage(app,
                "mine",
                "Finds candidates for generated queries.",
                "generated queries, JSON Lines",
                "mined queries, JSON Lines",
                mine);
  add_one_stage(app,
                "annotate",
                "Scores the candidates of mined queries.",
                "mined queries, JSON Lines",
                "labelled queries, JSON Lines",
                annotate);
}

}  // namespace replicate
