// What one load did: the facts behind a line of `fastptm loads`. Times are this process's monotonic clock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "policy/sourcing.hpp"

namespace fastptm::weights {

// The loader reports plan, first_byte, fetch, verify and done; decide, evict, bind and first_layer are its callers'.
struct load_stage {
  std::string name;
  core::time_us start_us = 0;
  core::time_us end_us = 0;
};

struct source_report {
  policy::source_kind kind{};
  std::string node;
  std::string path; // map, cma, tcp, io_uring, ...
  uint64_t bytes = 0;
  uint32_t chunks = 0;
  uint64_t rate_bps = 0;     // bytes per second over the time it was asked for anything
  uint64_t estimate_bps = 0; // of its next chunk, as the plan had it at the end
  bool failed = false;
  std::string failure; // why, for logs
};

struct link_limit {
  std::string link;          // the path that needed the most time at its calibrated rate
  uint64_t rate_bps = 0;     // its calibrated rate, 0 = not calibrated
  uint32_t fraction_ppm = 0; // the rate reached over it
};

struct load_report {
  uint64_t bytes_moved = 0;
  uint32_t verified_chunks = 0;
  uint32_t bad_chunks = 0;
  uint32_t refetched_chunks = 0;
  core::time_us start_us = 0;
  core::time_us end_us = 0;
  std::vector<load_stage> stages;
  std::vector<source_report> sources;
  link_limit limit;
};

} // namespace fastptm::weights
