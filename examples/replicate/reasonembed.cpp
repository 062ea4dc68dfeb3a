// The library as a program: `reasonembed inspect MODEL` says what a model directory holds, `reasonembed encode` turns a
// file of texts into a file of vectors, `reasonembed export` writes a model for foreign runtimes, `reasonembed
// calibrate` finds which of its projections bear int8, `reasonembed synthesize` makes training data of a corpus,
// `reasonembed report` judges it, `reasonembed distill` makes a fine-tuning set of annotations. `--help` and `COMMAND
// --help` list the options.
#include <reasonembed/simd/cpu_features.hpp>

#include "commands.hpp"
#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
  reasonembed::simd::require_compiled_level();
  CLI::App app("Text embeddings for reasoning-intensive retrieval.");
  app.require_subcommand(1);
  replicate::add_inspect(app);
  replicate::add_encode(app);
  replicate::add_export(app);
  replicate::add_calibrate(app);
  replicate::add_synthesize(app);
  replicate::add_report(app);
  replicate::add_distill(app);
  CLI11_PARSE(app, argc, argv);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
