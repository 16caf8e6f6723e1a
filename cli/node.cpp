// `fastptm node`: one node in the foreground, as `up`, Slurm or Kubernetes start it.
#include "node/node.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/log.hpp"
#include "node/environment.hpp"
#include "node/process/readiness.hpp"
#include "node/state_folder.hpp"

namespace fastptm::cli {

namespace {

struct options {
  std::string config;
  std::string name;
  std::string state = node::state_folder::default_path().string();
  bool verbose = false;
};

int run(const options& from) {
  auto config = node::load_config(from.config);
  if (!config) return failed(config.error());
  if (const auto* self = config->find_node(from.name)) node::enter_environment(*config, *self);
  core::log::open(from.name, from.verbose ? core::log::level::debug : core::log::level::info);
  node::readiness_reporter reporter;
  auto log = node::own_log::of_child();
  auto ended = node::run_node({.config = std::move(*config), .name = from.name, .state = from.state}, reporter, log);
  if (ended) return 0;
  reporter.failed(ended.error().message);
  return failed(ended.error());
}

} // namespace

void add_node(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("node", "Run one node in the foreground");
  auto from = std::make_shared<options>();
  command->add_option("CONFIG", from->config, "The configuration of the cluster")->required();
  command->add_option("--name", from->name, "Which node of it")->required();
  command->add_option("--state", from->state, "State folder of this host")->capture_default_str();
  command->add_flag("--verbose", from->verbose, "Log every decision");
  command->footer("SIGTERM stops it in order, its watchdog after shutdownMs. SIGHUP does not end it.\n"
                  "Example:\n  fastptm node cluster-configs/two-hosts.capnp --name worker-b --state /var/lib/fastptm");
  command->callback([from, &chosen] { chosen = [from] { return run(*from); }; });
}

} // namespace fastptm::cli
