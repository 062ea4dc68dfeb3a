// `reasonembed calibrate`: which projections of a model bear int8, found on texts and written beside the weights.
#include <reasonembed/backend/calibrating.hpp>
#include <reasonembed/data/text_list.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/model/encoder_choice.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/int8_calibration.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include "commands.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace replicate {

namespace {

namespace re = reasonembed;

struct CalibrateOptions {
  std::string model = {};
  std::string in = {};
  std::string field = "text";
  std::string role = "document";
  std::string pooling = {};
  re::Index texts = 256;
  double limit = re::model::kInt8ErrorLimit;
};

std::vector<std::string> first_texts(const CalibrateOptions& options) {
  std::vector<std::string> texts;
  re::io::for_each_json_line(options.in, [&](const re::io::JsonFields& row) {
    if (static_cast<re::Index>(texts.size()) < options.texts) {
      texts.push_back(row.get_string(options.field));
    }
  });
  return texts;
}

void calibrate(const CalibrateOptions& options) {
  const std::vector<std::string> texts = first_texts(options);
  const auto description = re::model::read_encoder_description(options.model);
  re::model::Int8Calibration calibration;
  re::model::with_encoder_type(options.model, description, options.pooling, [&]<class Encoder>() {
    const auto model = re::model::TextEncoder<Encoder, re::backend::Calibrating>::load(options.model, {.threads = 1});
    const re::model::Role& role = options.role == "query" ? model.query_role() : model.document_role();
    calibration = re::model::calibrate_int8(model, role, texts, options.limit);
  });
  calibration.write(options.model);
  for (const auto& [name, error] : calibration.errors) {
    std::printf("%-40s %.4f%s\n", name.c_str(), error, error <= options.limit ? "" : "  stays in bfloat16");
  }
  std::printf("%td texts; %zu of %zu projections stay in bfloat16: %s\n",
              calibration.texts,
              calibration.in_bf16().size(),
              calibration.errors.size(),
              re::model::kInt8CalibrationName.data());
}

}  // namespace

void add_calibrate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("calibrate", "Finds which projections of a model bear int8.");
  auto options = std::make_shared<CalibrateOptions>();
  command->option_defaults()->always_capture_default();
  command->add_option("--model", options->model, "directory of Hugging Face or sentence-transformers")->required();
  command->add_option("--in", options->in, "texts as the model will see them, JSON Lines")->required();
  command->add_option("--field", options->field, "of a line that holds the text");
  command->add_option("--role", options->role, "what the texts are")->check(CLI::IsMember({"query", "document"}));
  command->add_option("--pooling", options->pooling, "mean, cls or lasttoken, where the directory does not say");
  command->add_option("--texts", options->texts, "how many of them are used")->check(CLI::PositiveNumber);
  command->add_option("--limit", options->limit, "largest relative error of a projection in int8")
      ->check(CLI::NonNegativeNumber);
  command->callback([options] { calibrate(*options); });
}

}  // namespace replicate
