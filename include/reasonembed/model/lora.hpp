#pragma once
/// @file LoRA adapters as PEFT configures them: which modules, how much.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/closest_names.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/text/name_pattern.hpp>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// A module's own value in the place of the adapter's: PEFT's rank_pattern and alpha_pattern.
template <class T>
struct ModulePattern {
  /// A module of the checkpoint, or the end of its name, from a dot on: "layers.0.self_attn.q_proj" or "q_proj"; or a
  /// regular expression of such: "layers\.[0-7]\..*q_proj", "^layers.*"
  std::string module;
  T value{};

  friend bool operator==(const ModulePattern&, const ModulePattern&) = default;
};

/// A low-rank adapter to be made. The defaults are those of the paper (arXiv 2510.08252).
struct LoraOptions {
  Index rank = 32;                                   ///< r >= 1
  double alpha = 64.0;                               ///< the update is scaled by alpha / r
  double dropout = 0.1;                              ///< of a branch's input, while training; in [0, 1)
  bool rank_stabilized = false;                      ///< scale alpha / sqrt(r)
  std::vector<std::string> target_modules = {};      ///< ends of module names, e.g. "q_proj"; empty: every projection
  std::vector<ModulePattern<Index>> rank_pattern{};  ///< the first that fits a module gives its rank
  std::vector<ModulePattern<double>> alpha_pattern{};
  std::string target_pattern = {};  ///< with no target_modules: a regular expression that whole names of modules match
};

namespace detail {

/// @return  the checkpoint's name of a module: "layers.3.self_attn.q_proj" of "blocks.3.attention.q"
[[nodiscard]] inline std::string checkpoint_module(const Family& family, const std::string& module) {
  constexpr std::string_view kWeight = ".weight";
  std::string name = family.tensor_name(module + std::string(kWeight));
  name.resize(name.size() - kWeight.size());
  return name;
}

/// @return  whether `pattern` is the name of the module or its end, from a dot on
[[nodiscard]] inline bool names_module(std::string_view pattern, std::string_view module) {
  return module == pattern || (module.size() > pattern.size() && module.ends_with(pattern) &&
                               module[module.size() - pattern.size() - 1] == '.');
}

/// @return  whether a pattern has no character that means something else in a regular expression, dots excepted
[[nodiscard]] inline bool is_plain_name(std::string_view pattern) {
  return std::all_of(pattern.begin(), pattern.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
  });
}

/// Whether a name matches `pattern`, with the prefix that some exports put before every name or without it.
[[nodiscard]] inline bool matches_module(const text::NamePattern& pattern,
                                         const Family& family,
                                         std::string_view module) {
  return pattern.matches(module) || (!family.optional_prefix.empty() &&
                                     pattern.matches(std::string(family.optional_prefix) + std::string(module)));
}

/// A key of rank_pattern and alpha_pattern, as PEFT reads it: re.match(rf"(.*\.)?({key})$", module).
class PatternKey {
 public:
  /// @throws ConfigError for a key that is no regular expression
  PatternKey(const std::string& key, std::string_view where, std::string_view field) : key_(key) {
    if (key.empty()) {
      throw ConfigError::invalid(where, field, "\"\"", "a name of modules, its end, or a regular expression");
    }
    if (!is_plain_name(key)) {
      (void)text::NamePattern(key, where, field);  // alone, so that no bracket of it closes those put around it
      regex_.emplace("(?:.*\\.)?(?:" + key + ")", where, field);
    }
  }
  [[nodiscard]] bool names(const Family& family, std::string_view module) const {
    return regex_ ? matches_module(*regex_, family, module) : names_module(key_, module);
  }

 private:
  std::string key_;
  std::optional<text::NamePattern> regex_;
};

/// @return  the value of the first pattern that names the module, else `otherwise`
template <class T>
[[nodiscard]] T pattern_value(const std::vector<ModulePattern<T>>& patterns,
                              const Family& family,
                              std::string_view module,
                              T otherwise) {
  for (const ModulePattern<T>& pattern : patterns) {
    if (PatternKey(pattern.module, "model::LoraOptions", "pattern").names(family, module)) {
      return pattern.value;
    }
  }
  return otherwise;
}

/// Which modules LoraOptions choose.
class TargetChoice {
 public:
  /// @throws ConfigError for names and a pattern at once, and for a pattern that is no regular expression
  explicit TargetChoice(const LoraOptions& options) : names_(options.target_modules) {
    if (options.target_pattern.empty()) {
      return;
    }
    if (!names_.empty()) {
      throw ConfigError::invalid(
          "model::LoraOptions", "target_pattern", io::in_quotes(options.target_pattern), "none beside target_modules");
    }
    pattern_.emplace(options.target_pattern, "model::LoraOptions", "target_pattern");
  }
  [[nodiscard]] bool takes(const Family& family, std::string_view module) const {
    if (pattern_) {
      return matches_module(*pattern_, family, module);
    }
    return names_.empty() || std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
             return names_module(name, module);
           });
  }

 private:
  std::vector<std::string> names_;
  std::optional<text::NamePattern> pattern_;
};

}  // namespace detail

/// @param targets  the projections of the encoder, see nn::adapter_targets
/// @return         those that the options choose, with their ranks and alphas
/// @throws         ConfigError naming a target module that no projection has, and the closest there are; for a pattern
/// that is no
///                 regular expression, or that no projection matches
[[nodiscard]] inline std::vector<nn::AdapterShape> lora_shapes(const Family& family,
                                                               const std::vector<nn::AdapterTarget>& targets,
                                                               const LoraOptions& options) {
  std::vector<nn::AdapterShape> shapes;
  std::vector<std::string> modules;
  const detail::TargetChoice choice(options);
  for (const nn::AdapterTarget& target : targets) {
    const std::string module = detail::checkpoint_module(family, target.module);
    if (choice.takes(family, module)) {
      shapes.push_back({target,
                        detail::pattern_value(options.rank_pattern, family, module, options.rank),
                        detail::pattern_value(options.alpha_pattern, family, module, options.alpha)});
    }
    modules.push_back(module);
  }
  for (const std::string& pattern : options.target_modules) {
    if (std::none_of(modules.begin(), modules.end(), [&](const std::string& module) {
          return detail::names_module(pattern, module);
        })) {
      std::string closest;
      for (const std::string& name : io::closest_names(pattern, modules)) {
        closest += (closest.empty() ? "" : ", ") + io::in_quotes(name);
      }
      throw ConfigError::invalid("model::LoraOptions", "target_modules", io::in_quotes(pattern), "one like " + closest);
    }
  }
  if (shapes.empty() && !options.target_pattern.empty()) {
    throw ConfigError::invalid(
        "model::LoraOptions",
        "target_pattern",
        io::in_quotes(options.target_pattern),
        "one that a module matches, such as " + io::in_quotes(modules.empty() ? "" : modules[0]));
  }
  return shapes;
}

}  // namespace reasonembed::model
