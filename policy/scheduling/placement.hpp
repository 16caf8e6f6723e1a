// Where to load a set that is needed: which device, and what that costs.
#pragma once

#include "policy/scheduling/board.hpp"

namespace fastptm::policy::scheduling {

// One device as a place for a set. Better is, in this order: the first request can be on time; nothing that others wait
// for has to go; nothing has to go at all; the least of the time until that request is done and the price of what goes.
// So free room elsewhere always beats giving up a set, unless a deadline says otherwise.
struct placement {
  device_index device = no_device;
  room made;
  bool in_time = false;
  double cost_us = 0;

  bool exists() const { return device != no_device; }
  bool better_than(const placement& other) const;
};

// Of the model's first live request on that device, which a lane there takes up after `lane_wait_us`. No placement
// where the set cannot be loaded. Requires: live requests, and that the device does not hold the set.
placement place(const board& b, model_index x, device_index d, duration_us lane_wait_us);

} // namespace fastptm::policy::scheduling
