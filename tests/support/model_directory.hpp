#pragma once
/// @file Tiny model directories, written into a Scratch, whose parts a test replaces.
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/model/family.hpp>
#include <reasonembed/nn/config.hpp>
#include <reasonembed/nn/parameter_count.hpp>
#include <reasonembed/nn/parameters.hpp>

#include <doctest/doctest.h>

#include <support/parameter_check.hpp>
#include <support/scratch.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// A BERT of two layers, width 8 and 12 tokens.
inline constexpr std::string_view kBertConfigJson = R"({
"model_type": "bert",
"vocab_size": 12,
"hidden_size": 8,
"num_hidden_layers": 2,
"num_attention_heads": 2,
"intermediate_size": 10,
"max_position_embeddings": 16,
"type_vocab_size": 2,
"hidden_act": "gelu",
"position_embedding_type": "absolute",
"hidden_dropout_prob": 0.1,
"layer_norm_eps": 1e-12
})";

/// A Qwen3 of one layer with grouped heads.
inline constexpr std::string_view kQwen3ConfigJson = R"({
"model_type": "qwen3",
"vocab_size": 12,
"hidden_size": 8,
"num_hidden_layers": 1,
"num_attention_heads": 4,
"num_key_value_heads": 2,
"head_dim": 6,
"intermediate_size": 10,
"max_position_embeddings": 16,
"hidden_act": "silu",
"attention_bias": false,
"use_sliding_window": false,
"rope_scaling": null,
"rope_theta": 1000000,
"rms_norm_eps": 1e-06
})";

/// A Qwen2 of one layer: biases of queries, keys and values, no head_dim.
inline constexpr std::string_view kQwen2ConfigJson = R"({
"model_type": "qwen2",
"vocab_size": 12,
"hidden_size": 24,
"num_hidden_layers": 1,
"num_attention_heads": 4,
"num_key_value_heads": 2,
"intermediate_size": 10,
"max_position_embeddings": 16,
"hidden_act": "silu",
"use_sliding_window": false,
"rope_theta": 1000000.0,
"rms_norm_eps": 1e-06
})";

/// A Llama 3.1 of one layer.
inline constexpr std::string_view kLlamaConfigJson = R"({
"model_type": "llama",
"vocab_size": 12,
"hidden_size": 24,
"num_hidden_layers": 1,
"num_attention_heads": 4,
"num_key_value_heads": 2,
"intermediate_size": 10,
"max_position_embeddings": 64,
"hidden_act": "silu",
"attention_bias": false,
"mlp_bias": false,
"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                 "original_max_position_embeddings": 16},
"rope_theta": 500000.0,
"rms_norm_eps": 1e-05
})";

/// An XLM-R of one layer.
inline constexpr std::string_view kXlmRobertaConfigJson = R"({
"model_type": "xlm-roberta",
"vocab_size": 12,
"hidden_size": 8,
"num_hidden_layers": 1,
"num_attention_heads": 2,
"intermediate_size": 10,
"max_position_embeddings": 18,
"type_vocab_size": 1,
"pad_token_id": 1,
"hidden_act": "gelu",
"position_embedding_type": "absolute",
"hidden_dropout_prob": 0.1,
"layer_norm_eps": 1e-05
})";

inline constexpr std::string_view kVocabTxt =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsalt\nwater\ndraws\n##s\nwhy\nlight\nbends\n";

/// `text` with the one place of `part` replaced.
inline std::string changed(std::string_view text, std::string_view part, std::string_view replacement) {
  std::string result(text);
  const std::size_t at = result.find(part);
  REQUIRE(at != std::string::npos);
  result.replace(at, part.size(), replacement);
  return result;
}

/// What a family reads from a config.json.
inline re::nn::EncoderConfig config_of(const re::model::Family& family, std::string_view json) {
  const re::io::Json parsed = re::io::parse_json(json, "config.json");
  return family.read_config(re::io::JsonFields(parsed, "config.json"));
}
inline re::nn::EncoderOptions options_of(const re::model::Family& family, std::string_view json) {
  const re::io::Json parsed = re::io::parse_json(json, "config.json");
  return family.read_options(re::io::JsonFields(parsed, "config.json"));
}

/// The names that a family gives the tensors of an encoder, and how many tensors there are.
template <class Encoder>
std::set<std::string> tensor_names(const Encoder& encoder, const re::model::Family& family) {
  re::nn::WeightAllocator<Cpu32> allocator;
  const auto parameters = encoder.allocate(allocator);
  std::set<std::string> names;
  std::size_t count = 0;
  encoder.visit(parameters, [&](const auto& slice) {
    names.insert(family.tensor_name(slice.name));
    ++count;
  });
  CHECK(names.size() == count);
  return names;
}

/// @return  the number of parameters of an encoder of these sizes
template <class Encoder>
std::int64_t parameter_count(const re::nn::EncoderConfig& config) {
  return re::nn::parameter_count(Encoder(config));
}

/// One tensor of a checkpoint.
struct StoredTensor {
  std::vector<re::Index> shape;
  std::vector<float> values;
};
using Checkpoint = std::map<std::string, StoredTensor>;

/// Random weights of an encoder under the names of a family, each after `prefix`.
template <class Encoder>
Checkpoint random_checkpoint(const Encoder& encoder, const re::model::Family& family, const std::string& prefix = "") {
  const auto weights = random_parameters<Cpu32>(encoder, 1, 0.1);
  Checkpoint checkpoint;
  encoder.visit(weights, [&](const auto& slice) {
    StoredTensor tensor;
    tensor.shape = slice.one_dimensional() ? std::vector<re::Index>{slice.values.cols()}
                                           : std::vector<re::Index>{slice.values.rows(), slice.values.cols()};
    for (re::Index row = 0; row < slice.values.rows(); ++row) {
      tensor.values.insert(tensor.values.end(), slice.values.row(row).begin(), slice.values.row(row).end());
    }
    checkpoint.emplace(prefix + family.tensor_name(slice.name), std::move(tensor));
  });
  return checkpoint;
}

inline void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  std::vector<re::io::NamedTensor> tensors;
  for (const auto& [name, tensor] : checkpoint) {
    tensors.push_back(
        {name, {re::io::DType::kF32, tensor.shape, std::as_bytes(std::span(std::as_const(tensor.values)))}});
  }
  re::io::write_safetensors(path, tensors);
}

/// Writes a file that may lie in a folder of the directory.
inline void write_file(const Scratch& scratch, const std::string& name, std::string_view content) {
  std::filesystem::create_directories((scratch / name).parent_path());
  scratch.write(name, content);
}

/// Checks that call() throws an Expected whose message is `message`, the directory's name cut out.
template <class Expected, class Call>
void check_refused(const Scratch& scratch, const Call& call, const std::string& message) {
  std::string got = "nothing thrown";
  try {
    call();
  } catch (const Expected& error) {
    got = error.what();
    const std::string directory = scratch.path().string();
    for (std::size_t at = got.find(directory); at != std::string::npos; at = got.find(directory)) {
      got.erase(at, directory.size() + (got.substr(at + directory.size(), 1) == "/" ? 1 : 0));
    }
  } catch (const std::exception& error) {
    got = std::string("another type: ") + error.what();
  }
  CHECK(got == message);
}

}  // namespace test
