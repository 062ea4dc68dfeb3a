#pragma once
/// @file Low-rank adapters in the layout of PEFT: adapter_config.json and adapter_model.safetensors.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/atomic_directory.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/adapter_card.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/model/lora.hpp>
#include <reasonembed/model/weights.hpp>
#include <reasonembed/nn/adapter.hpp>
#include <reasonembed/nn/kernels.hpp>
#include <reasonembed/text/name_pattern.hpp>

#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

inline constexpr std::array<std::string_view, 3> kAdapterNames = {
    "README.md", "adapter_config.json", "adapter_model.safetensors"};

/// What adapter_config.json says of the arithmetic.
struct PeftConfig {
  Index rank = 0;
  double alpha = 0.0;
  nn::AdapterOptions options;
  std::vector<std::string> target_modules;            ///< names, or
  std::optional<text::NamePattern> target_pattern{};  ///< what whole names match; neither: no module must be there
  std::vector<ModulePattern<Index>> rank_pattern;
  std::vector<ModulePattern<double>> alpha_pattern;
};

/// @throws ConfigError for a kind of adapter that computes something else than an update A, B of projections
inline void require_plain_lora(const io::JsonFields& fields) {
  if (const std::string& type = fields.get_string("peft_type"); type != "LORA") {
    throw ConfigError::invalid(fields.where(), "peft_type", type, "LORA");
  }
  for (const char* flag : {"use_dora", "use_qalora", "lora_bias", "fan_in_fan_out", "use_bdlora"}) {
    if (fields.has(flag) && fields.json().at(flag) != false) {
      throw ConfigError::invalid(fields.where(), flag, fields.json().at(flag).dump(), "false");
    }
  }
  if (const std::string bias = fields.find_string("bias").value_or("none"); bias != "none") {
    throw ConfigError::invalid(fields.where(), "bias", bias, "none");
  }
  for (const char* name : {"modules_to_save",
                           "layer_replication",
                           "trainable_token_indices",
                           "target_parameters",
                           "alora_invocation_tokens",
                           "velora_config",
                           "monteclora_config",
                           "kasa_config"}) {
    if (fields.has(name) && !fields.json().at(name).empty()) {
      throw ConfigError::invalid(fields.where(), name, fields.json().at(name).dump(), "null");
    }
  }
  if (!fields.has("init_lora_weights") || fields.json().at("init_lora_weights").is_boolean()) {
    return;
  }
  const std::string& start = fields.get_string("init_lora_weights");  // some starts change the base model's weights
  for (const std::string_view changing : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
    if (start.starts_with(changing)) {
      throw ConfigError::invalid(fields.where(),
                                 "init_lora_weights",
                                 start,
                                 "one that leaves the base model as it is; PEFT converts it when saving with "
                                 "path_initial_model_for_weight_conversion");
    }
  }
}

template <class T>
std::vector<ModulePattern<T>> read_patterns(const io::JsonFields& fields, const char* name) {
  std::vector<ModulePattern<T>> patterns;
  if (const auto object = fields.find_object(name)) {
    for (const auto& [module, value] : object->json().items()) {
      (void)PatternKey(module, fields.where(), name);
      if constexpr (std::same_as<T, Index>) {
        patterns.push_back({module, static_cast<Index>(object->get_int(module, 1, 1 << 20))});
      } else {
        patterns.push_back({module, object->get_double(module)});
      }
    }
  }
  return patterns;
}

[[nodiscard]] inline PeftConfig read_peft_config(const std::filesystem::path& path) {
  const io::Json json = io::read_json(path);
  const io::JsonFields fields(json, path.string());
  require_plain_lora(fields);
  PeftConfig config;
  config.rank = static_cast<Index>(fields.get_int("r", 1, 1 << 20));
  config.alpha = fields.get_double("lora_alpha");
  config.options.dropout = fields.find_double("lora_dropout", 0.0, 1.0).value_or(0.0);
  config.options.rank_stabilized = fields.find_bool("use_rslora").value_or(false);
  const bool chosen_further =
      (fields.has("layers_to_transform") && !fields.json().at("layers_to_transform").is_null()) ||
      (fields.has("exclude_modules") && !fields.json().at("exclude_modules").empty());
  // where not every module that target_modules names has an adapter, those of the file are taken as they are
  if (!chosen_further && fields.has("target_modules") && fields.json().at("target_modules").is_array()) {
    config.target_modules = fields.get_strings("target_modules");
  } else if (!chosen_further) {
    const std::string pattern = fields.find_string("target_modules").value_or("");
    if (!pattern.empty() && pattern != "all-linear") {  // what that takes depends on PEFT and the class it loads
      config.target_pattern.emplace(pattern, fields.where(), "target_modules");
    }
  }
  config.rank_pattern = read_patterns<Index>(fields, "rank_pattern");
  config.alpha_pattern = read_patterns<double>(fields, "alpha_pattern");
  return config;
}

/// Where the matrices of one module lie in a file.
struct PeftModule {
  std::string a;  ///< tensor names
  std::string b;
};

/// @param name  e.g. "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": with or without the family's
///              prefix, with or without the adapter's name behind lora_A
/// @return      the checkpoint's module and whether it is A; nothing for another kind of tensor
[[nodiscard]] inline std::optional<std::pair<std::string, bool>> parse_peft_name(std::string_view name,
                                                                                 std::string_view prefix) {
  constexpr std::string_view kRoot = "base_model.model.";
  constexpr std::string_view kWeight = ".weight";
  if (!name.starts_with(kRoot) || !name.ends_with(kWeight)) {
    return std::nullopt;
  }
  name.remove_prefix(kRoot.size());
  name.remove_suffix(kWeight.size());
  if (!prefix.empty() && name.starts_with(prefix)) {
    name.remove_prefix(prefix.size());
  }
  for (const auto& [part, is_a] : {std::pair<std::string_view, bool>{".lora_A", true}, {".lora_B", false}}) {
    const std::size_t at = name.rfind(part);
    if (at == std::string_view::npos) {
      continue;
    }
    const std::string_view rest = name.substr(at + part.size());
    if (rest.empty() || (rest.front() == '.' && rest.find('.', 1) == std::string_view::npos)) {
      return std::pair(std::string(name.substr(0, at)), is_a);
    }
  }
  return std::nullopt;
}

/// @return  the tensors by module. @throws DataError naming a tensor that is none of an adapter's
[[nodiscard]] inline std::map<std::string, PeftModule> find_peft_modules(const io::SafeTensors& file,
                                                                         const Family& family) {
  std::map<std::string, PeftModule> modules;
  for (const std::string& name : file.names()) {
    const auto parsed = parse_peft_name(name, family.optional_prefix);
    if (!parsed) {
      throw DataError::invalid(file.where(),
                               "tensor " + io::in_quotes(name, 200),
                               "present",
                               "only base_model.model.MODULE.lora_A.weight and .lora_B.weight");
    }
    PeftModule& module = modules[parsed->first];
    std::string& place = parsed->second ? module.a : module.b;
    if (!place.empty()) {
      throw DataError::invalid(file.where(),
                               "tensor " + io::in_quotes(name, 200),
                               "the second of " + parsed->first,
                               "one adapter in a file");
    }
    place = name;
  }
  return modules;
}

/// PEFT takes the first pattern of the file that fits; this reader does not see their order.
/// @throws ConfigError if patterns with different values fit a module
template <class T>
void require_one_pattern(const std::string& where,
                         const char* field,
                         const std::vector<ModulePattern<T>>& patterns,
                         const Family& family,
                         const std::string& module) {
  const ModulePattern<T>* first = nullptr;
  for (const ModulePattern<T>& pattern : patterns) {
    if (PatternKey(pattern.module, where, field).names(family, module)) {
      if (first != nullptr && first->value != pattern.value) {
        throw ConfigError::invalid(where,
                                   field,
                                   io::in_quotes(first->module) + " and " + io::in_quotes(pattern.module),
                                   "one value for module " + module);
      }
      first = &pattern;
    }
  }
}

/// @throws DataError for half an adapter, ShapeError for matrices that don't fit the projection, ConfigError for a rank
///         that the configuration does not give
[[nodiscard]] inline nn::AdapterShape peft_shape(const io::SafeTensors& file,
                                                 const PeftConfig& config,
                                                 const Family& family,
                                                 const nn::AdapterTarget& target,
                                                 const std::string& name,
                                                 const PeftModule& module) {
  for (const auto& [tensor, kind] : {std::pair(&module.a, "lora_A"), {&module.b, "lora_B"}}) {
    if (tensor->empty()) {
      throw DataError::invalid(file.where(), std::string(kind) + " of module " + name, "missing", "lora_A and lora_B");
    }
  }
  require_one_pattern(file.where(), "rank_pattern", config.rank_pattern, family, name);
  require_one_pattern(file.where(), "alpha_pattern", config.alpha_pattern, family, name);
  const Index rank = pattern_value(config.rank_pattern, family, name, config.rank);
  for (const auto& [tensor, want] : {std::pair(&module.a, std::vector<Index>{rank, target.inputs}),
                                     {&module.b, std::vector<Index>{target.rows, rank}}}) {
    if (file.tensor(*tensor).shape != want) {
      throw ShapeError::invalid(file.where() + ": tensor " + io::in_quotes(*tensor, 200),
                                "shape",
                                io::shape_text(file.tensor(*tensor).shape),
                                io::shape_text(want) + ", for rank " + std::to_string(rank));
    }
  }
  return {target, rank, pattern_value(config.alpha_pattern, family, name, config.alpha)};
}

/// @throws DataError naming a module that adapter_config.json targets and the file lacks
inline void require_targets(const io::SafeTensors& file,
                            const PeftConfig& config,
                            const Family& family,
                            const std::string& name,
                            bool present) {
  if (!present && config.target_pattern && matches_module(*config.target_pattern, family, name)) {
    throw DataError::invalid(
        file.where(), "module " + name, "missing", "lora_A and lora_B, since the pattern of target_modules matches it");
  }
  for (const std::string& pattern : config.target_modules) {
    if (!present && names_module(pattern, name)) {
      throw DataError::invalid(file.where(),
                               "module " + name,
                               "missing",
                               "lora_A and lora_B, since target_modules has " + io::in_quotes(pattern));
    }
  }
}

}  // namespace detail

/// Reads a LoRA adapter that PEFT, or this library, has saved.
///
/// @param directory  holds adapter_config.json and adapter_model.safetensors
/// @param targets    the projections of the encoder, see nn::adapter_targets
/// @throws           IoError for a missing file; DataError for a malformed one, for a tensor that is none of LoRA's and
///                   for a module the encoder lacks; ShapeError with both shapes; ConfigError naming what the library
///                   does not compute (DoRA, biases, ...); NonFiniteError naming tensor and element
template <nn::NeuralKernels B>
[[nodiscard]] nn::Adapter<B> read_peft_adapter(const std::filesystem::path& directory,
                                               const Family& family,
                                               const std::vector<nn::AdapterTarget>& targets) {
  const detail::PeftConfig config = detail::read_peft_config(directory / "adapter_config.json");
  const auto file = io::SafeTensors::open(directory / "adapter_model.safetensors");
  const std::map<std::string, detail::PeftModule> modules = detail::find_peft_modules(file, family);
  std::vector<nn::AdapterShape> shapes;
  std::vector<std::string> known;
  std::vector<std::string> tensors;  // A, B, A, B, ... in the order of the adapter's visit
  for (const nn::AdapterTarget& target : targets) {
    known.push_back(detail::checkpoint_module(family, target.module));
    const auto found = modules.find(known.back());
    detail::require_targets(file, config, family, known.back(), found != modules.end());
    if (found != modules.end()) {
      shapes.push_back(detail::peft_shape(file, config, family, target, found->first, found->second));
      tensors.insert(tensors.end(), {found->second.a, found->second.b});
    }
  }
  const std::set<std::string> names(known.begin(), known.end());
  for (const auto& [name, module] : modules) {
    if (!names.contains(name)) {
      throw DataError::invalid(
          file.where(), "module " + io::in_quotes(name, 200), "present", io::detail::tensor_suggestion(name, known));
    }
  }
  nn::Adapter<B> adapter(shapes, config.options);
  std::size_t next = 0;
  adapter.visit([&](const auto& slice) {
    using S = typename std::remove_cvref_t<decltype(slice.values)>::Element;
    const std::string& name = tensors[next++];
    file.read(name, slice.values);
    detail::require_finite<S>(file.where(), name, slice.values);
  });
  adapter.pack();
  return adapter;
}

namespace detail {

/// adapter_config.json: the commonest rank and alpha for all, the others by pattern.
template <nn::NeuralKernels B>
[[nodiscard]] io::Json peft_config_json(const nn::Adapter<B>& adapter, const Family& family, const std::string& base) {
  std::map<std::pair<Index, double>, int> counts;
  std::set<std::string> modules;
  for (const nn::AdapterBranch<B>& branch : adapter.branches()) {
    ++counts[{branch.rank(), branch.alpha}];
    modules.insert(checkpoint_module(family, branch.target.module));
  }
  std::pair<Index, double> commonest = counts.empty() ? std::pair(Index{1}, 1.0) : counts.begin()->first;
  for (const auto& [value, count] : counts) {
    commonest = count > counts[commonest] ? value : commonest;
  }
  io::Json ranks = io::Json::object();
  io::Json alphas = io::Json::object();
  for (const nn::AdapterBranch<B>& branch : adapter.branches()) {
    const std::string name = checkpoint_module(family, branch.target.module);
    if (branch.rank() != commonest.first) {
      ranks[name] = branch.rank();
    }
    if (branch.alpha != commonest.second) {
      alphas[name] = branch.alpha;
    }
  }
  return {{"peft_type", "LORA"},
          {"task_type", "FEATURE_EXTRACTION"},
          {"base_model_name_or_path", base.empty() ? io::Json(nullptr) : io::Json(base)},
          {"r", commonest.first},
          {"lora_alpha", commonest.second},
          {"lora_dropout", adapter.options().dropout},
          {"use_rslora", adapter.options().rank_stabilized},
          {"target_modules", modules},
          {"rank_pattern", ranks},
          {"alpha_pattern", alphas},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"use_dora", false},
          {"inference_mode", true},
          {"init_lora_weights", true},
          {"modules_to_save", nullptr}};
}

}  // namespace detail

/// Writes an adapter and its README.md as PEFT does, in one step:
/// `PeftModel.from_pretrained(AutoModel.from_pretrained(BASE), DIRECTORY)` opens it, and so does `read_peft_adapter`,
/// with the same matrices to the bit.
///
/// @param base  the base model's name or path, for who loads the adapter alone; may be empty
/// @throws      ConfigError if the directory holds anything but an adapter; NonFiniteError naming module and element;
///              IoError if it can't be written. The directory is then as it was
template <nn::NeuralKernels B>
void write_peft_adapter(const std::filesystem::path& directory,
                        const nn::Adapter<B>& adapter,
                        const Family& family,
                        const std::string& base = {}) {
  const std::string foreign = io::find_foreign_entry(directory, detail::kAdapterNames);
  if (!foreign.empty()) {
    throw ConfigError::invalid("model::write_peft_adapter: " + directory.string(),
                               "content",
                               io::in_quotes(foreign) + ", which saving would delete",
                               "no directory yet, an empty one, or a saved adapter and nothing else");
  }
  std::vector<io::NamedTensor> tensors;
  adapter.visit([&](const auto& slice) {
    using S = std::remove_const_t<typename std::remove_cvref_t<decltype(slice.values)>::Element>;
    const std::size_t dot = slice.name.rfind('.');
    const std::string name = "base_model.model." + detail::checkpoint_module(family, slice.name.substr(0, dot)) +
                             (slice.name.ends_with("lora_a") ? ".lora_A.weight" : ".lora_B.weight");
    detail::require_finite<S>("model::write_peft_adapter", name, slice.values);
    tensors.push_back(io::NamedTensor::of(name, MatrixView<const S>(slice.values)));
  });
  const io::Json config = detail::peft_config_json(adapter, family, base);
  io::write_directory_atomically(directory, [&](const std::filesystem::path& place) {
    io::write_safetensors(place / "adapter_model.safetensors", tensors, {{"format", "pt"}});
    io::write_json(place / "adapter_config.json", config);
    io::write_file_atomically(place / "README.md", adapter_card_text(config));
  });
}

}  // namespace reasonembed::model
