// Deficit round robin over time.
#include "policy/turns.hpp"

#include <algorithm>

namespace fastptm::policy {

namespace {

// Who came within it counts as there: a tenant of a few requests a second, too.
constexpr core::duration_us lately_us = 1'000'000;

} // namespace

bool turns::may_go(tenant_index tenant) const {
  return !tenants_.has(tenant) || !tenants_[tenant].is_known || tenants_[tenant].credit_us > 0;
}

void turns::charge(tenant_index tenant, core::duration_us cost_us, core::time_us now) {
  auto& of = tenants_.grow_to(tenant);
  if (!std::exchange(of.is_known, true)) of.credit_us = part_us(now);
  of.credit_us -= cost_us;
  of.came_us = now;
}

core::time_us turns::next_round_us(core::time_us now) const {
  return count_active(now) > 1 ? std::max(now, round_began_us_ + round_us_) : now;
}

void turns::begin_round(core::time_us now) {
  round_began_us_ = now;
  const auto part = part_us(now);
  for (auto& of : tenants_) of.credit_us = std::min(of.credit_us + part, part);
}

uint32_t turns::count_active(core::time_us now) const {
  return static_cast<uint32_t>(std::count_if(tenants_.begin(), tenants_.end(), [now](const entry& of) {
    return of.is_known && of.came_us + lately_us > now;
  }));
}

core::duration_us turns::part_us(core::time_us now) const {
  return round_us_ / std::max<core::duration_us>(1, count_active(now));
}

} // namespace fastptm::policy
