// What ends a node: a signal from outside, or a part that cannot go on. The main thread waits here.
#pragma once

#include <csignal>
#include <functional>
#include <optional>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/mutex.hpp"

namespace fastptm::node {

// Blocks SIGTERM, SIGINT, SIGHUP and its own wake-up signal in the calling thread;
// construct it before any other thread.
class stop_signal {
public:
  stop_signal();

  // Any thread, also an actor's: the node cannot go on.
  void fail(core::error why);
  // Any thread: what wait() was told to look for may have happened.
  void nudge();

  // Until SIGTERM, SIGINT or fail(). On this thread, `on_nudge` runs after every nudge, and `on_hang_up` after a
  // SIGHUP: false ends the wait.
  core::result<void> wait(const std::function<void()>& on_nudge, const std::function<bool()>& on_hang_up);

private:
  sigset_t signals_;
  core::mutex mutex_; // fail() comes from actors
  std::optional<core::error> failure_ FASTPTM_GUARDED_BY(mutex_);
};

// Ends the process if it still lives after a while: the actor system's destructor is known to hang at times.
class watchdog {
public:
  explicit watchdog(core::duration_us limit_us);
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
};

} // namespace fastptm::node
