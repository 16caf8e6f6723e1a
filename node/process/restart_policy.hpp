// When a node that ended is started again. Pure.
#pragma once

#include <algorithm>

#include "core/clock.hpp"

namespace fastptm::node {

// One per node. A node that served comes back at once;
// one that dies again and again before it serves waits longer each time.
class restart_policy {
public:
  static constexpr core::duration_us first_delay_us = 20'000;
  static constexpr core::duration_us longest_delay_us = 5'000'000;
  // A life this long after ready counts as serving: a crash at the first request must not loop at full speed.
  static constexpr core::duration_us settled_us = 500'000;

  // The delay before the next start. `ready_for_us`: how long the node was ready, 0 when it never was.
  core::duration_us on_exit(core::duration_us ready_for_us) {
    if (ready_for_us >= settled_us) delay_us_ = 0;
    delay_us_ = delay_us_ == 0 ? first_delay_us : std::min(2 * delay_us_, longest_delay_us);
    return delay_us_;
  }

private:
  core::duration_us delay_us_ = 0;
};

} // namespace fastptm::node
