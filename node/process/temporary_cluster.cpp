// A folder below the system's temporary one, and a keeper.
#include "node/process/temporary_cluster.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace fastptm::node {

core::result<std::unique_ptr<temporary_cluster>> temporary_cluster::start(std::string_view config_text) {
  std::error_code trouble;
  auto pattern = (std::filesystem::temp_directory_path(trouble) / "fastptm-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return core::fail(core::from_errno(errno, pattern));
  std::unique_ptr<temporary_cluster> out(new temporary_cluster(pattern));
  if (auto running = out->run(config_text); !running) return core::fail(running.error());
  return out;
}

core::result<void> temporary_cluster::run(std::string_view config_text) {
  const auto file = folder_ / "cluster.capnp";
  if (auto written = write_file(file, config_text, 0600); !written) return written;
  auto config = load_config(file);
  if (!config) return core::fail(config.error());
  config_ = std::move(*config);
  std::vector<std::string> tenants;
  tenants.reserve(config_.tenants.size());
  for (const auto& tenant : config_.tenants) tenants.push_back(tenant.name);
  auto state = state_folder::create(folder_ / "state", tenants);
  if (!state) return core::fail(state.error());
  state_ = std::make_unique<state_folder>(std::move(*state));
  // The keeper learns of ended nodes by this signal; Ctrl-C still ends this process, and with it the nodes.
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  keeper_ = std::make_unique<node_keeper>(config_, *state_, up_options{.config_file = file}, [](std::string_view) {});
  return keeper_->start();
}

temporary_cluster::~temporary_cluster() {
  keeper_.reset();
  std::error_code trouble;
  std::filesystem::remove_all(folder_, trouble);
}

} // namespace fastptm::node
