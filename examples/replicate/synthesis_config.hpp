#pragma once
/// @file What `reasonembed synthesize` reads from its configuration file; docs/remixer.md lists the keys.
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/fused_retriever.hpp>
#include <reasonembed/remixer/prompts.hpp>
#include <reasonembed/remixer/shingles.hpp>
#include <reasonembed/remixer/source_exclusion.hpp>
#include <reasonembed/remixer/synthesis_options.hpp>
#include <reasonembed/remixer/task.hpp>

#include "language_model.hpp"
#include "toml_section.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace replicate {

enum class RetrieverKind : unsigned char { kBm25, kDense, kFused };

/// How candidates are searched for.
struct RetrieverConfig {
  RetrieverKind kind = RetrieverKind::kBm25;
  std::string model = {};  // of the dense retriever, a directory
  int threads = 0;
  re::remixer::FusedRetrieverOptions fusion = {};
  std::vector<std::string> vectors = {};  // .npy files of the documents' vectors; none: they are made in memory
  re::remixer::SourceExclusionOptions exclusion = {};
};

/// A task and where its documents come from.
struct TaskConfig {
  re::remixer::Task task = {};
  std::string data = {};                  // a dataset whose judged documents are left out, or
  std::vector<std::string> splits = {};   // with these splits
  std::string corpus = {};                // documents alone
  std::vector<std::string> vectors = {};  // of its documents, instead of those of the table `mine`
};

/// Which model a stage asks.
struct StageModels {
  ModelConfig filter_domain = {};
  ModelConfig generate = {};
  ModelConfig annotate = {};
  ModelConfig reasoning = {};
};

/// What rows are checked for; without a table of its own, the data sets that the tasks leave out.
struct ContaminationConfig {
  bool enabled = true;
  bool strict = false;                       // rows with a leak are left out
  std::vector<std::string> benchmarks = {};  // [NAME=]DIRECTORY
  std::string split = "test";                // of these
  re::Index ngram = 13;
  bool positives = true;
  std::string model = {};  // directory of an encoder, to compare vectors too
  double cosine = 0.9;
};

struct SynthesisConfig {
  std::filesystem::path out = {};
  std::filesystem::path journal = {};  // of all calls; in `out` unless the file says otherwise
  std::filesystem::path prompts = {};  // empty: the library's
  RetrieverConfig retriever = {};
  re::remixer::SynthesisOptions options = {};
  StageModels models = {};
  ContaminationConfig contamination = {};
  std::vector<TaskConfig> tasks = {};
};

namespace detail {

inline void read_ask(TomlSection& section, re::remixer::AskOptions& ask) {
  section.read("attempts", ask.attempts);
  section.read("give_up_after", ask.give_up_after);
}
inline void read_sampling(TomlSection& section, re::remixer::Sampling& sampling) {
  section.read("temperature", sampling.temperature);
  section.read("top_p", sampling.top_p);
  section.read("top_k", sampling.top_k);
  section.read("max_tokens", sampling.max_tokens);
  if (section.has("sampling_seed")) {
    std::int64_t seed = 0;
    section.read("sampling_seed", seed);
    sampling.seed = seed;
  }
}
inline void read_conditions(TomlSection& section, re::remixer::ConditionOptions& conditions) {
  if (section.has("lengths")) {
    conditions.lengths.clear();
    for (TomlSection& row : section.sections("lengths")) {
      re::remixer::LengthBucket bucket;
      row.read("least", bucket.least);
      row.read("most", bucket.most);
      row.read("weight", bucket.weight);
      row.finish();
      conditions.lengths.push_back(bucket);
    }
  }
  if (section.has("levels")) {
    conditions.levels.clear();
    for (TomlSection& row : section.sections("levels")) {
      re::remixer::EducationLevel level;
      row.require("name");
      row.read("name", level.name);
      row.read("weight", level.weight);
      row.finish();
      conditions.levels.push_back(std::move(level));
    }
  }
}

/// Reads the table `model` of a stage: what it does not say is as in the table `model` of the file.
inline void read_own_model(TomlSection& section, ModelConfig& model) {
  if (section.has("model")) {
    TomlSection own = section.section("model");
    read_model(own, model);
  }
}

inline void read_stages(TomlSection& file, re::remixer::SynthesisOptions& options, StageModels& models) {
  TomlSection filter = file.section("filter_domain");
  filter.read("enabled", options.filter_domain);
  read_sampling(filter, options.filter.sampling);
  read_ask(filter, options.filter.ask);
  read_own_model(filter, models.filter_domain);
  filter.finish();
  TomlSection sample = file.section("sample");
  sample.read("least_characters", options.sample.least_characters);
  sample.read("most_characters", options.sample.most_characters);
  sample.read("most_documents", options.sample.most_documents);
  sample.finish();
  TomlSection generate = file.section("generate");
  read_sampling(generate, options.generate.sampling);
  read_conditions(generate, options.generate.conditions);
  read_ask(generate, options.generate.ask);
  read_own_model(generate, models.generate);
  generate.finish();
  TomlSection annotate = file.section("annotate");
  read_sampling(annotate, options.annotate.sampling);
  annotate.read("longest_text", options.annotate.longest_text);
  annotate.read("keep_answers", options.annotate.keep_answers);
  read_ask(annotate, options.annotate.ask);
  read_own_model(annotate, models.annotate);
  annotate.finish();
  TomlSection assemble = file.section("assemble");
  assemble.read("least_positive", options.assemble.least_positive);
  assemble.finish();
  TomlSection reasoning = file.section("reasoning");
  reasoning.read("enabled", options.write_reasoning);
  const std::size_t choice = reasoning.read_choice("without", {"keep", "drop"}, 0);
  options.reasoning.without_reasoning =
      choice == 0 ? re::remixer::WithoutReasoning::kKeep : re::remixer::WithoutReasoning::kDrop;
  read_sampling(reasoning, options.reasoning.sampling);
  read_ask(reasoning, options.reasoning.ask);
  read_own_model(reasoning, models.reasoning);
  reasoning.finish();
}

/// Whether, and from what similarity on, documents that are nearly the source are left out too.
inline void read_near_duplicates(TomlSection& mine, re::remixer::SourceExclusionOptions& exclusion) {
  exclusion.near_duplicates = mine.has("near_duplicates");
  TomlSection near = mine.section("near_duplicates");
  near.read("threshold", exclusion.near.threshold);
  const std::size_t unit = near.read_choice("unit", {"words", "characters"}, 0);
  exclusion.near.shingles.unit = unit == 0 ? re::remixer::ShingleUnit::kWords : re::remixer::ShingleUnit::kCharacters;
  near.read("length", exclusion.near.shingles.length);
  near.finish();
  const re::remixer::NearSource checked(exclusion);  // refuses what is impossible before anything is paid for
}

/// @throws  ConfigError if vectors are given to a retriever that uses none
inline void require_dense(const RetrieverConfig& retriever, const TomlSection& section) {
  if (retriever.kind == RetrieverKind::kBm25) {
    throw re::ConfigError::invalid(
        section.where("vectors"), section.full_name("vectors"), "given", "none, as mine.retriever is \"bm25\"");
  }
}

inline void read_mining(TomlSection& file, SynthesisConfig& config) {
  TomlSection mine = file.section("mine");
  mine.read("top_k", config.options.mine.top_k);
  mine.read("kept", config.options.mine.kept);
  mine.read("fill_gaps", config.options.mine.fill_gaps);
  const std::size_t kind = mine.read_choice("retriever", {"bm25", "dense", "fused"}, 0);
  config.retriever.kind = static_cast<RetrieverKind>(kind);
  mine.read("model", config.retriever.model);
  mine.read("threads", config.retriever.threads);
  mine.read("rank_constant", config.retriever.fusion.rank_constant);
  mine.read_one_or_more("vectors", config.retriever.vectors);
  read_near_duplicates(mine, config.retriever.exclusion);
  if (config.retriever.kind != RetrieverKind::kBm25) {
    mine.require("model");
  } else if (!config.retriever.vectors.empty()) {
    require_dense(config.retriever, mine);
  }
  mine.finish();
}

inline void read_contamination(TomlSection& file, ContaminationConfig& config) {
  TomlSection section = file.section("contamination");
  section.read("enabled", config.enabled);
  section.read("strict", config.strict);
  section.read("benchmarks", config.benchmarks);
  section.read("split", config.split);
  section.read("ngram", config.ngram);
  section.read("positives", config.positives);
  section.read("model", config.model);
  section.read("cosine", config.cosine);
  section.finish();
}

/// A task of BRIGHT by its name, or one that the file describes.
inline TaskConfig read_task(TomlSection& section, const re::remixer::Prompts& prompts) {
  TaskConfig config;
  section.require("name");
  std::string name;
  section.read("name", name);
  const std::vector<re::remixer::Task> known = re::remixer::bright_tasks();
  const auto bright = std::find_if(known.begin(), known.end(), [&](const auto& task) { return task.name == name; });
  if (bright != known.end()) {
    config.task = *bright;
  } else {
    config.task.name = name;
    for (const char* key : {"domain", "query_form", "relevance"}) {
      section.require(key);
    }
  }
  section.read("kind", config.task.kind);
  section.read("domain", config.task.domain);
  section.read("query_form", config.task.query_form);
  section.read("relevance", config.task.relevance);
  section.read("instruction", config.task.instruction);
  section.read("group_size", config.task.group_size);
  section.read("batch_size", config.task.batch_size);
  section.read("data", config.data);
  section.read("splits", config.splits);
  section.read("corpus", config.corpus);
  section.read_one_or_more("vectors", config.vectors);
  section.finish();
  if (!config.task.kind.empty() && !prompts.knows_kind(config.task.kind)) {
    throw re::ConfigError::invalid(section.where("kind"),
                                   section.full_name("kind"),
                                   re::io::in_quotes(config.task.kind),
                                   "a kind with a prompt, STAGE.KIND.md, or none");
  }
  if (config.data.empty() == config.corpus.empty()) {
    throw re::ConfigError::invalid(section.where(),
                                   section.full_name("data") + " and " + section.full_name("corpus"),
                                   config.data.empty() ? "missing" : "both given",
                                   "one of the two");
  }
  require_valid(config.task);
  return config;
}

}  // namespace detail

/// Reads the configuration.
///
/// @throws  IoError, DataError, ConfigError that names file:line and key
[[nodiscard]] inline SynthesisConfig read_synthesis_config(const std::filesystem::path& path) {
  const toml::table table = read_toml(path);
  TomlSection file(table, path.string());
  SynthesisConfig config;
  file.require("out");
  file.read("out", config.out);
  file.read("prompts", config.prompts);
  std::uint64_t seed = config.options.sample.seed;
  file.read("seed", seed);
  config.options.sample.seed = seed;
  config.options.generate.seed = seed;
  config.journal = config.out / "journal.sqlite";
  file.read("journal", config.journal);
  if (TomlSection model = file.section("model"); file.has("model")) {
    read_model(model, config.models.generate);
  }
  config.models = {config.models.generate, config.models.generate, config.models.generate, config.models.generate};
  detail::read_stages(file, config.options, config.models);
  detail::read_mining(file, config);
  detail::read_contamination(file, config.contamination);
  const re::remixer::Prompts prompts =
      config.prompts.empty() ? re::remixer::Prompts() : re::remixer::Prompts(config.prompts);
  for (TomlSection& task : file.sections("task")) {
    config.tasks.push_back(detail::read_task(task, prompts));
    if (!config.tasks.back().vectors.empty()) {
      detail::require_dense(config.retriever, task);
    }
    for (std::size_t i = 0; i + 1 < config.tasks.size(); ++i) {
      if (config.tasks[i].task.name == config.tasks.back().task.name) {
        throw re::ConfigError::invalid(task.where("name"),
                                       task.full_name("name"),
                                       re::io::in_quotes(config.tasks[i].task.name),
                                       "a name that no other task has");
      }
    }
  }
  if (config.tasks.empty()) {
    throw re::ConfigError::invalid(path.string(), "number of [[task]] tables", "0", "at least 1");
  }
  file.finish();
  return config;
}

}  // namespace replicate
