#pragma once
/// @file `reasonembed inspect MODEL`: what a model directory holds, from its headers alone, and whether it keeps its
/// contract; with `--train`, what training it takes.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/int8.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/io/dtype.hpp>
#include <reasonembed/io/safetensors.hpp>
#include <reasonembed/io/safetensors_index.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/memory_plan.hpp>
#include <reasonembed/model/static_encoder.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/train/training_plan.hpp>

#include "contract.hpp"
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace replicate {

namespace re = reasonembed;

inline std::string gibibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GiB", bytes / (1024.0 * 1024.0 * 1024.0));
  return text;
}

inline void print_role(const char* name, const re::model::Role& role) {
  const std::string limit =
      role.max_tokens == 0 ? "of any length" : "at most " + std::to_string(role.max_tokens) + " tokens";
  std::printf("%-12s prompt %s, %s\n", name, re::io::in_quotes(role.prompt, 120).c_str(), limit.c_str());
}

/// Static embeddings: a table and a tokenizer.
inline void inspect_static(const std::filesystem::path& directory) {
  const re::model::StaticDescription model = re::model::read_static_description(directory);
  const auto weights = re::io::SafeTensors::open(model.place / "model.safetensors");
  double parameters = 0.0;
  double bytes = 0.0;
  for (const std::string& name : weights.names()) {
    const re::io::TensorInfo& tensor = weights.tensor(name);
    parameters += static_cast<double>(tensor.size());
    bytes += static_cast<double>(tensor.bytes.size());
    std::printf("%-12s %s, %s %s\n",
                "tensor",
                name.c_str(),
                std::string(re::io::dtype_name(tensor.dtype)).c_str(),
                re::io::shape_text(tensor.shape).c_str());
  }
  std::printf("%-12s static embeddings of %s\n", "family", model.model2vec ? "model2vec" : "sentence-transformers");
  std::printf("%-12s %.0f, %s\n", "parameters", parameters, gibibytes(bytes).c_str());
  std::printf("%-12s %s to encode (f32)\n", "memory", gibibytes(4.0 * parameters).c_str());
  std::printf("%-12s mean, vectors %s\n",
              "pooling",
              !model.normalize   ? "not said to be of unit length or not"
              : *model.normalize ? "of unit length"
                                 : "as they are");
  print_role("query", {model.query_prompt, model.model2vec ? 512 : 0});
  print_role("document", {model.document_prompt, model.model2vec ? 512 : 0});
}

/// What encoding takes with weights in B's store: the encoder's own code says it, on a backend that computes nothing.
template <class B>
void print_memory(const re::model::EncoderDescription& model, const char* dtype, int threads, re::Index chunk_tokens) {
  const auto plan = re::model::plan_memory<B>(model, threads, chunk_tokens);
  if (plan) {
    std::printf("%-12s %s to encode in %s: %s of weights, %s of activations, %td tokens in each of %d threads\n",
                "memory",
                gibibytes(static_cast<double>(plan->total())).c_str(),
                dtype,
                gibibytes(static_cast<double>(plan->weights)).c_str(),
                gibibytes(static_cast<double>(plan->activations)).c_str(),
                chunk_tokens,
                threads);
  }
}

/// What `--train` asks.
struct InspectTraining {
  bool asked = false;
  re::train::TrainingPlanOptions run = {};
  re::Index rank = 0;  // 0: every weight
  std::vector<std::string> targets = {};
  double keep_gib = 1.0;
  double memory_gib = 0.0;  // 0: no limit
};

/// What training takes, or with which cache options it fits. No weight is read.
inline void print_training(const std::filesystem::path& directory, InspectTraining training, int threads) {
  constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
  const re::model::EncoderDescription model = re::model::read_encoder_description(directory);
  training.run.threads = threads;
  training.run.cache.keep_bytes = static_cast<std::size_t>(training.keep_gib * kGib);
  std::optional<re::model::LoraOptions> lora;
  if (training.rank > 0) {
    lora = {.rank = training.rank, .target_modules = training.targets};
  }
  std::optional<std::size_t> bytes;
  if (training.memory_gib > 0.0) {
    bytes = static_cast<std::size_t>(training.memory_gib * kGib);
  }
  const auto plan = re::train::plan_training(model, training.run, lora, bytes);
  if (!plan) {
    throw re::ConfigError::invalid(directory.string(), "architecture", model.family.architecture, "a published one");
  }
  const re::eval::Table table = re::train::memory_table(*plan);
  std::printf("\n%s, in float32\n%s%s\n", table.title.c_str(), re::eval::plain_text(table).c_str(), table.note.c_str());
}

/// No weight is read: a model of any size takes milliseconds.
inline void inspect_encoder(const std::filesystem::path& directory, int threads) {
  const re::model::EncoderDescription model = re::model::read_encoder_description(directory);
  const auto weights = re::io::ShardedSafeTensors::open(directory);
  std::map<std::string, double> bytes;
  double parameters = 0.0;
  for (const std::string& name : weights.names()) {
    const re::io::TensorInfo& tensor = weights.tensor(name);
    std::string_view bare = name;
    bare.remove_prefix(bare.starts_with(model.family.optional_prefix) ? model.family.optional_prefix.size() : 0);
    if (!model.family.ignores(bare)) {
      parameters += static_cast<double>(tensor.size());
      bytes[std::string(re::io::dtype_name(tensor.dtype))] += static_cast<double>(tensor.bytes.size());
    }
  }
  const re::nn::EncoderConfig& c = model.config;
  const double table = static_cast<double>(c.vocab) * c.dim;
  std::printf("%-12s %s\n", "family", std::string(model.family.model_type).c_str());
  std::printf("%-12s %s\n", "architecture", model.family.architecture.c_str());
  std::printf("%-12s %d layers, width %d, %d heads (%d for keys and values) of %d, inner width %d\n",
              "sizes",
              c.layers,
              c.dim,
              c.heads,
              c.kv_heads,
              c.head_dim,
              c.mlp_dim);
  std::printf("%-12s %d tokens, longest input %d\n", "vocabulary", c.vocab, c.max_length);
  std::printf("%-12s %.0f, %.0f without the token table\n", "parameters", parameters, parameters - table);
  for (const auto& [dtype, size] : bytes) {
    std::printf("%-12s %s as %s\n", "weights", gibibytes(size).c_str(), dtype.c_str());
  }
  // Trained: values and their packed form, gradients of two shards and their sum, two moments.
  std::printf("%-12s %s to train every weight, and activations (f32)\n",
              "memory",
              gibibytes(4.0 * (7.0 * parameters - table)).c_str());
  const re::Index chunk_tokens = re::model::TextEncoderOptions().chunk_tokens;
  print_memory<re::backend::Cpu<float>>(model, "float32", threads, chunk_tokens);
  print_memory<re::backend::Cpu<re::bf16>>(model, "bfloat16", threads, chunk_tokens);
  print_memory<re::backend::Cpu<re::int8>>(model, "int8", threads, chunk_tokens);
  std::printf("%-12s %s, vectors %s\n",
              "pooling",
              model.pooling.empty() ? "not said" : model.pooling.c_str(),
              model.options.normalize ? "of unit length" : "as they are");
  print_role("query", model.query);
  print_role("document", model.document);
}

inline void add_training_options(CLI::App& command, InspectTraining& training) {
  CLI::Option* train = command.add_flag("--train", training.asked, "also plans the memory of a training run");
  const auto add = [&](const char* name, auto& value, const char* text) {
    return command.add_option(name, value, text)->needs(train);
  };
  re::train::TrainingPlanOptions& run = training.run;
  add("--rank", training.rank, "of the LoRA adapter that is trained; 0: every weight is")
      ->check(CLI::NonNegativeNumber);
  add("--target", training.targets, "modules of the adapter, such as q_proj; none: every projection")
      ->allow_extra_args(false);
  add("--batch", run.batch_size, "queries a batch");
  add("--group", run.group_size, "documents a query");
  add("--query-tokens", run.query_tokens, "of the longest query");
  add("--document-tokens", run.document_tokens, "of the longest document");
  add("--chunk-tokens", run.cache.chunk_tokens, "tokens that a thread differentiates at once");
  add("--shards", run.cache.shards, "partial gradients");
  add("--keep", training.keep_gib, "GiB of activations kept between the passes at most")->check(CLI::NonNegativeNumber);
  add("--memory", training.memory_gib, "GiB that the run shall fit into; 0: whatever it takes")
      ->check(CLI::NonNegativeNumber);
}

inline void register_inspect(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "Says what a model directory holds.");
  auto directory = std::make_shared<std::string>();
  auto verify = std::make_shared<std::string>("off");
  command->option_defaults()->always_capture_default();
  command->add_option("model", *directory, "directory of Hugging Face or sentence-transformers")->required();
  command->add_option("--verify", *verify, "off reads no weight; fast and full load the model against its contract")
      ->check(CLI::IsMember({"off", "fast", "full"}));
  auto threads = std::make_shared<int>(0);
  command->add_option("--threads", *threads, "that memory is planned for; 0 takes one per hardware thread");
  const auto training = std::make_shared<InspectTraining>();
  add_training_options(*command, *training);
  command->callback([directory, verify, threads, training] {
    if (re::model::is_static_directory(*directory)) {
      if (training->asked) {
        throw re::ConfigError::invalid(*directory, "model", "static embeddings", "an encoder, which can be trained");
      }
      inspect_static(*directory);
    } else {
      inspect_encoder(*directory, re::ThreadPool(*threads).size());
    }
    if (training->asked) {
      print_training(*directory, *training, re::ThreadPool(*threads).size());
    }
    print_contract(*directory);
    if (*verify != "off") {
      verify_contract(*directory, *verify == "full" ? re::model::Verify::kFull : re::model::Verify::kFast);
    }
  });
}

}  // namespace replicate
