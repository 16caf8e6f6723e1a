// Sets UCX's environment, for a child or by executing again.
#include "node/environment.hpp"

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include <unistd.h>

#include "core/log.hpp"
#include "core/network_address.hpp"
#include "transport/ucx/environment.hpp"

namespace fastptm::node {

std::vector<std::pair<std::string, std::string>> missing_environment(const cluster_config& config,
                                                                     const node_config& self) {
  std::vector<std::pair<std::string, std::string>> wanted{
      {environment_variable, "1"},
      {"UCX_TLS", config.transfers.ucx_transports},
  };
  // Only the interface with the node's address: UCX would also try others, which peers may not reach. What does not
  // resolve is told when the node starts.
  const auto own = core::resolve_own(self.address);
  const transport::ucx::environment_options options{.allow_cma = config.transfers.ucx_transports.find("cma") !=
                                                                 std::string::npos,
                                                    .net_devices = own ? core::interface_of(*own) : ""};
  for (const auto& entry : transport::ucx::environment(options)) {
    if (entry.name != "UCX_TLS") wanted.emplace_back(entry.name, entry.value);
  }
  std::erase_if(wanted, [](const auto& entry) { return std::getenv(entry.first.c_str()) != nullptr; });
  return wanted;
}

namespace {

// The arguments of this process as it was started.
std::vector<std::string> own_arguments() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> out;
  for (std::string each; std::getline(in, each, '\0');) out.push_back(each);
  return out;
}

} // namespace

void enter_environment(const cluster_config& config, const node_config& self) {
  if (std::getenv(environment_variable) != nullptr) return;
  auto texts = own_arguments();
  std::vector<char*> arguments;
  arguments.reserve(texts.size() + 1);
  for (auto& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  for (const auto& [name, value] : missing_environment(config, self)) ::setenv(name.c_str(), value.c_str(), 0);
  ::execv("/proc/self/exe", arguments.data());
  core::log::warn("node", "environment", "cannot execute again: {}: UCX runs with its defaults",
                  core::from_errno(errno, "execv").message);
}

} // namespace fastptm::node
