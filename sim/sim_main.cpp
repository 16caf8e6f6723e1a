// The subcommands of sim/ as a program of their own, for work on policies.
#include <CLI/CLI.hpp>

#include "sim/replay_command.hpp"

int main(int argc, char** argv) {
  CLI::App app("policies without a cluster");
  app.require_subcommand(1);
  fastptm::sim::add_replay_commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& e) {
    return e.get_exit_code();
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return 0;
}
