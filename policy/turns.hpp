// Whose turn is it on a thread that many tenants use? Its time is dealt out in rounds, the same to each.
#pragma once

#include <cstdint>

#include "core/clock.hpp"
#include "policy/indices.hpp"

namespace fastptm::policy {

// A tenant goes while it has credit, pays for what it did, and waits for the next round when its credit is used up
// (deficit round robin: what was more than the credit is taken from the rounds that follow). A round follows at once as
// long as nobody else came lately; with others it takes its time, so that nobody has more than its part of the thread
// and who comes seldom finds it free within one round. Times are estimates of what work costs. One thread.
class turns {
public:
  explicit turns(core::duration_us round_us) : round_us_(round_us) {}

  bool may_go(tenant_index tenant) const;
  // For work that begins, or for what it turned out to cost besides.
  void charge(tenant_index tenant, core::duration_us cost_us, core::time_us now);

  // When those who wait may go on; begin_round at that time.
  core::time_us next_round_us(core::time_us now) const;
  void begin_round(core::time_us now);

private:
  struct entry {
    core::duration_us credit_us = 0;
    core::time_us came_us = 0; // the latest
    bool is_known = false;
  };
  uint32_t count_active(core::time_us now) const;
  core::duration_us part_us(core::time_us now) const;

  const core::duration_us round_us_;
  core::time_us round_began_us_ = 0;
  table<tenant_index, entry> tenants_;
};

} // namespace fastptm::policy
