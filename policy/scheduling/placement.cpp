// The order of places: deadline, others' wishes, free room, cost.
#include "policy/scheduling/placement.hpp"

#include <algorithm>
#include <tuple>

namespace fastptm::policy::scheduling {

namespace {
// A request that will be on time hardly cares when, the cluster cares for bytes that are moved again: where the time
// until it is done counts in full, faster devices lose sets that are worth more than the milliseconds they gain.
constexpr double time_weight = 0.1;
} // namespace

bool placement::better_than(const placement& other) const {
  if (!exists() || !other.exists()) return exists();
  const auto key = [](const placement& p) {
    return std::tuple(!p.in_time, p.made.wanted, p.made.displaces, p.cost_us);
  };
  return key(*this) < key(other);
}

placement place(const board& b, model_index x, device_index d, duration_us lane_wait_us) {
  const room made = b.room_for(x, d);
  if (made.against.why != objection_kind::none) return {};
  const duration_us ready_us = b.engine_wait_us(d) + b.load_us(x, d);
  const duration_us end_us = std::max(lane_wait_us, ready_us) + b.execution_us(x, d, 1);
  return {d, made, b.now() + end_us <= b.head_deadline_us(x),
          time_weight * static_cast<double>(end_us) + made.price_us};
}

} // namespace fastptm::policy::scheduling
