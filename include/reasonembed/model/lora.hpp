#pragma once
/// @file LoRA adapters as PEFT configures them: which modules, how much.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/closest_names.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/adapter.hpp>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// A module's own value in the place of the adapter's: PEFT's rank_pattern and alpha_pattern.
template <class T>
struct ModulePattern {
  std::string module;  ///< a module of the checkpoint, or the end of its name: "layers.0.self_attn.q_proj" or "q_proj"
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

/// @throws ConfigError for a pattern that is a regular expression and not a name
inline void require_module_name(const std::string& where, const char* field, const std::string& pattern) {
  const bool plain = !pattern.empty() && std::all_of(pattern.begin(), pattern.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
  });
  if (!plain) {
    throw ConfigError::invalid(where, field, io::in_quotes(pattern), "names of modules, or the ends of such names");
  }
}

/// @return  the value of the first pattern that names the module, else `otherwise`
template <class T>
[[nodiscard]] T pattern_value(const std::vector<ModulePattern<T>>& patterns, std::string_view module, T otherwise) {
  for (const ModulePattern<T>& pattern : patterns) {
    if (names_module(pattern.module, module)) {
      return pattern.value;
    }
  }
  return otherwise;
}

}  // namespace detail

/// @param targets  the projections of the encoder, see nn::adapter_targets
/// @return         those that the options choose, with their ranks and alphas
/// @throws         ConfigError naming a target module that no projection has, and the closest there are
[[nodiscard]] inline std::vector<nn::AdapterShape> lora_shapes(const Family& family,
                                                               const std::vector<nn::AdapterTarget>& targets,
                                                               const LoraOptions& options) {
  std::vector<nn::AdapterShape> shapes;
  std::vector<std::string> modules;
  for (const nn::AdapterTarget& target : targets) {
    const std::string module = detail::checkpoint_module(family, target.module);
    const auto chosen = [&](const std::string& pattern) { return detail::names_module(pattern, module); };
    if (options.target_modules.empty() ||
        std::any_of(options.target_modules.begin(), options.target_modules.end(), chosen)) {
      shapes.push_back({target,
                        detail::pattern_value(options.rank_pattern, module, options.rank),
                        detail::pattern_value(options.alpha_pattern, module, options.alpha)});
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
  return shapes;
}

}  // namespace reasonembed::model
