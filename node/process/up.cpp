// The loop of `fastptm up`: signals, ended children, readiness, planned restarts.
#include "node/process/up.hpp"

#include <algorithm>
#include <csignal>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/host_memory.hpp"
#include "core/log.hpp"
#include "core/network_address.hpp"
#include "node/environment.hpp"
#include "node/process/host_limits.hpp"

namespace fastptm::node {

namespace {

// A node ends itself by its watchdog after the configured time; this much later it is killed.
constexpr core::duration_us kill_margin_us = 1'000'000;

std::string ending(int status) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
    return "was killed (signal 9): by somebody, or by the kernel for want of memory (memory.max, dmesg)";
  if (WIFSIGNALED(status)) return fmt::format("died of signal {}", WTERMSIG(status));
  return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

// The last line of a log, for a reason that a node could not say itself.
std::string last_line(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) return {};
  auto end = text->find_last_not_of("\n ");
  if (end == std::string::npos) return {};
  const auto begin = text->find_last_of('\n', end);
  return core::printable(text->substr(begin == std::string::npos ? 0 : begin + 1, end - begin), 300);
}

} // namespace

node_keeper::node_keeper(const cluster_config& config, const state_folder& folder, up_options options, progress say)
    : config_(config), folder_(folder), options_(std::move(options)), say_(std::move(say)) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&wanted, number);
  signals_ = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  find_own_nodes();
}

// A name that does not resolve is an error even when its node may be another machine's: which one it is cannot be told.
void node_keeper::find_own_nodes() {
  std::map<std::string, bool> is_own; // a name server is asked once for each
  for (const auto& node : config_.nodes) {
    const auto [known, added] = is_own.try_emplace(node.address, false);
    if (added) {
      const auto all = core::resolve(node.address);
      if (!all) return fail_start(fmt::format("node '{}': {}", node.name, all.error().message));
      known->second =
          std::any_of(all->begin(), all->end(), [](const auto& each) { return !core::interface_of(each).empty(); });
    }
    if (!known->second) continue;
    nodes_.emplace_back();
    nodes_.back().config = &node;
  }
}

node_keeper::~node_keeper() {
  stop();
  if (signals_ >= 0) ::close(signals_);
}

// -- one node ---------------------------------------------------------------------------------------------------------

void node_keeper::launch(kept_node& node) {
  node.restart_at_us = 0;
  node.ready_at_us = 0;
  node.parser = {};
  node.started_at_us = core::monotonic_now_us();
  const auto& name = node.config->name;
  auto started = start_child(
      {.arguments = {"node", options_.config_file.string(), "--name", name, "--state", folder_.path().string()},
       .environment = missing_environment(config_, *node.config),
       .log_file = folder_.log_file(name)});
  if (!started) {
    say_(fmt::format("{}: cannot be started: {}", name, started.error().message));
    if (starting_) return fail_start(fmt::format("{}: {}", name, started.error().message));
    node.restart_at_us = node.started_at_us + node.restarts.on_exit(0);
    return;
  }
  node.pid = started->pid;
  node.readiness = started->readiness;
}

void node_keeper::on_readiness(kept_node& node) {
  char bytes[512];
  const auto length = ::read(node.readiness, bytes, sizeof bytes);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const auto outcome = node.parser.feed({bytes, static_cast<size_t>(std::max<ssize_t>(length, 0))});
  if (length <= 0 || outcome != readiness_parser::outcome::none) {
    ::close(node.readiness);
    node.readiness = -1;
  }
  if (outcome == readiness_parser::outcome::ready) {
    node.ready_at_us = core::monotonic_now_us();
    say_(fmt::format("{}: ready, pid {}, {:.2f} s", node.config->name, node.pid,
                     static_cast<double>(node.ready_at_us - node.started_at_us) / 1e6));
  } else if (outcome == readiness_parser::outcome::failed) {
    say_(fmt::format("{}: {}", node.config->name, node.parser.why()));
    if (starting_) fail_start(fmt::format("{}: {}", node.config->name, node.parser.why()));
  }
}

void node_keeper::on_ended(kept_node& node, int status) {
  const auto now = core::monotonic_now_us();
  if (node.readiness >= 0) on_readiness(node); // its last words
  if (node.readiness >= 0) ::close(std::exchange(node.readiness, -1));
  node.pid = 0;
  if (stopping_) return;
  if (starting_) {
    const auto& name = node.config->name;
    fail_start(fmt::format("{}: {}: {}; see {}", name, ending(status), last_line(folder_.log_file(name)),
                           folder_.log_file(name).string()));
    return;
  }
  const auto delay = node.restarts.on_exit(node.ready_at_us == 0 ? 0 : now - node.ready_at_us);
  node.restart_at_us = now + delay;
  say_(fmt::format("{}: {}, starts again in {} ms", node.config->name, ending(status), delay / 1000));
}

void node_keeper::fail_start(std::string why) {
  if (!start_failure_) start_failure_ = std::move(why);
}

// -- the loop ---------------------------------------------------------------------------------------------------------

void node_keeper::reap() {
  int status = 0;
  for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto node = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& each) { return each.pid == pid; });
    if (node != nodes_.end()) on_ended(*node, status);
  }
}

void node_keeper::signal_all(int number) const {
  for (const auto& node : nodes_) {
    if (node.pid != 0) ::kill(node.pid, number);
  }
}

bool node_keeper::on_hang_up() {
  if (!options_.log.on_hang_up()) return false;
  signal_all(SIGHUP);
  return true;
}

bool node_keeper::step(core::time_us until_us) {
  std::vector<pollfd> watched{{signals_, POLLIN, 0}};
  for (auto& node : nodes_) {
    if (node.restart_at_us != 0) until_us = std::min(until_us, node.restart_at_us);
    watched.push_back({node.readiness, POLLIN, 0}); // a negative descriptor is skipped
  }
  const auto wait_us = std::clamp<core::duration_us>(until_us - core::monotonic_now_us(), 0, 60'000'000);
  ::poll(watched.data(), watched.size(), static_cast<int>((wait_us + 999) / 1000));

  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (watched[i + 1].revents != 0) on_readiness(nodes_[i]);
  }
  bool go_on = true;
  signalfd_siginfo signal{};
  while (::read(signals_, &signal, sizeof signal) == sizeof signal) {
    const bool harmless = signal.ssi_signo == SIGCHLD || (signal.ssi_signo == SIGHUP && on_hang_up());
    go_on = go_on && harmless;
  }
  reap();
  const auto now = core::monotonic_now_us();
  for (auto& node : nodes_) {
    if (go_on && node.restart_at_us != 0 && node.restart_at_us <= now) launch(node);
  }
  return go_on;
}

bool node_keeper::all_ready() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node.ready_at_us != 0; });
}

core::result<void> node_keeper::start() {
  if (start_failure_) return core::fail(core::errc::unavailable, *start_failure_);
  if (nodes_.empty()) {
    return core::fail(core::errc::invalid,
                      "no node of this configuration has an address of this machine: nothing to start");
  }
  uint64_t memory_bytes = 0; // each node asks for its own, and cannot see what its neighbours will take
  for (const auto& node : nodes_) memory_bytes += needs_of(config_, *node.config).memory_bytes;
  if (auto enough = core::check_memory(memory_bytes, "the nodes of this machine", "lower arenaMib or hostCacheMib");
      !enough)
    return enough;
  const auto deadline = core::monotonic_now_us() + options_.start_timeout_us;
  for (auto& node : nodes_) launch(node);
  while (!all_ready() && !start_failure_) {
    if (!step(deadline)) {
      stop();
      return core::fail(core::errc::cancelled, "stopped by a signal before all nodes were ready: start it again");
    }
    if (core::monotonic_now_us() >= deadline) {
      const auto late =
          std::find_if(nodes_.begin(), nodes_.end(), [](const auto& node) { return node.ready_at_us == 0; });
      fail_start(fmt::format("{}: not ready after {} s: {}; see {}", late->config->name,
                             options_.start_timeout_us / 1'000'000, last_line(folder_.log_file(late->config->name)),
                             folder_.log_file(late->config->name).string()));
    }
  }
  starting_ = false;
  if (!start_failure_) return {};
  stop();
  return core::fail(core::errc::unavailable, *start_failure_);
}

void node_keeper::keep() {
  while (step(core::monotonic_now_us() + 60'000'000)) {
  }
  stop();
}

void node_keeper::stop() {
  const auto running = [this] {
    return std::count_if(nodes_.begin(), nodes_.end(), [](const auto& node) { return node.pid != 0; });
  };
  if (running() > 0) say_(fmt::format("stopping {} nodes", running()));
  stopping_ = true;
  signal_all(SIGTERM);
  signal_all(SIGCONT); // a stopped process would not see the signal above
  auto deadline = core::monotonic_now_us() + config_.liveness.shutdown_us + kill_margin_us;
  while (running() > 0) {
    pollfd watched{signals_, POLLIN, 0};
    ::poll(&watched, 1, 50);
    signalfd_siginfo signal{};
    while (::read(signals_, &signal, sizeof signal) == sizeof signal) {
    }
    reap();
    if (core::monotonic_now_us() < deadline) continue;
    say_("some nodes do not stop: killing them");
    signal_all(SIGKILL);
    deadline = core::monotonic_now_us() + kill_margin_us;
  }
}

} // namespace fastptm::node
