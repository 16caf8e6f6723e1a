// How a load explains itself: the rows of `fastptm loads`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/loading.hpp"

namespace fastptm::protocol {

struct load_stage {
  std::string name;     // decide, plan, evict, first_byte, verify, first_layer, done
  int64_t start_us = 0; // since the order
  int64_t end_us = 0;
};
template <class I> typename I::result_type inspect(I& f, load_stage& x) {
  return fields(f, "load_stage", x.name, x.start_us, x.end_us);
}

struct source_report {
  std::string kind; // same_device, peer_device, peer_host, host_cache, disk, origin
  std::string node;
  std::string path; // map, cma, tcp, io_uring, ...; empty for same_device
  uint64_t bytes = 0;
  uint32_t chunks = 0;
  uint64_t rate_bps = 0; // bytes per second
  bool failed = false;
};
template <class I> typename I::result_type inspect(I& f, source_report& x) {
  return fields(f, "source_report", x.kind, x.node, x.path, x.bytes, x.chunks, x.rate_bps, x.failed);
}

struct link_limit {
  std::string link;
  uint64_t rate_bps = 0;
  uint64_t fraction_ppm = 0;
};
template <class I> typename I::result_type inspect(I& f, link_limit& x) {
  return fields(f, "link_limit", x.link, x.rate_bps, x.fraction_ppm);
}

struct load_report {
  core::load_id id;
  std::string model;
  std::string device;
  load_reason reason = load_reason::request;
  bool ok = false;
  std::string error;
  uint64_t bytes_total = 0;
  uint64_t bytes_shared = 0; // already on the device, for other models
  uint64_t bytes_moved = 0;
  int64_t wall_us = 0;
  int64_t ordered_us = 0; // on the clock of the device's machine; the stages count from here
  int64_t left_us = 0;    // when its bytes were free again; 0: it has not left
  uint32_t verified_chunks = 0;
  uint32_t bad_chunks = 0;
  uint32_t refetched_chunks = 0;
  std::vector<load_stage> stages;
  std::vector<source_report> sources;
  link_limit limit;
};
template <class I> typename I::result_type inspect(I& f, load_report& x) {
  return fields(f, "load_report", x.id, x.model, x.device, x.reason, x.ok, x.error, x.bytes_total, x.bytes_shared,
                x.bytes_moved, x.wall_us, x.ordered_us, x.left_us, x.verified_chunks, x.bad_chunks, x.refetched_chunks,
                x.stages, x.sources, x.limit);
}

// A load that has found its sources and has not ended.
struct running_load {
  core::load_id id;
  std::string model;
  std::string device;
  std::vector<std::string> peers; // devices it may read from
};
template <class I> typename I::result_type inspect(I& f, running_load& x) {
  return fields(f, "running_load", x.id, x.model, x.device, x.peers);
}

struct running_list {
  std::vector<running_load> rows; // at most one per device
};
template <class I> typename I::result_type inspect(I& f, running_list& x) {
  return fields(f, "running_list", x.rows);
}

struct load_list {
  std::vector<load_report> rows; // newest last
};
template <class I> typename I::result_type inspect(I& f, load_list& x) {
  return fields(f, "load_list", x.rows);
}

} // namespace fastptm::protocol
