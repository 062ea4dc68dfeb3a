#include "export.hpp"

#include "commands.hpp"

void replicate::add_export(CLI::App& app) {
  register_export(app);
}
