// What tests of the fetch plan do over and over.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/fetch_plan.hpp"

namespace fastptm::policy::tests {

inline constexpr uint64_t chunk = 4ull << 20;
inline constexpr uint64_t gigabyte_per_s = 1'000'000'000;

inline std::vector<chunk_fetch> take_all(fetch_plan& plan, core::time_us now = 0) {
  std::vector<chunk_fetch> taken;
  while (auto next = plan.next(now)) taken.push_back(*next);
  return taken;
}

inline uint32_t add_full_source(fetch_plan& plan, uint32_t shards, source_kind kind, uint64_t rate_bps) {
  const auto source = plan.add_source(kind, rate_bps);
  for (uint32_t i = 0; i < shards; ++i) plan.add_holding(source, i);
  return source;
}

} // namespace fastptm::policy::tests
