// An indexed heap of the tenants that have work.
#include "policy/fairness.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"

namespace fastptm::policy {

void fairness::set_share(tenant_index tenant, uint32_t share) {
  of(tenant).share = share;
}

void fairness::work_came(tenant_index tenant) {
  entry& t = of(tenant);
  if (t.work++ > 0) return;
  if (!heap_.empty()) floor_us_ = std::max(floor_us_, key(0));
  // Credit for a pause is bounded: else a tenant that slept for an hour could take the cluster for as long.
  t.virtual_us = std::max(t.virtual_us, floor_us_ - 2 * window_us_ / t.share);
  t.position = static_cast<uint32_t>(heap_.size());
  heap_.push_back(tenant);
  sift(t.position);
}

void fairness::work_left(tenant_index tenant) {
  entry& t = of(tenant);
  core::check(t.work > 0, "work left that never came");
  if (--t.work > 0) return;
  const uint32_t hole = t.position;
  floor_us_ = std::max(floor_us_, key(0));
  swap(hole, static_cast<uint32_t>(heap_.size()) - 1);
  heap_.pop_back();
  t.position = no_index;
  if (hole < heap_.size()) sift(hole);
}

void fairness::charge(tenant_index tenant, core::duration_us service_us) {
  entry& t = of(tenant);
  t.service_us += static_cast<double>(service_us);
  t.virtual_us += static_cast<double>(service_us) / t.share;
  if (t.position != no_index) sift(t.position);
}

bool fairness::ahead(tenant_index tenant) const {
  if (heap_.size() < 2 || !tenants_.has(tenant)) return false;
  const entry& t = tenants_[tenant];
  return (t.virtual_us - key(0)) * t.share > window_us_;
}

double fairness::service_us(tenant_index tenant) const {
  return tenants_.has(tenant) ? tenants_[tenant].service_us : 0.0;
}

fairness::entry& fairness::of(tenant_index tenant) {
  return tenants_.grow_to(tenant);
}

void fairness::swap(uint32_t a, uint32_t b) {
  std::swap(heap_[a], heap_[b]);
  tenants_[heap_[a]].position = a;
  tenants_[heap_[b]].position = b;
}

void fairness::sift(uint32_t position) {
  while (position > 0 && key(position) < key((position - 1) / 2)) {
    swap(position, (position - 1) / 2);
    position = (position - 1) / 2;
  }
  for (uint32_t child = 2 * position + 1; child < heap_.size(); child = 2 * position + 1) {
    if (child + 1 < heap_.size() && key(child + 1) < key(child)) ++child;
    if (key(position) <= key(child)) break;
    swap(position, child);
    position = child;
  }
}

} // namespace fastptm::policy
