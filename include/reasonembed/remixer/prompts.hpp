#pragma once
/// @file The prompts of all stages: those of docs/prompts, or a user's own in their place.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/closest_names.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/remixer/default_prompts.hpp>
#include <reasonembed/remixer/prompt_template.hpp>
#include <reasonembed/remixer/task.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Which placeholders the prompt of a stage may and must hold.
///
/// @throws  ConfigError with the closest names if no stage is called so
[[nodiscard]] inline PromptFields prompt_fields(std::string_view stage) {
  static const std::map<std::string, PromptFields, std::less<>> kStages = {
      {"filter_domain", {{"domain", "document"}, {"domain", "document"}}},
      {"generate_queries",
       {{"domain", "query_form", "relevance", "length", "level", "document"}, {"length", "level", "document"}}},
      {"annotate_relevance", {{"domain", "query_form", "relevance", "query", "document"}, {"query", "document"}}},
      {"write_reasoning_queries", {{"domain", "query_form", "relevance", "query"}, {"query"}}}};
  if (const auto found = kStages.find(stage); found != kStages.end()) {
    return found->second;
  }
  std::vector<std::string> names;
  for (const auto& [name, fields] : kStages) {
    names.push_back(name);
  }
  const std::string close = io::closest_names(stage, names, 1).front();
  throw ConfigError::invalid(
      "remixer::prompt_fields", "stage", io::in_quotes(stage), "one with a prompt, such as " + close);
}

/// The prompts of all stages by name: "STAGE" for every kind of task, "STAGE.KIND" for one kind.
///
/// @note  value type; reading from many threads is safe
class Prompts {
 public:
  /// The prompts that the library brings (docs/prompts).
  Prompts() {
    for (const auto& [name, text] : kDefaultPrompts) {
      pages_.emplace(name, PromptTemplate(text, "docs/prompts/" + std::string(name) + ".md", fields_of(name)));
    }
  }
  /// The same with the pages of a directory, `NAME.md`, in the places of those of their names, or beside them.
  ///
  /// @throws  IoError if it can't be read; ConfigError as PromptTemplate, or for a page named after no stage
  explicit Prompts(const std::filesystem::path& directory) : Prompts() {
    if (!std::filesystem::is_directory(directory)) {
      throw IoError::failed(directory.string(), "directory of prompts", "missing", "a directory");
    }
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.path().extension() == ".md" && entry.path().stem() != "README") {
        read(entry.path());
      }
    }
  }

  /// @return  the prompt of a stage for a kind of task: "STAGE.KIND" if there is such a page, else "STAGE"
  /// @throws  ConfigError if there is neither
  [[nodiscard]] const PromptTemplate& get(std::string_view stage, std::string_view kind = {}) const {
    auto found = pages_.find(std::string(stage) + "." + std::string(kind));
    found = found == pages_.end() ? pages_.find(stage) : found;
    if (found == pages_.end()) {
      throw ConfigError::invalid("remixer::Prompts", "stage", io::in_quotes(stage), "one with a prompt");
    }
    return found->second;
  }
  /// @return  whether a kind of task has a page of its own in some stage
  [[nodiscard]] bool knows_kind(std::string_view kind) const {
    for (const auto& [name, page] : pages_) {
      if (const std::size_t dot = name.find('.'); dot != std::string::npos && name.substr(dot + 1) == kind) {
        return true;
      }
    }
    return false;
  }

 private:
  static PromptFields fields_of(std::string_view name) { return prompt_fields(name.substr(0, name.find('.'))); }
  void read(const std::filesystem::path& path) {
    const std::string name = path.stem().string();
    PromptFields fields;
    try {
      fields = fields_of(name);
    } catch (const ConfigError& error) {
      throw ConfigError(path.string() + ": " + error.what());
    }
    pages_.insert_or_assign(name, PromptTemplate(io::read_text_file(path), path.string(), std::move(fields)));
  }

  std::map<std::string, PromptTemplate, std::less<>> pages_;
};

}  // namespace reasonembed::remixer
