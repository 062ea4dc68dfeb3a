#pragma once
/// @file The weights of a model directory, in one safetensors file or in several shards with an index.
#include <reasonembed/config.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/io/utf8.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// The tensors of a model, wherever its files keep them; the same interface as SafeTensors.
///
/// A directory's model.safetensors comes first, as in Hugging Face's own loader; without it
/// model.safetensors.index.json says in which shard each tensor lies. A tensor that lies in a shard but not in the
/// index is not part of the model.
///
/// @note  move-only; const functions are safe from many threads
class ShardedSafeTensors {
 public:
  /// @param path  a model directory, a .safetensors file or a .safetensors.index.json
  /// @throws      IoError if there are no weights or a shard is missing; DataError for a malformed index or shard, and
  ///              for a tensor that the index lists and its shard lacks
  [[nodiscard]] static ShardedSafeTensors open(const std::filesystem::path& path) {
    ShardedSafeTensors model;
    std::filesystem::path file = path;
    if (std::filesystem::is_directory(path)) {
      file = path / "model.safetensors";
      if (!std::filesystem::exists(file)) {
        file = path / "model.safetensors.index.json";
      }
      if (!std::filesystem::exists(file)) {
        throw IoError::failed(
            path.string(), "model.safetensors", "missing", "it or model.safetensors.index.json in this directory");
      }
    }
    if (file.extension() == ".json") {
      model.read_index(file);
    } else {
      model.add_shard(file);
      for (std::string& name : model.shards_[0].names()) {
        model.shard_of_.emplace(std::move(name), 0);
      }
    }
    model.where_ = file.string();
    return model;
  }

  [[nodiscard]] const std::string& where() const { return where_; }
  /// @return  the names in byte order
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    names.reserve(shard_of_.size());
    for (const auto& [name, shard] : shard_of_) {
      names.push_back(name);
    }
    return names;
  }
  [[nodiscard]] bool contains(std::string_view name) const { return shard_of_.find(name) != shard_of_.end(); }
  /// @return  the file that holds a tensor
  /// @throws  DataError that names the closest names if there is no such tensor
  [[nodiscard]] const SafeTensors& shard(std::string_view name) const {
    const auto found = shard_of_.find(name);
    if (found == shard_of_.end()) {
      throw DataError::invalid(
          where_, "tensor " + in_quotes(name, 120), "missing", detail::tensor_suggestion(name, names()));
    }
    return shards_[found->second];
  }
  [[nodiscard]] const TensorInfo& tensor(std::string_view name) const { return shard(name).tensor(name); }

  /// As SafeTensors::read.
  void read(std::string_view name, MatrixView<float> out) const { shard(name).read(name, out); }
  void read(std::string_view name, MatrixView<double> out) const { shard(name).read(name, out); }
  void read(std::string_view name, MatrixView<bf16> out) const { shard(name).read(name, out); }
  void read(std::string_view name, std::span<float> out) const { shard(name).read(name, out); }
  void read(std::string_view name, std::span<double> out) const { shard(name).read(name, out); }
  /// As SafeTensors::read_rows and SafeTensors::release.
  template <Stored T>
  void read_rows(std::string_view name, Index first, Index rows, MatrixView<T> out) const {
    shard(name).read_rows(name, first, rows, out);
  }
  void release(std::string_view name) const { shard(name).release(name); }

 private:
  void add_shard(const std::filesystem::path& file) { shards_.push_back(SafeTensors::open(file)); }

  void read_index(const std::filesystem::path& file) {
    const Json index = read_json(file);
    const JsonFields map = JsonFields(index, file.string()).get_object("weight_map");
    std::map<std::string, std::size_t, std::less<>> shards;
    for (const auto& [name, value] : map.json().items()) {
      const std::string& shard = map.get_string(name);
      // An index comes from outside: it may name files beside it and no others.
      if (shard.empty() || shard == "." || shard == ".." || shard.find_first_of("/\\") != std::string::npos) {
        throw DataError::invalid(map.where(), "weight_map." + name, in_quotes(shard), "the name of a file beside it");
      }
      const auto [known, added] = shards.emplace(shard, shards_.size());
      if (added) {
        const std::filesystem::path beside = file.parent_path() / shard;
        if (!std::filesystem::exists(beside)) {
          throw IoError::failed(beside.string(), "shard", "missing", "a file, for weight_map in " + file.string());
        }
        add_shard(beside);
      }
      if (!shards_[known->second].contains(name)) {
        throw DataError::invalid(shards_[known->second].where(),
                                 "tensor " + in_quotes(name, 120),
                                 "missing",
                                 "what weight_map in " + file.string() + " lists");
      }
      shard_of_.emplace(name, known->second);
    }
  }

  std::string where_;
  std::vector<SafeTensors> shards_;
  std::map<std::string, std::size_t, std::less<>> shard_of_;
};

}  // namespace reasonembed::io
