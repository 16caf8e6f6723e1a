// What a switch costs beyond moving its bytes: `fastptm bench switch`.
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::cli {

struct switch_bench_options {
  std::string model = "synthetic:minilm"; // or a folder
  std::string source = "host_cache";      // peer, host_cache, disk
  std::string path;                       // cma, tcp; map; io_uring. Empty: the first of the source's
  std::string device = "host0";
  unsigned repetitions = 21; // machines are shared: the median of nine moves by a fifth
};

struct switch_bench_result {
  std::string source, path;
  uint64_t bytes = 0;
  core::duration_us resident_us = 0; // a request on a device that has the set
  core::duration_us switch_us = 0;   // the same on one that has not
  core::duration_us load_us = 0;     // of that the load, as it reports itself
  core::duration_us bare_us = 0;     // the same bytes by memcpy, socket or O_DIRECT read
  uint64_t overhead_ppm = 0;
  uint64_t fraction_ppm = 0; // bare over load
};

// Starts real processes; on the main thread. Medians of alternating repetitions.
core::result<switch_bench_result> run_switch_bench(const switch_bench_options& options);

} // namespace fastptm::cli
