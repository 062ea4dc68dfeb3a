#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/model/qwen3.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// @return  every family the library reads
[[nodiscard]] inline std::vector<Family> families() {
  return {bert_family(), qwen3_family()};
}

/// @param where       what to name in an error, usually the path of config.json
/// @param model_type  config.json's "model_type"
/// @throws            ConfigError listing the families there are
[[nodiscard]] inline Family find_family(std::string_view where, std::string_view model_type) {
  std::string known;
  for (const Family& family : families()) {
    if (family.model_type == model_type) {
      return family;
    }
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  throw ConfigError::invalid(where, "model_type", model_type, "one of " + known);
}

/// @param where         what to name in an error
/// @param architecture  of an encoder, as its components name it
/// @return              the family whose checkpoints the encoder's weights can be written as
/// @throws              ConfigError listing the architectures there are
[[nodiscard]] inline Family find_family_of(std::string_view where, std::string_view architecture) {
  std::string known;
  for (const Family& family : families()) {
    if (family.architecture == architecture) {
      return family;
    }
    known += (known.empty() ? "" : " or ") + family.architecture;
  }
  throw ConfigError::invalid(where, "architecture", architecture, known + ", those of published families");
}

}  // namespace reasonembed::model
