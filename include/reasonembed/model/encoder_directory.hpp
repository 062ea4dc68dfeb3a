#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/model/registry.hpp>
#include <reasonembed/nn/config.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// What is put before a text, and where it is cut, depending on what the text is for.
struct Role {
  std::string prompt;     ///< written before the text
  Index max_tokens = 0;   ///< longest input, special tokens included; 0 takes the model's own limit
  std::string adapter{};  ///< name of the model's adapter that encodes it; empty: the model's weights alone
};

/// What the caller says of a directory that does not say it itself, as a bare Hugging Face directory.
///
/// What both say must agree; a directory without a prompt leaves it to the caller. Pooling is said by the encoder's
/// type.
struct DirectoryOptions {
  std::optional<bool> normalize{};               ///< whether vectors get unit length; a bare directory's do
  std::optional<std::string> query_prompt{};     ///< written before queries
  std::optional<std::string> document_prompt{};  ///< written before documents
  Index query_max_tokens = 0;                    ///< shortens the longest query; 0 leaves the directory's limit
  Index document_max_tokens = 0;                 ///< the same for documents
  std::vector<Family> families{};                ///< of the caller's own, looked up before the library's
};

/// What a model directory says about its encoder, apart from weights and vocabulary.
struct EncoderDescription {
  Family family;
  nn::EncoderConfig config;
  nn::EncoderOptions options;
  std::string pooling;  ///< as sentence-transformers names it; empty where the directory does not say
  Role query;
  Role document;
};

namespace detail {

/// The pooling that 1_Pooling/config.json turns on. @throws ConfigError unless it is exactly one the library has
inline std::string read_pooling(const std::filesystem::path& path) {
  const io::Json json = io::read_json(path);
  const io::JsonFields fields(json, path.string());
  if (!fields.find_bool("include_prompt").value_or(true)) {
    throw ConfigError::invalid(fields.where(), "include_prompt", "false", "true");
  }
  if (const auto mode = fields.find_string("pooling_mode")) {  // sentence-transformers 6 writes one word
    if (*mode != "mean" && *mode != "cls" && *mode != "lasttoken") {
      throw ConfigError::invalid(fields.where(), "pooling_mode", *mode, "mean, cls or lasttoken");
    }
    return *mode;
  }
  constexpr std::pair<std::string_view, std::string_view> kModes[] = {
      {"pooling_mode_mean_tokens", "mean"}, {"pooling_mode_cls_token", "cls"}, {"pooling_mode_lasttoken", "lasttoken"}};
  std::string pooling;
  for (const auto& [key, value] : json.items()) {
    if (!key.starts_with("pooling_mode_") || !value.is_boolean() || !value.get<bool>()) {
      continue;
    }
    const auto known =
        std::find_if(std::begin(kModes), std::end(kModes), [&](const auto& m) { return m.first == key; });
    if (known == std::end(kModes)) {
      throw ConfigError::invalid(fields.where(), key, "true", "mean, cls or last token pooling");
    }
    if (!pooling.empty()) {
      throw ConfigError::invalid(fields.where(), key, "true beside " + pooling, "one pooling");
    }
    pooling = known->second;
  }
  if (pooling.empty()) {
    throw ConfigError::invalid(fields.where(), "pooling mode", "none", "one of mean, cls, lasttoken");
  }
  return pooling;
}

/// Reads modules.json: which modules follow the transformer. @throws ConfigError for a module the library lacks
inline void read_modules(const std::filesystem::path& directory, EncoderDescription& description) {
  const std::filesystem::path path = directory / "modules.json";
  const io::Json json = io::read_json(path);
  if (!json.is_array()) {
    throw DataError::invalid(path.string(), "JSON value", json.type_name(), "an array of modules");
  }
  description.options.normalize = false;
  for (const io::Json& module : json) {
    const io::JsonFields fields(module, path.string());
    const std::string& type = fields.get_string("type");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (kind == "Pooling") {
      description.pooling = read_pooling(directory / fields.get_string("path") / "config.json");
    } else if (kind == "Normalize") {
      description.options.normalize = true;
    } else if (kind != "Transformer") {
      throw ConfigError::invalid(path.string(), "type", type, "Transformer, Pooling or Normalize");
    } else if (const std::string place = fields.find_string("path").value_or(""); !place.empty()) {
      throw ConfigError::invalid(path.string(), "path of the Transformer", place, "\"\", this directory itself");
    }
  }
}

/// Limits that differ between roles, which this library adds to config_sentence_transformers.json.
inline void read_role_limits(const io::JsonFields& fields, EncoderDescription& description) {
  const auto ours = fields.find_object("reasonembed");
  const auto limits = ours ? ours->find_object("max_seq_length") : std::nullopt;
  if (limits) {
    const Index longest = description.config.max_length;
    description.query.max_tokens = static_cast<Index>(limits->get_int("query", 1, longest));
    description.document.max_tokens = static_cast<Index>(limits->get_int("document", 1, longest));
  }
}

/// The longest input of both roles, as sentence-transformers finds it: max_seq_length of sentence_bert_config.json,
/// else the smaller of what the model and its tokenizer can do.
inline Index read_longest(const std::filesystem::path& directory, Index max_length) {
  std::optional<std::int64_t> limit;
  if (const auto path = directory / "sentence_bert_config.json"; std::filesystem::exists(path)) {
    const io::Json json = io::read_json(path);
    const io::JsonFields fields(json, path.string());
    limit = fields.find_int("max_seq_length", 1, max_length);
    if (fields.find_bool("do_lower_case").value_or(false)) {  // the tokenizer's files say what it lowercases
      throw ConfigError::invalid(fields.where(), "do_lower_case", "true", "false");
    }
  }
  if (const auto path = directory / "tokenizer_config.json"; !limit && std::filesystem::exists(path)) {
    const io::Json json = io::read_json(path);
    // A double: Hugging Face writes 10^30 for a tokenizer without a limit.
    const auto longest = io::JsonFields(json, path.string()).find_double("model_max_length", 1.0);
    if (longest && *longest < static_cast<double>(max_length)) {
      limit = static_cast<std::int64_t>(*longest);
    }
  }
  return static_cast<Index>(limit.value_or(max_length));
}

/// Prompts by role, from config_sentence_transformers.json.
inline void read_prompts(const io::JsonFields& fields, EncoderDescription& description) {
  const auto prompts = fields.find_object("prompts");
  if (!prompts) {
    return;
  }
  std::string otherwise;  // the default is for roles without a prompt: an empty prompt is one
  if (const auto name = fields.find_string("default_prompt_name")) {
    otherwise = prompts->get_string(*name);
  }
  const auto prompt_of = [&](std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
      if (const auto prompt = prompts->find_string(name)) {
        return *prompt;
      }
    }
    return otherwise;
  };
  description.query.prompt = prompt_of({"query"});
  description.document.prompt = prompt_of({"document", "passage", "corpus"});
}

/// @throws ConfigError unless the directory and the caller say the same, or only one of them says something
inline void agree_on_prompt(const std::filesystem::path& directory,
                            const char* name,
                            const std::optional<std::string>& said,
                            std::string& prompt) {
  if (!said) {
    return;
  }
  if (!prompt.empty() && prompt != *said) {
    throw ConfigError::invalid(
        directory.string(), name, io::in_quotes(*said), io::in_quotes(prompt) + ", as the directory says");
  }
  prompt = *said;
}
inline void agree_on_limit(const std::filesystem::path& directory, const char* name, Index said, Index& limit) {
  if (said == 0) {
    return;
  }
  if (said < 1 || said > limit) {
    throw ConfigError::invalid(
        directory.string(), name, std::to_string(said), "1.." + std::to_string(limit) + ", the directory's limit");
  }
  limit = said;
}

/// Joins what the caller says to what the directory says. @throws ConfigError naming what contradicts
inline void apply_options(const std::filesystem::path& directory,
                          const DirectoryOptions& said,
                          EncoderDescription& description) {
  if (said.normalize) {
    const bool decided = std::filesystem::exists(directory / "modules.json");
    if (decided && description.options.normalize != *said.normalize) {
      throw ConfigError::invalid(directory.string(),
                                 "normalize",
                                 *said.normalize ? "true" : "false",
                                 std::string(*said.normalize ? "false" : "true") + ", as modules.json says");
    }
    description.options.normalize = *said.normalize;
  }
  agree_on_prompt(directory, "query_prompt", said.query_prompt, description.query.prompt);
  agree_on_prompt(directory, "document_prompt", said.document_prompt, description.document.prompt);
  agree_on_limit(directory, "query_max_tokens", said.query_max_tokens, description.query.max_tokens);
  agree_on_limit(directory, "document_max_tokens", said.document_max_tokens, description.document.max_tokens);
}

}  // namespace detail

/// Reads config.json of a Hugging Face directory, and where they exist the files sentence-transformers adds:
/// modules.json, the pooling's config.json, sentence_bert_config.json and config_sentence_transformers.json; of
/// tokenizer_config.json the longest input.
///
/// A bare directory is normalised. Inputs are cut where sentence-transformers cuts them.
///
/// @param said  what the caller adds
/// @throws IoError if config.json can't be read; DataError or ConfigError naming file and field for what is malformed,
///         unknown, or has no equal here, and ConfigError for what caller and directory say differently
[[nodiscard]] inline EncoderDescription read_encoder_description(const std::filesystem::path& directory,
                                                                 const DirectoryOptions& said = {}) {
  const std::filesystem::path path = directory / "config.json";
  const io::Json json = io::read_json(path);
  const io::JsonFields fields(json, path.string());
  EncoderDescription description;
  description.family = find_family(fields, said.families);
  description.config = description.family.read_config(fields);
  description.options = description.family.read_options(fields);
  if (std::filesystem::exists(directory / "modules.json")) {
    detail::read_modules(directory, description);
  }
  const Index longest = detail::read_longest(directory, description.config.max_length);
  description.query.max_tokens = longest;
  description.document.max_tokens = longest;
  if (const auto prompts = directory / "config_sentence_transformers.json"; std::filesystem::exists(prompts)) {
    const io::Json json_prompts = io::read_json(prompts);
    const io::JsonFields settings(json_prompts, prompts.string());
    detail::read_prompts(settings, description);
    detail::read_role_limits(settings, description);
  }
  detail::apply_options(directory, said, description);
  return description;
}

}  // namespace reasonembed::model
