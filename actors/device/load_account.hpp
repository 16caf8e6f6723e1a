// How the time of a device's load is told: what came ahead of its transfer, the transfer's own stages, what was hidden.
#pragma once

#include <string>
#include <vector>

#include "core/clock.hpp"
#include "protocol/reports/loads.hpp"
#include "weights/load/load_report.hpp"

namespace fastptm::actors {

// All but decided_us on the clock of the node, none before the one above it.
struct load_times {
  core::duration_us decided_us = 0; // what the scheduler took
  core::time_us ordered_us = 0;     // the order came
  core::time_us room_us = 0;        // it waited for nothing any more but for what leaves the device
  core::time_us begun_us = 0;       // for nothing any more
  core::time_us bound_us = 0;       // its shards had their places in memory

  // What a report counts from: when the scheduler began to decide, had its message taken no time.
  core::time_us start_us() const { return ordered_us - decided_us; }
};

// From 0 to the load's end, without gap or overlap.
std::vector<protocol::load_stage> stages_of(const load_times& times, const weights::load_report& report);

// The stage that took the most of the time, all parts of one name together.
std::string longest_stage(const std::vector<protocol::load_stage>& stages);

// A batch on the device: from when to when, and how much of that it waited for shards.
struct computing {
  core::time_us from_us = 0, until_us = 0;
  core::duration_us waited_us = 0;
};

// How much of the time between these two it computed. What it waited is taken to lie between them: loads are what it
// waits for.
core::duration_us computed_us(const computing& batch, core::time_us from_us, core::time_us until_us);

} // namespace fastptm::actors
