#include "inspect.hpp"

#include "commands.hpp"

void replicate::add_inspect(CLI::App& app) {
  register_inspect(app);
}
