// What one load did: the facts behind a line of `fastptm loads`. Times are this process's monotonic clock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "policy/sourcing.hpp"

namespace fastptm::weights {

// One after the other, without gap or overlap; the names are those of weights/load/stage_clock.hpp. Ahead of the
// loader's stages come those of its callers: decide, queue, evict, bind.
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
  uint64_t rate_bps = 0;      // bytes per second over the time it was asked for anything
  uint64_t estimate_bps = 0;  // of its next chunk, as the plan had it at the end
  core::time_us start_us = 0; // it was asked for something first; 0: it never was
  core::time_us end_us = 0;   // its last bytes came
  bool failed = false;
  std::string failure; // why, for logs
};

// What a link has carried for the load: all of its sources together.
struct link_report {
  std::string node; // it comes from there
  std::string path;
  uint64_t bytes = 0;
  uint64_t rate_bps = 0;      // while bytes came over it
  core::time_us since_us = 0; // it could have carried something for this load
  bool is_disk = false;       // of that node
  bool is_where_calibrated = true;
};

// The link that bounded the load: that which needed the longest for its bytes if it ran as fast as is known of it.
struct link_limit {
  std::string link;          // its path
  std::string from;          // node
  uint64_t rate_bps = 0;     // as last known; 0: it carried nothing
  uint32_t fraction_ppm = 0; // the rate reached over it
  bool is_measured = false;  // by loads over it; else at the start of the head, of the path
  bool is_disk = false;
};

struct load_report {
  uint64_t bytes_moved = 0;
  uint32_t verified_chunks = 0;
  uint32_t bad_chunks = 0;
  uint32_t refetched_chunks = 0;
  core::time_us start_us = 0; // sources were known
  core::time_us end_us = 0;
  std::vector<load_stage> stages; // from the loader's making to its last event
  std::vector<source_report> sources;
  std::vector<link_report> links;
  link_limit limit;
};

} // namespace fastptm::weights
