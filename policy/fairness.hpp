// Weighted fair shares: who is ahead of its share, counting everything a tenant caused.
#pragma once

#include <cstdint>
#include <vector>

#include "core/clock.hpp"
#include "policy/indices.hpp"

namespace fastptm::policy {

// Virtual time per tenant: service divided by its share (start-time fair queueing with a window). A tenant pays for run
// time, for switches and for moved bytes (as link time). `ahead` means: more than the window of service beyond the
// worst served tenant that has work; such a tenant gets a lane only if nobody else can use it.
//
// Bound: while two tenants both have work, and each one's work could use any lane,
//   service_i / share_i - service_j / share_j  <=  (2 * window + largest single charge_i) / share_i.
// A tenant that comes back after a pause has kept at most two windows of credit: the first makes the others wait for
// it, the second is what it may use before they are let in again. One thread at a time.
class fairness {
public:
  explicit fairness(core::duration_us window_us) : window_us_(static_cast<double>(window_us)) {}

  void set_share(tenant_index tenant, uint32_t share);

  // A request came, or all of it is over. Counted.
  void work_came(tenant_index tenant);
  void work_left(tenant_index tenant);
  void charge(tenant_index tenant, core::duration_us service_us); // Negative: a correction.

  bool ahead(tenant_index tenant) const;
  // Tenants with work; with one, nobody is ahead.
  uint32_t with_work() const { return static_cast<uint32_t>(heap_.size()); }
  // The worst served tenant with work. Requires: with_work() > 0.
  tenant_index last() const { return heap_.front(); }
  double service_us(tenant_index tenant) const; // Charged in all.
  uint32_t share(tenant_index tenant) const { return tenants_.has(tenant) ? tenants_[tenant].share : 1; }

private:
  struct entry {
    uint32_t share = 1;
    uint32_t work = 0;
    uint32_t position = no_index; // In heap_.
    double virtual_us = 0;
    double service_us = 0;
  };
  entry& of(tenant_index tenant);
  void sift(uint32_t position);
  void swap(uint32_t a, uint32_t b);
  double key(uint32_t position) const { return tenants_[heap_[position]].virtual_us; }

  double window_us_;
  double floor_us_ = 0; // The least virtual time of a tenant with work; never falls.
  table<tenant_index, entry> tenants_;
  std::vector<tenant_index> heap_; // With work, least virtual time first.
};

} // namespace fastptm::policy
