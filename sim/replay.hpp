// One trace against the core and lanes that take exactly the given times: what happened, and how good it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "policy/scheduling/core.hpp"
#include "sim/decision_clock.hpp"
#include "sim/trace.hpp"

namespace fastptm::sim {

// Times in ms; names and defaults are those of the published tools, and of the command line.
struct replay_costs {
  double exec_ms = 29.0;     // Per request of a batch.
  double exec_base_ms = 0.0; // Per batch.
  uint32_t max_batch = 1;
  double switch_ms = 150.0;       // A load: weights to the device.
  double full_switch_ms = 1410.0; // fcfs_full: the whole model is built anew.
  double resident_ms = 0.0;       // Making a resident set the active one.
  double deadline_ms = 3000.0;
  double cold_ms = 0.0;      // First load of a lane, instead of switch_ms.
  uint32_t resident = 1;     // Sets a pool holds.
  bool shared_pool = false;  // One pool for all lanes.
  uint32_t copy_engines = 1; // Per pool.
  uint32_t layers = 1;       // Parts of a load that can be used one after the other.
  bool prefetch = false;
  bool preload = false; // Lanes 1.. start with model i.
  // By pool, what it has at the start, least recently used first. Instead of `preload`, unless empty.
  std::vector<std::vector<uint32_t>> start = {};
  double poll_ms = 10.15;       // The published schedulers look this often.
  double urgent_ms = 1050.0;    // omls
  double hold = 0.0;            // dxv
  double hold_guard_ms = 400.0; // dxv
  double K_ms = 500.0;          // dxv: slack scale; 0: a fifth of the time given
  bool doom = true;             // dxv
};

// What the lanes and pools did, times in us. In the order in which the lines of an export stand.
struct schedule_row {
  enum class kind : char { load = 'L', evict = 'E', batch = 'B' } what = kind::load;
  uint32_t lane = 0, pool = 0, model = 0;
  int64_t start_us = 0, end_us = 0;
  uint32_t first = 0, count = 0; // Of schedule::requests.
};
struct schedule {
  std::vector<schedule_row> rows;
  std::vector<uint32_t> requests;
};

struct replay_metrics {
  uint64_t n = 0, overtime = 0, overtime_paper = 0, switches = 0, loads = 0;
  std::vector<uint64_t> switches_per_instance;
  double total_ms = 0, mean_ms = 0, p50_ms = 0, p99_ms = 0, max_ms = 0, util = 0, goodput_rps = 0;
};

struct replay_result {
  replay_metrics metrics;
  schedule log;
  std::vector<double> start_ms, end_ms; // By request.
  decision_times decisions;
  double wall_ns_per_request = 0;
};

// `policy`: a strategy name, or fcfs_full. Fails with errc::invalid on an unknown policy or costs that cannot be.
core::result<replay_result> replay(const trace& t, const std::string& policy, uint32_t lanes,
                                   const replay_costs& costs);

// Metrics of a schedule, computed from its rows only.
replay_metrics measure(const trace& t, const schedule& log, uint32_t lanes, std::vector<double>& start_ms,
                       std::vector<double>& end_ms);

// The metrics as one JSON object without its closing brace, so that more fields can follow.
std::string to_json(const replay_metrics& m);
core::result<void> export_schedule(const schedule& log, const std::string& file);

} // namespace fastptm::sim
