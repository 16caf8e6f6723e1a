// The composition root.
#include "node/node.hpp"

#include <csignal>

#include <fmt/format.h>

#include "core/log.hpp"
#include "node/state_folder.hpp"

namespace fastptm::node {

core::result<void> run_node(const node_options& options, readiness_reporter& reporter) {
  const auto* self = options.config.find_node(options.name);
  if (self == nullptr)
    return core::fail(core::errc::not_found, fmt::format("the configuration has no node '{}'", options.name));
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ours, number);
  ::sigprocmask(SIG_BLOCK, &ours, nullptr);
  auto folder = state_folder::open(options.state);
  if (!folder) return core::fail(folder.error());
  auto lock = file_lock::take(folder->run() / (options.name + ".lock"));
  if (!lock) return core::fail(fmt::format("node '{}' already runs", options.name), lock.error());
  lock->write_pid();
  reporter.ready();
  int number = 0;
  ::sigwait(&ours, &number);
  return {};
}

} // namespace fastptm::node
