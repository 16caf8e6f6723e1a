// `fastptm down`: asks the running `up` to stop everything, and waits for it.
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/clock.hpp"
#include "node/state_folder.hpp"

namespace fastptm::cli {

namespace {

constexpr core::duration_us patience_us = 15'000'000; // beyond a node's own watchdog and the keeper's kill
constexpr core::duration_us kill_patience_us = 5'000'000;
constexpr core::duration_us start_patience_us = 2'000'000; // from taking the lock to owning it
constexpr auto pause = std::chrono::milliseconds(20);

// The `up` that holds the lock. A pid descriptor pins it; where the kernel or a container refuses these, the lock tells
// right before each signal that the pid is still its holder's.
class running_up {
public:
  running_up(std::filesystem::path lock, int pid)
      : lock_(std::move(lock)), pid_(pid), descriptor_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  ~running_up() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  running_up(const running_up&) = delete;
  running_up& operator=(const running_up&) = delete;

  bool holds_lock() const { return node::file_lock::holder(lock_) == pid_; }

  void signal(int number) const {
    if (!holds_lock()) return;
    if (descriptor_ < 0 || ::syscall(SYS_pidfd_send_signal, descriptor_, number, nullptr, 0) != 0) ::kill(pid_, number);
  }

  bool wait_end(core::duration_us limit_us) const {
    const auto end_us = core::monotonic_now_us() + limit_us;
    while (holds_lock()) {
      if (core::monotonic_now_us() >= end_us) return false;
      pause_or_end();
    }
    return true;
  }

private:
  void pause_or_end() const {
    pollfd watched{descriptor_, POLLIN, 0}; // a negative descriptor only waits
    ::poll(&watched, 1, static_cast<int>(pause.count()));
  }

  const std::filesystem::path lock_;
  const int pid_;
  const int descriptor_;
};

// 0 while it starts; nothing when nobody holds the lock.
std::optional<int> wait_for_owner(const std::filesystem::path& lock) {
  const auto give_up_us = core::monotonic_now_us() + start_patience_us;
  auto pid = node::file_lock::holder(lock);
  while (pid == 0 && core::monotonic_now_us() < give_up_us) {
    std::this_thread::sleep_for(pause);
    pid = node::file_lock::holder(lock);
  }
  return pid;
}

int run(const std::string& state) {
  const auto lock = std::filesystem::path(state) / "lock";
  const auto pid = wait_for_owner(lock);
  if (!pid) {
    say("nothing runs here");
    return 0;
  }
  if (*pid == 0) {
    return failed({core::errc::busy, fmt::format("{} is held by a process that cannot be seen from here: run `fastptm "
                                                 "down` where `up` was started, in the same container",
                                                 lock.string())});
  }
  const running_up process(lock, *pid);
  process.signal(SIGTERM);
  process.signal(SIGCONT);
  if (process.wait_end(patience_us)) return 0;
  process.signal(SIGKILL); // the kernel kills its children with it
  if (process.wait_end(kill_patience_us)) return 0;
  return failed(
      {core::errc::internal,
       fmt::format("pid {} does not end, not even by SIGKILL: look what it waits for in /proc/{}/stack", *pid, *pid)});
}

} // namespace

void add_down(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("down", "Stop in order what `up` started; fine when nothing runs");
  auto state = std::make_shared<std::string>(node::state_folder::default_path().string());
  command->add_option("--state", *state, "The state folder given to `up`")->capture_default_str();
  command->footer("Waits until all has stopped; what does not stop by then is killed.\n"
                  "Example:\n  fastptm down --state /tmp/demo");
  command->callback([state, &chosen] { chosen = [state] { return run(*state); }; });
}

} // namespace fastptm::cli
