// How many requests the scheduler actor takes through its mailbox: `fastptm bench scheduler`.
#pragma once

#include <cstdint>

namespace fastptm::bench {

struct scheduler_bench_options {
  uint64_t requests = 400'000; // of each repetition
  uint32_t devices = 8;
  uint32_t models = 32;     // of equal size; the devices have room for each of them twice
  unsigned repetitions = 7; // after one that is not counted
};

struct scheduler_bench_result {
  uint64_t requests_per_s = 0;  // accepted, decided, run by a double, answered: median
  uint64_t decision_ns_p50 = 0; // of the core, about everything that waited in the mailbox
  uint64_t decision_ns_p99 = 0;
  double requests_per_decision = 0;
  uint64_t loads = 0;
  uint64_t failed = 0; // requests that did not end as they should
};

// The real scheduler in a real actor system, as a node runs it. The devices are doubles: they do nothing and answer at
// once. One sender keeps 1024 requests under way, as tenants do.
scheduler_bench_result run_scheduler_bench(const scheduler_bench_options& options);

} // namespace fastptm::bench
