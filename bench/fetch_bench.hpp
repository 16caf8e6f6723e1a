// `fastptm bench fetch`: how fast weights travel between real processes of this host, beside the bare limit.
#pragma once

#include <cstdint>

#include "core/error.hpp"
#include "transport/fetcher.hpp"

namespace fastptm::bench {

struct fetch_bench_options {
  transport::path way = transport::path::map; // map, cma or tcp
  uint64_t bytes = 256 << 20;
  unsigned sources = 1;      // processes that hold all the bytes
  bool verify = true;        // with the production loader; off: the same plan and fetchers, nothing checked
  unsigned repetitions = 9;  // pairs of bare and fetched, after one that is not counted
  unsigned copy_threads = 2; // map and cma
};

struct fetch_bench_result {
  uint64_t rate_bps = 0;      // bytes per second, medians
  uint64_t bare_bps = 0;      // memcpy by one thread; for tcp a loopback socket between two threads
  uint32_t fraction_ppm = 0;  // median of the pairs' ratios
  uint64_t cpu_us_per_gb = 0; // of all processes together
};

// Forks the sources: call it before this process has threads. Sets UCX's environment where it is not set.
core::result<fetch_bench_result> run_fetch_bench(const fetch_bench_options& options);

} // namespace fastptm::bench
