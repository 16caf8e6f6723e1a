// Counting requests in flight and estimating when one ends.
#include "policy/admission.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::policy {

namespace {
// Hints outside this range help nobody: shorter ones are a busy loop, longer ones leave capacity unused.
constexpr core::duration_us least_retry_us = 1'000;
constexpr core::duration_us most_retry_us = 5'000'000;
constexpr core::duration_us unknown_retry_us = 100'000;
} // namespace

void admission::set_limits(core::tenant_id tenant, const tenant_limits& limits) {
  of(tenant).limits = limits;
}

admission_verdict admission::ask(core::tenant_id tenant, core::time_us now, core::time_us deadline_us) {
  entry& t = of(tenant);
  if (t.in_flight >= t.limits.in_flight || all_ >= all_limit_) return {.retry_after_us = retry_after(t)};
  ++t.in_flight;
  ++all_;
  return {.accepted = true, .deadline_us = std::min(deadline_us, now + t.limits.longest_deadline_us)};
}

void admission::answered(core::tenant_id tenant, core::time_us now) {
  entry& t = of(tenant);
  core::check(t.in_flight > 0, "answered a request that was never admitted");
  --t.in_flight;
  --all_;
  if (t.last_answer_us > 0) {
    const core::duration_us gap = std::clamp<core::duration_us>(now - t.last_answer_us, 1, most_retry_us);
    t.mean_gap_us = t.mean_gap_us == 0 ? gap : t.mean_gap_us + (gap - t.mean_gap_us) / 8;
  }
  t.last_answer_us = now;
}

uint32_t admission::in_flight(core::tenant_id tenant) const {
  return tenant.value < tenants_.size() ? tenants_[tenant.value].in_flight : 0;
}

core::duration_us admission::retry_after(const entry& t) {
  if (t.mean_gap_us == 0) return unknown_retry_us;
  return std::clamp(2 * t.mean_gap_us, least_retry_us, most_retry_us);
}

admission::entry& admission::of(core::tenant_id tenant) {
  if (tenant.value >= tenants_.size()) tenants_.resize(tenant.value + 1);
  return tenants_[tenant.value];
}

} // namespace fastptm::policy
