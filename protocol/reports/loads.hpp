// How a load explains itself: the rows of `fastptm loads`, in the order and under the names that it prints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "core/ids.hpp"

namespace fastptm::protocol {

// Why bytes are moved.
enum class load_reason : uint8_t { request, prefetch, replica };
FASTPTM_NAMES(load_reason, request, prefetch, replica)

enum class load_outcome : uint8_t { ok, failed };
FASTPTM_NAMES(load_outcome, ok, failed)

// One after the other from 0 to the load's `wall_us`, without gap or overlap: of all that goes on at an instant, it
// belongs to that without which the load would have ended sooner. A name may come more than once.
struct load_stage {
  std::string name; // decide (on the head), queue (behind other loads and repairs of the device), evict (until what
                    // leaves has left), bind (to places in memory), plan (finding sources), disk, await (another
                    // device's load), first_byte (until a source answers), fetch, verify, busy (all sources are), retry
                    // (sources that were asked in vain), done. Moments, of no length: first_layer, first_result (of
                    // the first run; may be after the load)
  int64_t start_us = 0; // since the decision
  int64_t end_us = 0;
};
FASTPTM_FIELDS(load_stage, name, start_us, end_us)

// A kind of source: bytes that were on the device already. Its `path` is empty where models of the same tenant have
// them, too, and this one where only those of others do.
inline constexpr const char* same_device = "same_device";
inline constexpr const char* of_others = "others";

struct source_report {
  std::string kind; // same_device, peer_device, peer_host, host_cache, disk, origin
  std::string node;
  std::string path; // map, cma, tcp, io_uring, ...; of same_device empty, or `others`: for models of other tenants
  uint64_t bytes = 0;
  uint32_t chunks = 0;
  uint64_t rate_bps = 0; // bytes per second
  bool failed = false;
  int64_t start_us = 0; // since the decision: it was asked for something first
  int64_t end_us = 0;   // its last bytes came; 0 as the start: it was not asked
};
FASTPTM_FIELDS(source_report, kind, node, path, bytes, chunks, rate_bps, failed, start_us, end_us)

// The link that bounded a load: that which needs the longest for its bytes. What it can carry, and the share of that which
// was reached.
struct link_limit {
  std::string link;          // its path: map, cma, tcp, io_uring, ...
  uint64_t rate_bps = 0;     // bytes per second, as last known; 0: not known
  uint64_t fraction_ppm = 0; // at most 1,000,000
  std::string from;          // node
  std::string to;            // node; of a disk its own
  bool is_measured = false;  // by loads over this link; else by the head at its start, of the path
};
FASTPTM_FIELDS(link_limit, link, rate_bps, fraction_ppm, from, to, is_measured)

struct load_report {
  core::load_id id;
  std::string model;
  std::string device;
  load_reason reason = load_reason::request;
  load_outcome outcome = load_outcome::failed;
  std::string error;
  uint64_t bytes_total = 0;
  uint64_t bytes_shared = 0; // already on the device, for other models
  uint64_t bytes_moved = 0;
  int64_t wall_us = 0;
  uint32_t verified_chunks = 0;
  uint32_t bad_chunks = 0;
  uint32_t refetched_chunks = 0;
  std::vector<load_stage> stages;
  std::vector<source_report> sources;
  link_limit limit;
  int64_t ordered_us = 0;  // on the clock of the device's machine: the decision; the stages count from here
  int64_t left_us = 0;     // on that clock, when its bytes were free again; 0: it has not left
  std::string critical;    // the stage that took the most of wall_us
  uint64_t hidden_ppm = 0; // of wall_us: meanwhile the device computed, batches of others or layers that had come

  bool ok() const { return outcome == load_outcome::ok; }
};
FASTPTM_FIELDS(load_report, id, model, device, reason, outcome, error, bytes_total, bytes_shared, bytes_moved, wall_us,
               verified_chunks, bad_chunks, refetched_chunks, stages, sources, limit, ordered_us, left_us, critical,
               hidden_ppm)

// A load that has found its sources and has not ended.
struct running_load {
  core::load_id id;
  std::string model;
  std::string device;
  std::vector<std::string> peers; // devices it may read from
};
FASTPTM_FIELDS(running_load, id, model, device, peers)

} // namespace fastptm::protocol
