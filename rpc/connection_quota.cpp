// Counts by tenant, and what is above everybody's own part.
#include "rpc/connection_quota.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace fastptm::rpc {

connection_quota::connection_quota(connection_quota_limits limits)
    : limits_(limits), own_(limits.all / 2 / std::max(1u, limits.tenants)),
      common_(limits.all - own_ * limits.tenants) {}

core::result<void> connection_quota::enter(const std::string& tenant) {
  const auto mine = of(tenant);
  if (mine >= limits_.each) {
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("{} has {} connections open, which is its limit: close some, or send more requests "
                                  "on each",
                                  tenant, mine));
  }
  if (mine >= own_ && in_common_ >= common_) {
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("all tenants together have reached the limit of {} connections, and {} has {}: "
                                  "close some, or try again later",
                                  limits_.all, tenant, mine));
  }
  if (mine >= own_) ++in_common_;
  ++open_[tenant];
  return {};
}

void connection_quota::leave(const std::string& tenant) {
  auto& mine = open_[tenant];
  if (mine > own_) --in_common_;
  --mine;
}

uint32_t connection_quota::of(const std::string& tenant) const {
  const auto found = open_.find(tenant);
  return found == open_.end() ? 0 : found->second;
}

} // namespace fastptm::rpc
