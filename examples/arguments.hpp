#pragma once
/// @file The command line of the example programs, and how their errors are shown.
#include <reasonembed/data/find_dataset.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/model/text_encoder.hpp>
#include <reasonembed/simd/cpu_features.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <string>

namespace examples {

namespace re = reasonembed;

struct Arguments {
  std::string data = REASONEMBED_EXAMPLE_DATA;
  std::string train_split = "train";
  std::string eval_split = "test";
  std::string query_field = "";
  std::string reasoning_field = "";
  std::string model = "";
  bool from_scratch = false;
  int epochs = 3;
  int seeds = 3;
  int threads = 0;
  std::string save = "quickstart-model";
  std::string report = "quickstart.json";
  std::string command = "";  ///< as it was typed

  [[nodiscard]] re::model::TextEncoderOptions encoder_options() const { return {.threads = threads}; }
  /// Reads one split of the dataset, and says how large it is and what is unusual about it.
  [[nodiscard]] re::data::RetrievalDataset read(const std::string& split) const {
    auto dataset =
        re::data::read_retrieval_dataset(re::data::find_dataset(data), {split, query_field, reasoning_field});
    for (const std::string& note : dataset.notes) {
      std::fprintf(stderr, "%s\n", note.c_str());
    }
    std::printf("%s: %td documents, %td queries\n", split.c_str(), dataset.corpus.size(), dataset.queries.size());
    return dataset;
  }
};

/// Reads the command line, calls `program(arguments)`, and shows what it throws. @return the exit status
template <class Program>
int run(int argc, char** argv, const char* description, const Program& program) try {
  re::simd::require_compiled_level();
  Arguments arguments;
  CLI::App app(description);
  app.option_defaults()->always_capture_default();
  app.add_option("--data", arguments.data, "directory of a dataset, or a name in $REASONEMBED_DATA");
  app.add_option("--train-split", arguments.train_split, "queries to learn from");
  app.add_option("--eval-split", arguments.eval_split, "queries to score");
  app.add_option("--query-field", arguments.query_field, "a query's text; else text, query or question");
  app.add_option("--reasoning-field", arguments.reasoning_field, "its reasoning; else reasoning_query");
  app.add_option("--model", arguments.model, "directory of a BERT-family encoder; else all-MiniLM-L6-v2");
  app.add_flag("--from-scratch", arguments.from_scratch, "a small causal decoder with random weights, not --model");
  app.add_option("--epochs", arguments.epochs, "visits of the training queries");
  app.add_option("--seeds", arguments.seeds, "runs of each loss");
  app.add_option("--threads", arguments.threads, "0 takes one per hardware thread");
  app.add_option("--save", arguments.save, "where the last model goes");
  app.add_option("--report", arguments.report, "JSON file; the same as .html and run files lie beside it");
  CLI11_PARSE(app, argc, argv);
  for (int i = 0; i < argc; ++i) {
    arguments.command += (i == 0 ? "" : " ") + std::string(argv[i]);
  }
  program(arguments);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

}  // namespace examples
