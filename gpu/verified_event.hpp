// One shard's "all bytes are here and checked": set once by whoever loads it, waited for by whoever computes with it.
#pragma once

#include <atomic>
#include <optional>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/mutex.hpp"

namespace fastptm::gpu {

// Thread-safe. Held by std::shared_ptr: the loading and the computing side let go in any order.
class verified_event {
public:
  // The first of the two decides; a later call changes nothing.
  void set_ok();
  void set_failed(core::error why);

  // True as soon as the outcome is known, whichever it is. Never blocks.
  bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }
  bool is_ok() const noexcept { return ok_.load(std::memory_order_acquire); }
  bool has_failed() const noexcept { return is_set() && !is_ok(); }

  // Blocks the calling thread (never an actor's) until set or until `give_up_at_us` of core::monotonic_now_us().
  // The failure's error when set_failed; errc::deadline_exceeded when nothing happened in time.
  core::result<void> wait_until(core::time_us give_up_at_us) const;

private:
  void set(std::optional<core::error> failure);

  // Both are written under the mutex, ok_ before set_: a reader that sees set_ sees the outcome.
  std::atomic<bool> set_{false};
  std::atomic<bool> ok_{false};
  mutable core::mutex mutex_;
  mutable core::condition changed_;
  std::optional<core::error> failure_ FASTPTM_GUARDED_BY(mutex_);
};

} // namespace fastptm::gpu
