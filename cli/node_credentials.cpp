// `fastptm node-credentials`: what the machine of another node needs to join, as a folder.
#include "node/node_credentials.hpp"

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/log.hpp"
#include "node/config/config.hpp"

namespace fastptm::cli {

namespace {

struct options {
  std::string config;
  std::string node;
  std::string state = node::state_folder::default_path().string();
  std::string out;
};

core::result<void> write(const options& from) {
  const auto config = node::load_config(from.config);
  if (!config) return core::fail(config.error());
  if (config->find_node(from.node) == nullptr) {
    return core::fail(core::errc::not_found, fmt::format("{} has no node '{}': its nodes are those under `nodes`",
                                                         from.config, core::printable(from.node)));
  }
  std::vector<std::string> tenants;
  tenants.reserve(config->tenants.size());
  for (const auto& tenant : config->tenants) tenants.push_back(tenant.name);
  const auto folder = node::state_folder::create(from.state, tenants);
  if (!folder) return core::fail(folder.error());
  return node::write_credentials(*folder, from.node, from.out);
}

int run(const options& from) {
  if (const auto written = write(from); !written) return failed(written.error());
  print_line(
      fmt::format("{}: a state folder for the machine of node '{}', with its key and the cluster's secret: copy it "
                  "there, where nobody else may read it, and start with `--state`",
                  from.out, from.node));
  return 0;
}

} // namespace

void add_node_credentials(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("node-credentials", "Make the state folder of a node on another machine");
  auto from = std::make_shared<options>();
  command->add_option("CONFIG", from->config, "The configuration of the cluster")->required();
  command->add_option("NODE", from->node, "Which node of it")->required();
  command->add_option("--state", from->state, "State folder of the machine where the cluster began")
      ->capture_default_str();
  command->add_option("--out", from->out, "Where to write: a new folder, or one with another node of that machine")
      ->required();
  command->footer("Example:\n  fastptm node-credentials cluster-configs/two-hosts.capnp worker-b --out for-worker-b");
  command->callback([from, &chosen] { chosen = [from] { return run(*from); }; });
}

} // namespace fastptm::cli
