#pragma once
/// @file `reasonembed encode`: a file of texts into a file of vectors, shard by shard, so that a killed run goes on.
#include <reasonembed/backend/cpu.hpp>
#include <reasonembed/core/bf16.hpp>
#include <reasonembed/core/progress.hpp>
#include <reasonembed/core/sha256.hpp>
#include <reasonembed/data/corpus.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/io/atomic_directory.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/npy.hpp>
#include <reasonembed/model/any_text_encoder.hpp>
#include <reasonembed/train/option_names.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace replicate {

namespace re = reasonembed;

struct EncodeOptions {
  std::string model = {};
  std::string role = "document";
  std::string task = {};
  std::string in = {};
  std::string out = {};
  std::string field = "text";
  bool corpus = false;
  std::string pooling = {};
  std::string dtype = "float32";
  std::string products = "float32";
  std::string verify = "fast";
  int threads = 0;
  re::Index shard = 4096;
};

/// Writes the vectors of one shard after another as files of their own, and joins them at the end.
///
/// @tparam B  a Cpu of float, bf16 or int8: vectors are written in float by all
template <class B>
class Encoding {
 public:
  explicit Encoding(const EncodeOptions& options)
      : options_(options),
        parts_(options.out + ".parts"),
        model_(re::model::AnyTextEncoder<B>::load(
            options.model, {.threads = options.threads, .verify = verify(options)}, {}, options.pooling)) {}

  void run() {
    begin();
    re::Progress progress("encode", texts_, {.unit = "texts"});
    re::io::for_each_json_line(options_.in, [&](const re::io::JsonFields& row) {
      const std::string text = text_of(row);
      shard_.push_back(options_.role == "query" ? re::data::instructed_query(options_.task, text) : text);
      if (static_cast<re::Index>(shard_.size()) == options_.shard) {
        finish_shard(progress);
      }
    });
    finish_shard(progress);
    progress.finish();
    join();
  }

 private:
  static re::model::Verify verify(const EncodeOptions& options) {
    return options.verify == "off"    ? re::model::Verify::kOff
           : options.verify == "full" ? re::model::Verify::kFull
                                      : re::model::Verify::kFast;
  }
  [[nodiscard]] std::string text_of(const re::io::JsonFields& row) const {
    return options_.corpus ? re::data::document_text(row) : row.get_string(options_.field);
  }
  /// Counts the texts, and takes up the parts of an earlier run if it was the same.
  void begin() {
    re::Sha256 input;
    re::io::for_each_json_line(options_.in, [&](const re::io::JsonFields& row) {
      input.update(text_of(row));
      input.update(std::string_view("\0", 1));
      ++texts_;
    });
    const re::model::Role& role = this->role();
    const re::io::Json run = {{"model", std::filesystem::weakly_canonical(options_.model).string()},
                              {"dim", model_.dim()},
                              {"role", options_.role},
                              {"prompt", role.prompt},
                              {"max_tokens", role.max_tokens},
                              {"task", options_.task},
                              {"pooling", options_.pooling},
                              {"dtype", options_.dtype},
                              {"products", options_.products},
                              {"input", input.hex()},
                              {"texts", texts_},
                              {"shard", options_.shard}};
    const auto state = parts_ / "state.json";
    if (std::filesystem::exists(state)) {
      re::train::require_same_options(state.string(), run, re::io::read_json(state));
    } else {
      std::filesystem::create_directories(parts_);
      re::io::write_json(state, run);
    }
  }
  [[nodiscard]] const re::model::Role& role() const {
    return options_.role == "query" ? model_.query_role() : model_.document_role();
  }
  [[nodiscard]] std::filesystem::path part(re::Index number) const {
    char name[32];
    std::snprintf(name, sizeof name, "%08td.npy", number);
    return parts_ / name;
  }
  void finish_shard(re::Progress& progress) {
    if (shard_.empty()) {
      return;
    }
    const auto file = part(next_++);
    if (std::filesystem::exists(file)) {  // of an earlier run; a part appears whole
      progress.advance(static_cast<re::Index>(shard_.size()));
    } else {
      const std::vector<std::string_view> texts(shard_.begin(), shard_.end());
      re::Matrix<float> vectors(static_cast<re::Index>(texts.size()), model_.dim());
      const auto start = std::chrono::steady_clock::now();
      tokens_ += model_.encode(role(), texts, vectors.view(), &progress);
      seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      progress.note(std::to_string(static_cast<long long>(static_cast<double>(tokens_) / seconds_)) + " tokens/s");
      re::io::write_npy(file, vectors.view());
    }
    shard_.clear();
  }
  void join() {
    re::io::NpyWriter writer(options_.out, model_.dim());
    for (re::Index number = 0; number < next_; ++number) {
      const re::Matrix<float> rows = re::io::read_npy(part(number));
      writer.append(rows.view());
    }
    writer.finish();
    std::filesystem::remove_all(parts_);
    std::printf("%td texts, %td numbers each, in %s\n", texts_, model_.dim(), options_.out.c_str());
  }

  EncodeOptions options_;
  std::filesystem::path parts_;
  re::model::AnyTextEncoder<B> model_;
  std::vector<std::string> shard_;
  re::Index texts_ = 0;
  re::Index next_ = 0;
  re::Index tokens_ = 0;
  double seconds_ = 0.0;
};

// The ten encoders that a directory may hold are compiled once for each precision, in a file of its own.
void encode_in_float32(const EncodeOptions& options);
void encode_in_bfloat16(const EncodeOptions& options);
void encode_in_rounded_bfloat16(const EncodeOptions& options);
void encode_in_int8(const EncodeOptions& options);

inline void register_encode(CLI::App& app) {
  CLI::App* command = app.add_subcommand("encode", "Turns a file of texts into a file of vectors; killed, it goes on.");
  auto options = std::make_shared<EncodeOptions>();
  command->option_defaults()->always_capture_default();
  command->add_option("--model", options->model, "directory of Hugging Face or sentence-transformers")->required();
  command->add_option("--role", options->role, "what the texts are")->check(CLI::IsMember({"query", "document"}));
  command->add_option("--task", options->task, "what a query asks for: Instruct: TASK, Query: TEXT");
  command->add_option("--in", options->in, "JSON Lines")->required();
  command->add_option("--out", options->out, "NumPy file, one row a text")->required();
  command->add_option("--field", options->field, "of a line that holds the text");
  command->add_flag("--corpus", options->corpus, "the lines are documents, with titles where they have some");
  command->add_option("--pooling", options->pooling, "mean, cls or lasttoken, where the directory does not say");
  command
      ->add_option(
          "--dtype", options->dtype, "of weights; bfloat16 takes half the memory, int8 a quarter and the least time")
      ->check(CLI::IsMember({"float32", "bfloat16", "int8"}));
  command
      ->add_option(
          "--products",
          options->products,
          "what activations are rounded to before a product with weights in bfloat16: bfloat16 is quicker, and "
          "less exact")
      ->check(CLI::IsMember({"float32", "bfloat16"}));
  command->add_option("--verify", options->verify, "how much of the model's vector contract is checked")
      ->check(CLI::IsMember({"off", "fast", "full"}));
  command->add_option("--threads", options->threads, "0 takes one per hardware thread");
  command->add_option("--shard", options->shard, "texts a part")->check(CLI::PositiveNumber);
  command->callback([options] {
    const bool rounds = options->products == "bfloat16";
    if (rounds && options->dtype != "bfloat16") {
      throw CLI::ValidationError("--products", "bfloat16 needs --dtype bfloat16");
    }
    if (options->dtype == "float32") {
      encode_in_float32(*options);
    } else if (options->dtype == "int8") {
      encode_in_int8(*options);
    } else {
      rounds ? encode_in_rounded_bfloat16(*options) : encode_in_bfloat16(*options);
    }
  });
}

}  // namespace replicate
