#pragma once
/// @file The language model that a configuration asks for: an endpoint with a journal, batch files, or a recording.
#include <reasonembed/core/error.hpp>
#include <reasonembed/remixer/any_language_model.hpp>

#include "run_journal.hpp"
#include "toml_section.hpp"
#ifdef REPLICATE_HAS_REMIXER
#include <reasonembed/remixer/batch_files.hpp>
#include <reasonembed/remixer/http_language_model.hpp>
#include <reasonembed/remixer/journal.hpp>
#include <reasonembed/remixer/journaled.hpp>
#include <reasonembed/remixer/record_replay.hpp>
#endif

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace replicate {

namespace re = reasonembed;

#ifdef REPLICATE_HAS_REMIXER

enum class ModelKind : unsigned char { kHttp, kBatch, kReplay };

/// The table `model` of the file, and those of single stages, which begin with what it says.
struct ModelConfig {
  ModelKind kind = ModelKind::kHttp;
  re::remixer::HttpLanguageModelOptions http = {};
  re::remixer::BatchFilesOptions batch = {};
  std::vector<std::string> replay = {};
  std::string record = {};  // answers are also written there
};

namespace detail {

inline void read_http(TomlSection& section, re::remixer::HttpLanguageModelOptions& options) {
  re::remixer::HttpOptions& http = options.http;
  section.read("url", http.url);
  section.read("key_environment", http.key_environment);
  section.read("key_header", http.key_header);
  section.read("ca_file", http.ca_file);
  if (section.has("proxy")) {
    std::string proxy;
    section.read("proxy", proxy);
    http.proxy = proxy;
  }
  section.read("proxy_login_environment", http.proxy_login_environment);
  section.read("in_flight", http.in_flight);
  section.read("connect_timeout", http.connect_timeout);
  section.read("total_timeout", http.total_timeout);
  section.read("slow_seconds", http.slow_seconds);
  section.read("slow_bytes_per_second", http.slow_bytes_per_second);
  section.read("largest_answer", http.largest_answer);
  section.read("retries", options.retry.retries);
  section.read("bad_answer_retries", options.retry.bad_answer_retries);
  section.read("first_wait", options.retry.first_wait);
  section.read("longest_wait", options.retry.longest_wait);
  section.read("longest_told", options.retry.longest_told);
  section.read("requests_per_minute", options.rate_limit.requests_per_minute);
  section.read("tokens_per_minute", options.rate_limit.tokens_per_minute);
  section.read("burst_seconds", options.rate_limit.burst_seconds);
}
inline void read_batch(TomlSection& section, re::remixer::BatchFilesOptions& options) {
  section.read("requests", options.requests);
  section.read("requests_per_file", options.requests_per_file);
  section.read("bytes_per_file", options.bytes_per_file);
  std::vector<std::string> results(options.results.begin(), options.results.end());
  section.read("results", results);
  options.results.assign(results.begin(), results.end());
}

}  // namespace detail

inline void read_model(TomlSection& section, ModelConfig& config) {
  const std::size_t kind =
      section.read_choice("kind", {"http", "batch", "replay"}, static_cast<std::size_t>(config.kind));
  config.kind = static_cast<ModelKind>(kind);
  section.read("name", config.http.model.name);
  section.read("max_tokens_name", config.http.model.max_tokens_name);
  section.read("extra", config.http.model.extra);
  section.read("price_prompt", config.http.prices.prompt);
  section.read("price_completion", config.http.prices.completion);
  detail::read_http(section, config.http);
  detail::read_batch(section, config.batch);
  config.batch.model = config.http.model;
  config.batch.prices = config.http.prices;
  section.read("replay", config.replay);
  section.read("record", config.record);
  section.finish();
}

/// @return  the model; its answers are in the journal before anything is made of them
/// @throws  ConfigError, IoError, DataError as the models
inline re::remixer::AnyLanguageModel make_language_model(const ModelConfig& config,
                                                         const std::string& task,
                                                         const JournalPointer& journal) {
  const auto recorded = [&](auto model) -> re::remixer::AnyLanguageModel {
    if (config.record.empty()) {
      return re::remixer::AnyLanguageModel(std::move(model), journal);
    }
    return re::remixer::AnyLanguageModel(re::remixer::Recorded(std::move(model), config.record), journal);
  };
  switch (config.kind) {
    case ModelKind::kReplay:
      return re::remixer::AnyLanguageModel(
          re::remixer::Journaled(
              re::remixer::Replay(std::vector<std::filesystem::path>(config.replay.begin(), config.replay.end())),
              *journal,
              re::remixer::JournalUse::kRecords),
          journal);
    case ModelKind::kBatch: {
      re::remixer::BatchFilesOptions options = config.batch;
      options.requests /= task;  // a run replaces the requests of the one before
      return recorded(re::remixer::Journaled(re::remixer::BatchFiles(std::move(options)), *journal));
    }
    default:
      return recorded(re::remixer::Journaled(re::remixer::HttpLanguageModel(config.http), *journal));
  }
}

#else

// Built without libcurl and SQLite: prompts can be looked at and candidates mined, but nobody can be asked.
struct ModelConfig {};

inline void read_model(TomlSection& /*section*/, ModelConfig& /*config*/) {}
inline re::remixer::AnyLanguageModel make_language_model(const ModelConfig& /*config*/,
                                                         const std::string& /*task*/,
                                                         const JournalPointer& /*journal*/) {
  refuse_journal();
}

#endif

}  // namespace replicate
