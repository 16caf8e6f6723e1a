// A one-shot event with an outcome; see verified_event.hpp.
#include "gpu/verified_event.hpp"

#include <algorithm>
#include <chrono>

namespace fastptm::gpu {

void verified_event::set_ok() {
  set(std::nullopt);
}

void verified_event::set_failed(core::error why) {
  set(std::move(why));
}

void verified_event::set(std::optional<core::error> failure) {
  const core::mutex_lock lock(mutex_);
  if (set_.load(std::memory_order_relaxed)) return;
  failure_ = std::move(failure);
  ok_.store(!failure_, std::memory_order_release);
  set_.store(true, std::memory_order_release);
  // Under the lock: the waiter may destroy this object as soon as it can run.
  changed_.notify_all();
}

core::result<void> verified_event::wait_until(core::time_us give_up_at_us) const {
  if (is_ok()) return {};
  core::mutex_lock lock(mutex_);
  while (!set_.load(std::memory_order_relaxed)) {
    const core::duration_us left_us = give_up_at_us - core::monotonic_now_us();
    if (left_us <= 0) return core::fail(core::errc::deadline_exceeded, "the bytes did not arrive in time");
    // In bounded steps: a bound of "never" would overflow the clock's nanoseconds.
    changed_.wait_for(lock, std::chrono::microseconds(std::min<core::duration_us>(left_us, 60'000'000)));
  }
  if (failure_) return core::fail(*failure_);
  return {};
}

} // namespace fastptm::gpu
