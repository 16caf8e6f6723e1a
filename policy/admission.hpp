// May a tenant's request come in? Bounds of requests in flight, per tenant and in all, with a hint when to try again.
#pragma once

#include <cstdint>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"

namespace fastptm::policy {

struct tenant_limits {
  uint32_t in_flight = 256;                           // Admitted and not yet answered.
  core::duration_us longest_deadline_us = 60'000'000; // Later deadlines are taken as this: a queue must drain.
};

struct admission_verdict {
  bool accepted = false;
  core::duration_us retry_after_us = 0; // Refused: when a place is likely free, from the pace of the tenant's answers.
  core::time_us deadline_us = 0;        // Accepted: the deadline to use.
};

// One thread at a time. Tenants are dense indices; one that was never added has the default limits.
class admission {
public:
  explicit admission(uint32_t all_in_flight) : all_limit_(all_in_flight) {}

  void set_limits(core::tenant_id tenant, const tenant_limits& limits);
  // Counts the request as in flight when accepted: finish it with `answered`, once.
  admission_verdict ask(core::tenant_id tenant, core::time_us now, core::time_us deadline_us);
  void answered(core::tenant_id tenant, core::time_us now);

  uint32_t in_flight(core::tenant_id tenant) const;
  uint32_t in_flight() const { return all_; }

private:
  struct entry {
    tenant_limits limits;
    uint32_t in_flight = 0;
    core::time_us last_answer_us = 0;
    core::duration_us mean_gap_us = 0; // Between answers, smoothed; 0: nothing known.
  };
  entry& of(core::tenant_id tenant);
  static core::duration_us retry_after(const entry& t);

  uint32_t all_limit_;
  uint32_t all_ = 0;
  std::vector<entry> tenants_;
};

} // namespace fastptm::policy
