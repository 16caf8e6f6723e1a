// Adds up the loads of a cluster: bytes by kind of source, bytes saved, and switch time against a bare copy.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace fastptm::demo {

struct load_accounts {
  uint64_t loads = 0, failed = 0;
  std::map<std::string, uint64_t> bytes_by_source; // "peer device over cma" -> bytes
  uint64_t bytes_moved = 0;
  uint64_t bytes_shared = 0; // were on the device already, as shards of other models
  uint64_t verified_chunks = 0, bad_chunks = 0;
  double median_copy_ratio = 0; // wall time of a load over a bare memcpy of its bytes, measured now
};

// Reports of loads with a number above `after`; `last_load` gets the highest number seen.
core::result<load_accounts> add_up_loads(const std::string& state_folder, uint64_t after, uint64_t& last_load);

} // namespace fastptm::demo
