// Signals as calls.
#include "node/process/stop_signal.hpp"

#include <chrono>
#include <thread>

#include <unistd.h>

#include "core/log.hpp"

namespace fastptm::node {

namespace {

constexpr int wake_up = SIGUSR1;

} // namespace

stop_signal::stop_signal() {
  sigemptyset(&signals_);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, wake_up}) sigaddset(&signals_, number);
  ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

void stop_signal::fail(core::error why) {
  {
    const core::mutex_lock guard(mutex_);
    if (!failure_) failure_ = std::move(why);
  }
  nudge();
}

void stop_signal::nudge() {
  ::kill(::getpid(), wake_up);
}

core::result<void> stop_signal::wait(const std::function<void()>& on_nudge, const std::function<bool()>& on_hang_up) {
  for (int number = 0;;) {
    {
      const core::mutex_lock guard(mutex_);
      if (failure_) return core::fail(*failure_);
    }
    if (::sigwait(&signals_, &number) != 0) continue;
    if (number == SIGHUP && on_hang_up()) continue;
    if (number != wake_up) return {};
    on_nudge();
  }
}

watchdog::watchdog(core::duration_us limit_us) {
  std::thread([limit_us] {
    std::this_thread::sleep_for(std::chrono::microseconds(limit_us));
    core::log::error("node", "watchdog", "the ordered stop took longer than {} ms: ending at once", limit_us / 1000);
    ::_exit(3);
  }).detach();
}

} // namespace fastptm::node
