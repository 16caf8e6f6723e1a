// Several clients that play one trace against a running cluster, open loop, and judge every answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "tools/demo_run/trace.hpp"

namespace fastptm::demo {

struct served_model {
  std::string tenant;
  std::string full_name; // acme/minilm@1
};

// Where the cluster is and whom to ask for what.
struct target {
  std::string state_folder;
  std::vector<std::string> tenants;
  std::vector<served_model> models;
  std::vector<std::string> sentences;
};

// [model][sentence] -> the answer that this input had when nothing else was asked.
using reference_answers = std::vector<std::vector<std::vector<float>>>;

struct outcome {
  uint64_t on_time = 0, late = 0, failed = 0, wrong = 0;
  uint64_t loaded = 0;                                    // answers that needed a load
  double worst_distance = 0;                              // relative L2 of the worst answer to its reference
  std::vector<core::duration_us> latency_us;              // of the answered ones, sorted
  std::vector<std::pair<std::string, uint64_t>> failures; // by status
  core::duration_us wall_us = 0;                          // until the last answer

  uint64_t total() const { return on_time + late + failed; }
  core::duration_us latency_quantile_us(double q) const;
};

// Asks every pair once, one at a time.
core::result<reference_answers> ask_alone(const target& where);

// One thread and one connection per tenant and client. `progress` counts answers for whoever shows it.
core::result<outcome> play(const target& where, const std::vector<planned_request>& trace,
                           const reference_answers& expected, uint32_t clients_per_tenant,
                           std::atomic<uint64_t>& progress);

} // namespace fastptm::demo
