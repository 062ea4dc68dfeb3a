#pragma once
/// @file `reasonembed synthesize`: from a corpus and a language model to training rows.
#include "synthesis_config.hpp"
#include "synthesize.hpp"
#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <string>

namespace replicate {

struct SynthesizeOptions {
  std::string config = {};
  bool print_prompts = false;
};

inline void synthesize(const SynthesizeOptions& options) {
  const SynthesisConfig config = read_synthesis_config(options.config, [](TomlSection&) {});
  if (options.print_prompts) {
    print_generation_prompts(config, stdout);
    return;
  }
}

inline void add_synthesize(CLI::App& app) {
  CLI::App* command = app.add_subcommand("synthesize", "Makes training rows of a corpus; killed, it goes on.");
  auto options = std::make_shared<SynthesizeOptions>();
  command->add_option("--config", options->config, "TOML file, see docs/remixer.md")->required();
  command->add_flag("--print-prompts", options->print_prompts, "prints the generation prompts and asks nobody");
  command->callback([options] { synthesize(*options); });
}

}  // namespace replicate
