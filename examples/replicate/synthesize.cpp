#include "commands.hpp"
#include "synthesize_commands.hpp"

void replicate::add_synthesize(CLI::App& app) {
  register_synthesize(app);
}
