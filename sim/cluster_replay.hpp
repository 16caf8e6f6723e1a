// A workload of many models against the core and hundreds of simulated GPUs: who is on time, how fast it decides.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "policy/scheduling/core.hpp"
#include "sim/decision_clock.hpp"
#include "sim/workload.hpp"

namespace fastptm::sim {

struct cluster_options {
  std::string policy = "dxv";
  uint32_t gpus = 256;
  uint32_t gpus_per_node = 8;
  double pool_gb = 40; // Of weights per GPU.
  double rate = 1.0;   // Times the rate of the workload.
  uint32_t max_batch = 8;
  uint32_t copy_engines = 1;
  // GB/s from a GPU of the node, from the node's host memory, from another node.
  std::array<double, policy::expected_source_count> links_gb{300, 50, 40};
  // Speed of execution by kind of GPU; GPU g is of kind g modulo their number.
  std::vector<double> speeds{1.0};
  // The core's first estimates, times what is true. Off from 1, the core is told what batches and loads really took.
  double execution_prior = 1.0, links_prior = 1.0;
  bool refuse_late = true; // Requests that cannot be on time are dropped; else they are served last.
};

struct cluster_result {
  uint64_t requests = 0, on_time = 0, late = 0, dropped = 0, loads = 0;
  uint64_t copies = 0, copied_bytes = 0; // Of `loads`: of sets that another GPU had, or was about to have.
  double goodput_rps = 0, offered_rps = 0;
  uint64_t on_time_ppm = 0, worst_model_ppm = 0, median_model_ppm = 0; // By model: those with 100 requests and more.
  std::array<uint64_t, policy::expected_source_count> bytes_by_source{};
  uint64_t bytes() const;
  uint64_t p50_us = 0, p99_us = 0, p999_us = 0; // Of the served.
  double lane_use = 0, engine_use = 0;
  double requests_per_s_core = 0; // By the CPU time of the replay loop, world included.
  decision_times decisions;       // Sampled: one in eight.
  uint64_t p999_decision_ns = 0;
};

// Single-threaded and deterministic, except for the measured times. Every request ends on time, late or dropped.
core::result<cluster_result> replay_cluster(const workload& w, const cluster_options& chosen);
std::string to_json(const cluster_result& r);

} // namespace fastptm::sim
