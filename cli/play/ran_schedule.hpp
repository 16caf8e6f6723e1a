// The schedule that really ran, drawn up from answers and the accounts of loads, with the constants measured in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "sim/replay.hpp"

namespace fastptm::cli {

// One answered request. `sent` and `answered` are on the client's clock, the others on the device's.
struct ran_request {
  uint32_t request = 0, model = 0; // Numbers of the trace.
  core::time_us sent_us = 0, answered_us = 0;
  std::string device;
  uint64_t batch = 0;
  core::time_us batch_end_us = 0;
  core::duration_us run_us = 0; // Pure execution of its batch, until batch_end_us.
};

// One load that succeeded, on the device's clock.
struct ran_load {
  std::string device;
  uint32_t model = 0;
  core::time_us began_us = 0, ready_us = 0, left_us = 0; // left_us: 0 if it is still there
};

// The tightest that every row keeps: a schedule is checked against them.
struct measured_constants {
  core::duration_us exec_base_us = 0, exec_us = 0; // No batch of b took less than base + b * exec.
  core::duration_us switch_us = 0;                 // No load took less.
  uint32_t max_batch = 1, resident = 1, copy_engines = 1;
  uint32_t layers = 1; // Parts of a load; 1: no batch began before its load had ended.
};

struct ran_schedule {
  sim::schedule log; // Times since `start_us` of the client.
  measured_constants constants;
  bool some_left = false; // Of all accounts, older ones too: a device was full once, so constants.resident is its room.
  uint64_t cut_batches = 0; // Began so far ahead of the end of a load longer than switch_us that part is not claimed.
};

// Lanes and pools are devices in the order of their names. A device's clock is the client's where that agrees with the
// causes of things (one machine), else shifted by the least that makes no request run before it was sent. Execution
// that waited for parts of its load stands at its end without the pauses. Fails with errc::not_found when the load of a
// batch is not among the accounts.
core::result<ran_schedule> draw_up(const std::vector<ran_request>& requests, std::vector<ran_load> loads,
                                   core::time_us start_us);

// For `replay TRACE` and the published checker, e.g. "--exec-ms 1.25 ...".
std::string check_options(const measured_constants& c);

} // namespace fastptm::cli
