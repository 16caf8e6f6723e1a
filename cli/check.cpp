// `fastptm check`: reads a configuration and says what is wrong with it.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "node/config/config.hpp"

namespace fastptm::cli {

namespace {

int run(const std::string& file) {
  const auto config = node::load_config(file);
  if (!config) return failed(config.error());
  size_t devices = 0;
  for (const auto& node : config->nodes) devices += node.devices.size();
  print_line(fmt::format("{}: {} nodes, {} devices, {} tenants, strategy {}: good", file, config->nodes.size(), devices,
                         config->tenants.size(), config->scheduling.strategy));
  return 0;
}

} // namespace

void add_check(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("check", "Read and check a configuration; errors as file:line: what");
  auto file = std::make_shared<std::string>();
  command->add_option("CONFIG", *file, "Cap'n Proto text, e.g. cluster-configs/one-host.capnp")->required();
  command->footer("Example:\n  fastptm check cluster-configs/one-host.capnp");
  command->callback([file, &chosen] { chosen = [file] { return run(*file); }; });
}

} // namespace fastptm::cli
