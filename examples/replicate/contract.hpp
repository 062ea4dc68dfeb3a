#pragma once
/// @file The contract of a model directory, as `reasonembed inspect` shows it.
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/any_text_encoder.hpp>
#include <reasonembed/model/contract.hpp>

#include <cstdio>
#include <filesystem>
#include <string>

namespace replicate {

namespace re = reasonembed;

/// What holds of a manifest without reading weights, and what it states.
inline void print_contract(const std::filesystem::path& directory) {
  const auto path = directory / re::model::kContractName;
  if (!std::filesystem::exists(path)) {
    std::printf("%-12s none\n", "contract");
    return;
  }
  const re::io::Json manifest = re::io::read_json(path);
  const re::io::JsonFields fields(manifest, path.string());
  const std::string stated = fields.get_string("sha256");
  const std::string found = re::model::contract_sha256(manifest);
  std::printf("%-12s %s, sha256 %s%s\n",
              "contract",
              std::string(re::model::kContractName).c_str(),
              stated.c_str(),
              stated == found ? "" : (", but its content has " + found).c_str());
  std::string names;
  for (const auto& [name, value] : manifest.items()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  std::printf("%-12s %s\n", "  fields", names.c_str());
  const re::io::Json hashes = re::model::hash_vector_files(directory);
  for (const auto& [name, hash] : fields.get_object("files").json().items()) {
    const bool same = hashes.contains(name) && hashes.at(name) == hash;
    std::printf("%-12s %s %s\n", "  file", name.c_str(), same ? "as stated" : "NOT as stated");
  }
  for (const auto& [name, entry] : fields.get_object("weights").json().items()) {
    const auto file = directory / name;
    const bool same = std::filesystem::exists(file) && entry.is_object() && entry.contains("bytes") &&
                      entry.at("bytes") == std::filesystem::file_size(file);
    std::printf("%-12s %s %s\n", "  weights", name.c_str(), same ? "as long as stated" : "NOT as long as stated");
  }
  for (const re::io::Json& golden : fields.get_array("golden")) {
    const re::io::JsonFields entry(golden, path.string() + ": golden");
    std::printf("%-12s %s\n", "  golden", re::io::in_quotes(entry.get_string("text")).c_str());
  }
}

/// Loads the model, which compares it with its contract. @throws ContractError naming what is not as stated
inline void verify_contract(const std::filesystem::path& directory, re::model::Verify verify) {
  if (!std::filesystem::exists(directory / re::model::kContractName)) {
    throw re::model::ContractError::mismatch(
        directory.string(), re::model::kContractName, "missing", "a contract to verify");
  }
  (void)re::model::AnyTextEncoder<>::load(directory, {.verify = verify});
  std::printf("%-12s every file and field of the contract%s\n",
              "verified",
              verify == re::model::Verify::kFull ? ", and the vectors of its golden texts" : "");
}

}  // namespace replicate
