#pragma once
/// @file The commands of the program, each group of which is a file of its own.
#include <CLI/CLI.hpp>

namespace replicate {

void add_inspect(CLI::App& app);
void add_encode(CLI::App& app);
void add_export(CLI::App& app);
void add_calibrate(CLI::App& app);
void add_synthesize(CLI::App& app);
void add_report(CLI::App& app);
void add_distill(CLI::App& app);

}  // namespace replicate
