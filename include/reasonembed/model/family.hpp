#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/nn/config.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// A tensor that Hugging Face's model of a family has and an encoder may lack; all zeros, it changes no vector.
struct ZeroTensor {
  std::string name;
  Index rows = 0;
  Index cols = 0;

  friend bool operator==(const ZeroTensor&, const ZeroTensor&) = default;
};

/// How one published model family spells what the library's encoder is made of. A new family is one such value.
///
/// Families may share a model_type (config.json then says by a field which one is meant) and an architecture (the sizes
/// then say which one an encoder is written as).
struct Family {
  std::string_view model_type;       ///< config.json's "model_type"
  std::string architecture;          ///< what Encoder::architecture() must say
  std::string_view optional_prefix;  ///< put before every tensor name by some exports, e.g. "bert."

  /// Sizes from config.json. @throws ConfigError or DataError naming the field
  nn::EncoderConfig (*read_config)(const io::JsonFields& config);
  /// Run-time numbers from config.json. @throws ConfigError for what the family has but the library does not
  nn::EncoderOptions (*read_options)(const io::JsonFields& config);
  /// The checkpoint's name of a parameter of the library. @pre `parameter` comes from Encoder::visit
  std::string (*tensor_name)(const std::string& parameter);
  /// Whether a tensor of the checkpoint has no part in an embedding (a pooler, a language-model head, a buffer).
  bool (*ignores)(std::string_view tensor);
  /// config.json of an encoder, so that Hugging Face opens it. @throws ConfigError naming what the family has no field
  /// for
  io::Json (*write_config)(const nn::EncoderConfig& config, const nn::EncoderOptions& options);
  /// What a checkpoint needs beside the encoder's own tensors.
  std::vector<ZeroTensor> (*zero_tensors)(const nn::EncoderConfig& config) = [](const nn::EncoderConfig&) {
    return std::vector<ZeroTensor>();
  };
  /// Whether config.json means this family, of those with its model_type.
  bool (*describes)(const io::JsonFields& config) = [](const io::JsonFields&) { return true; };
  /// Whether an encoder of these sizes is written as this family, of those with its architecture.
  bool (*writes)(const nn::EncoderConfig& config) = [](const nn::EncoderConfig&) { return true; };
};

/// @throws ConfigError if `got`, a size or flag of the encoder, is not the only one that `family` can have
inline void require_only_choice(std::string_view family, std::string_view field, int got, int want) {
  if (got != want) {
    throw ConfigError::invalid("model::Family " + std::string(family),
                               field,
                               std::to_string(got),
                               std::to_string(want) + ", for config.json has no field for another");
  }
}

/// One row of a family's table: a module of the library and its name in checkpoints.
struct ModuleName {
  std::string_view library;
  std::string_view checkpoint;
};

/// Translates `blocks.3.attention.q.weight` by way of `blocks` ("encoder.layer.") and `modules` (attention.q ->
/// attention.self.query). A gain is called weight in every checkpoint.
///
/// @throws ConfigError if the family's table lacks the module
[[nodiscard]] inline std::string translate_parameter(const std::string& parameter,
                                                     std::string_view blocks,
                                                     std::span<const ModuleName> modules) {
  constexpr std::string_view kBlocks = "blocks.";
  std::string_view rest = parameter;
  std::string name;
  if (rest.starts_with(kBlocks)) {
    const std::size_t end = rest.find('.', kBlocks.size());
    name.append(blocks).append(rest.substr(kBlocks.size(), end - kBlocks.size())).append(".");
    rest.remove_prefix(end + 1);
  }
  const std::size_t dot = rest.rfind('.');
  const std::string_view module = rest.substr(0, dot);
  const std::string_view leaf = rest.substr(dot + 1);
  for (const ModuleName& row : modules) {
    if (row.library == module) {
      return name.append(row.checkpoint).append(".").append(leaf == "gain" ? "weight" : leaf);
    }
  }
  throw ConfigError::invalid("model::translate_parameter", "parameter", parameter, "one the model family knows");
}

}  // namespace reasonembed::model
