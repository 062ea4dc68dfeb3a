#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/model/llama.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/xlm_roberta.hpp>
#include <reasonembed/nn/config.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// @return  every family the library reads
[[nodiscard]] inline std::vector<Family> families() {
  return {bert_family(),
          xlm_roberta_family(),
          qwen3_family(),
          bidirectional_qwen3_family(),
          qwen2_family(),
          bidirectional_qwen2_family(),
          llama_family(),
          bidirectional_llama_family()};
}

/// @param config  of config.json
/// @param own     families of the caller's, looked up before the library's
/// @return        the family that config.json means
/// @throws        ConfigError listing the model types there are
[[nodiscard]] inline Family find_family(const io::JsonFields& config, std::span<const Family> own = {}) {
  const std::string& model_type = config.get_string("model_type");
  std::vector<Family> all(own.begin(), own.end());
  const std::vector<Family> library = families();
  all.insert(all.end(), library.begin(), library.end());
  std::string known;
  std::string_view last;
  for (const Family& family : all) {
    if (family.model_type == model_type && family.describes(config)) {
      return family;
    }
    if (family.model_type != last) {
      known += (known.empty() ? "" : ", ") + std::string(family.model_type);
      last = family.model_type;
    }
  }
  throw ConfigError::invalid(config.where(), "model_type", model_type, "one of " + known);
}

/// @param where         what to name in an error
/// @param architecture  of an encoder, as its components name it
/// @param config        of the encoder; decides between families of one architecture
/// @return              the family whose checkpoints the encoder's weights can be written as; where none fits the
///                      sizes, the first of the architecture, whose write_config says what does not fit
/// @throws              ConfigError listing the architectures there are
[[nodiscard]] inline Family find_family_of(std::string_view where,
                                           std::string_view architecture,
                                           const nn::EncoderConfig& config) {
  std::optional<Family> first;
  std::vector<std::string> known;
  std::string list;
  for (const Family& family : families()) {
    if (family.architecture == architecture) {
      if (family.writes(config)) {
        return family;
      }
      first = first ? first : family;
    }
    if (std::find(known.begin(), known.end(), family.architecture) == known.end()) {
      known.push_back(family.architecture);
      list += (list.empty() ? "" : " or ") + family.architecture;
    }
  }
  if (first) {
    return *first;
  }
  throw ConfigError::invalid(where, "architecture", architecture, list + ", those of published families");
}

}  // namespace reasonembed::model
