#include "report.hpp"

#include "commands.hpp"

void replicate::add_report(CLI::App& app) {
  register_report(app);
}
void replicate::add_distill(CLI::App& app) {
  register_distill(app);
}
