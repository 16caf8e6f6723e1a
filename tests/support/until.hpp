// Waits for what tells nobody when it happens.
#pragma once

#include <thread>

#include "core/clock.hpp"

namespace fastptm::tests {

// Asks again and again, and lets other threads run meanwhile. False: it did not come true in a time that only a lost
// test needs.
template <class Condition> [[nodiscard]] bool until(Condition is_true, core::duration_us patience_us = 10'000'000) {
  const auto give_up_us = core::monotonic_now_us() + patience_us;
  while (!is_true()) {
    if (core::monotonic_now_us() > give_up_us) return false;
    std::this_thread::yield(); // the one place where tests poll
  }
  return true;
}

} // namespace fastptm::tests
