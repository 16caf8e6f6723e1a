// `fastptm down`: asks the running `up` to stop everything, and waits for it.
#include <cerrno>
#include <csignal>

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.hpp"
#include "node/commands/commands.hpp"
#include "node/commands/output.hpp"
#include "node/state_folder.hpp"

namespace fastptm::node::commands {

namespace {

constexpr int patience_ms = 15'000; // beyond a node's own watchdog and the keeper's kill

int pidfd_open(int pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}
int pidfd_send_signal(int descriptor, int number) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, descriptor, number, nullptr, 0));
}

bool wait_end(int descriptor, int milliseconds) {
  pollfd watched{descriptor, POLLIN, 0};
  return ::poll(&watched, 1, milliseconds) == 1;
}

int run(const std::string& state) {
  const auto lock = std::filesystem::path(state) / "lock";
  const auto pid = file_lock::holder(lock);
  if (!pid) {
    say("nothing runs here");
    return 0;
  }
  const int process = *pid > 0 ? pidfd_open(*pid) : -1;
  // The pid is the holder's only if it still holds the lock now that the descriptor pins the process.
  if (process < 0 || file_lock::holder(lock) != pid) {
    if (process >= 0) ::close(process);
    if (!file_lock::holder(lock)) return 0;
    return failed({core::errc::busy, fmt::format("{} is just starting: try again", state)});
  }
  pidfd_send_signal(process, SIGTERM);
  pidfd_send_signal(process, SIGCONT);
  bool ended = wait_end(process, patience_ms);
  if (!ended) {
    // The kernel kills its children with it.
    pidfd_send_signal(process, SIGKILL);
    ended = wait_end(process, 5'000);
  }
  ::close(process);
  if (!ended) return failed({core::errc::internal, fmt::format("pid {} does not end, not even by SIGKILL", *pid)});
  return 0;
}

} // namespace

void add_down(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("down", "Stop in order what `up` started; fine when nothing runs");
  auto state = std::make_shared<std::string>(state_folder::default_path().string());
  command->add_option("--state", *state, "The state folder given to `up`")->capture_default_str();
  command->callback([state, &chosen] { chosen = [state] { return run(*state); }; });
}

} // namespace fastptm::node::commands
