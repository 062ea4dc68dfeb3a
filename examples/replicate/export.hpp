#pragma once
/// @file `reasonembed export`: a model for foreign runtimes, or in the layout of sentence-transformers.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/model/encoder_choice.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/export_onnx.hpp>
#include <reasonembed/model/static_encoder.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace replicate {

namespace re = reasonembed;

struct ExportOptions {
  std::string model = {};
  std::string out = {};
  std::string format = "onnx";
  std::string pooling = {};
  std::string query_prompt = {};
  std::string document_prompt = {};
  bool external_data = false;
};

inline std::optional<std::string> unless_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

inline void export_model(const ExportOptions& options) {
  const std::filesystem::path directory = options.model;
  if (re::model::is_static_directory(directory)) {
    throw re::ConfigError::invalid(options.model, "model", "static embeddings", "a transformer, to be exported");
  }
  const re::model::DirectoryOptions said{.query_prompt = unless_empty(options.query_prompt),
                                         .document_prompt = unless_empty(options.document_prompt)};
  const auto description = re::model::read_encoder_description(directory, said);
  re::model::with_encoder_type(directory, description, options.pooling, [&]<class Encoder>() {
    using Model = re::model::TextEncoder<Encoder, re::backend::Cpu<float>>;
    const Model model = Model::load(directory, {.residency = re::model::Residency::kTrain}, said);
    if (options.format == "onnx") {
      re::model::export_onnx(
          options.out, model, {.largest_file = options.external_data ? 0 : re::io::kLargestOnnxFile});
    } else {
      model.save(options.out, {.overwrite = false});
    }
  });
  std::printf("%s\n", options.out.c_str());
}

inline void register_export(CLI::App& app) {
  CLI::App* command = app.add_subcommand("export", "Writes a model as ONNX, or as sentence-transformers has it.");
  auto options = std::make_shared<ExportOptions>();
  command->option_defaults()->always_capture_default();
  command->add_option("--model", options->model, "directory of Hugging Face or sentence-transformers")->required();
  command->add_option("--out", options->out, "file of ONNX, or a directory that is not there yet")->required();
  command->add_option("--format", options->format, "what to write")
      ->check(CLI::IsMember({"onnx", "sentence-transformers"}));
  command->add_option("--pooling", options->pooling, "mean, cls or lasttoken, where the directory does not say");
  command->add_option("--query-prompt", options->query_prompt, "written before queries, where it does not say");
  command->add_option("--document-prompt", options->document_prompt, "the same for documents");
  command->add_flag("--external-data", options->external_data, "weights in OUT.data; above 2 GiB always");
  command->callback([options] { export_model(*options); });
}

}  // namespace replicate
