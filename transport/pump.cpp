// Spin, arm, poll.
#include "transport/pump.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/check.hpp"

namespace fastptm::transport {

pump::pump(pumped& driven) : driven_(driven), wake_file_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  core::check(wake_file_ >= 0, "an eventfd can be made");
}

pump::~pump() {
  stop();
  close(wake_file_);
}

void pump::start(const std::string& thread_name, std::function<void()> on_thread_start) {
  core::check(!thread_.joinable(), "a pump is started once");
  thread_ = std::thread([this, hook = std::move(on_thread_start)] { run(hook); });
  pthread_setname_np(thread_.native_handle(), thread_name.substr(0, 15).c_str());
}

void pump::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  wake();
  thread_.join();
}

// Either the pump sees woken_ before it sleeps, or we see sleeping_ and write: both orders are sequentially consistent.
void pump::wake() noexcept {
  woken_.store(true);
  if (!sleeping_.load()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_file_, &one, sizeof one); // full = already readable
}

void pump::run(const std::function<void()>& on_thread_start) {
  if (on_thread_start) on_thread_start();
  unsigned idle_rounds = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const bool woken = woken_.load(std::memory_order_relaxed) && woken_.exchange(false);
    if (driven_.progress() || woken) {
      idle_rounds = 0;
    } else if (++idle_rounds > driven_.spin_rounds()) {
      sleep();
      idle_rounds = 0;
    }
  }
}

void pump::sleep() {
  if (!driven_.arm()) return;
  sleeping_.store(true);
  if (!woken_.load()) {
    pollfd files[] = {{driven_.event_file(), POLLIN, 0}, {wake_file_, POLLIN, 0}};
    const auto limit_ms = std::clamp<core::duration_us>((driven_.sleep_limit_us() + 999) / 1000, 0, 1000);
    poll(files, 2, static_cast<int>(limit_ms)); // a signal or a timeout is a wake-up like any other
  }
  sleeping_.store(false);
  uint64_t count = 0;
  while (read(wake_file_, &count, sizeof count) > 0) {
  }
}

} // namespace fastptm::transport
