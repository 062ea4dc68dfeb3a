#pragma once
/// @file Hashes of the files that a model's vectors depend on.
#include <reasonembed/config.hpp>
#include <reasonembed/core/checksum.hpp>
#include <reasonembed/core/memory_map.hpp>
#include <reasonembed/core/sha256.hpp>
#include <reasonembed/io/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

namespace reasonembed::inline REASONEMBED_ABI::model {

/// What is hashed of a file of weights.
enum class WeightHash {
  kChecksum,  ///< size and checksum: every byte is read, at 6 GB a second or more
  kSha256,    ///< SHA-256 as well, at 0.3 GB a second
};

namespace detail {

/// Files at the top of a model directory, apart from weights, that change vectors in this library or another.
inline constexpr std::array<std::string_view, 15> kVectorFiles = {"added_tokens.json",
                                                                  "config.json",
                                                                  "config_sentence_transformers.json",
                                                                  "merges.txt",
                                                                  "model.safetensors.index.json",
                                                                  "modules.json",
                                                                  "sentence_bert_config.json",
                                                                  "sentencepiece.bpe.model",
                                                                  "special_tokens_map.json",
                                                                  "spiece.model",
                                                                  "tokenizer.json",
                                                                  "tokenizer.model",
                                                                  "tokenizer_config.json",
                                                                  "vocab.json",
                                                                  "vocab.txt"};

/// @return  the names of a directory's safetensors files, as io::ShardedSafeTensors chooses them
inline std::set<std::string> weight_files(const std::filesystem::path& directory) {
  if (std::filesystem::exists(directory / "model.safetensors")) {
    return {"model.safetensors"};
  }
  const std::filesystem::path path = directory / "model.safetensors.index.json";
  const io::Json index = io::read_json(path);
  const io::JsonFields map = io::JsonFields(index, path.string()).get_object("weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, value] : map.json().items()) {
    names.insert(map.get_string(tensor));
  }
  return names;
}

}  // namespace detail

/// SHA-256 of every file of `directory`, apart from weights, that changes vectors: the configuration, the tokenizer's
/// files, `N_NAME/config.json` of each module and `*.tiktoken`.
///
/// @return  {"config.json": "64 digits", ...}
/// @throws  IoError if a file can't be read
[[nodiscard]] inline io::Json hash_vector_files(const std::filesystem::path& directory) {
  io::Json hashes = io::Json::object();
  const auto add = [&](const std::string& name) {
    if (std::filesystem::exists(directory / name)) {
      hashes[name] = sha256(MemoryMap((directory / name).string()).bytes());
    }
  };
  for (const std::string_view name : detail::kVectorFiles) {
    add(std::string(name));
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && name.front() >= '0' && name.front() <= '9') {
      add(name + "/config.json");
    } else if (name.ends_with(".tiktoken")) {
      add(name);
    }
  }
  return hashes;
}

/// Size and hashes of every file of weights.
///
/// @return  {"model.safetensors": {"bytes": 4, "checksum": "16 digits", "sha256": "64 digits"}, ...}; "sha256" only if
///          it is asked for
/// @throws  IoError if there are no weights; DataError for a broken index
[[nodiscard]] inline io::Json hash_weights(const std::filesystem::path& directory, WeightHash hash) {
  io::Json hashes = io::Json::object();
  for (const std::string& name : detail::weight_files(directory)) {
    const MemoryMap file((directory / name).string());
    Checksum sum;
    Sha256 sha;
    constexpr std::size_t kWindow = std::size_t{8} << 20;  // what of the file is in memory at once
    for (std::size_t first = 0; first < file.size(); first += kWindow) {
      const auto window = file.bytes().subspan(first, std::min(kWindow, file.size() - first));
      sum.update(window);
      if (hash == WeightHash::kSha256) {
        sha.update(window);
      }
      file.release(window);
    }
    io::Json& entry = hashes[name];
    entry = {{"bytes", file.size()}, {"checksum", sum.hex()}};
    if (hash == WeightHash::kSha256) {
      entry["sha256"] = sha.hex();
    }
  }
  return hashes;
}

}  // namespace reasonembed::model
