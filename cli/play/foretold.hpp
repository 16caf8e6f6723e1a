// What `replay` says about a trace that a cluster has just served, with the costs that were typical of that run.
#pragma once

#include <string>
#include <vector>

#include "cli/play/ran_schedule.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "sim/replay.hpp"
#include "sim/trace.hpp"

namespace fastptm::cli {

// Typical, where ran_schedule's constants are bounds: one time per load, one line for executions.
struct typical_run {
  uint32_t lanes = 1; // Devices that ran or loaded something.
  measured_constants costs;
  std::vector<std::vector<uint32_t>> start; // By device: what it had when the first request came, by model.
};

// `models`: of the trace. Requires: `ran` was drawn up from these requests.
// `start_us`: what it was drawn up from. Executions: the least squares of pure execution over batch size, and the mean
// hand-over from one batch to the next of the same model where that had been waiting. Loads: the mean of those of the
// run, or of the earlier ones where the run had none. Room: the most sets that a device had at once where any ever had
// to go, else all.
typical_run typical_of(const std::vector<ran_request>& requests, const ran_schedule& ran, core::time_us start_us,
                       uint32_t models);

// The production core with the default strategy and knobs, on lanes that take exactly these costs.
core::result<sim::replay_metrics> foretell(const sim::trace& trace, const typical_run& typical);

// For `replay TRACE`, whose requests have `deadline_us` where they bring none; what the devices had at the start cannot
// be said there.
std::string replay_options(const typical_run& typical, double rate, core::duration_us deadline_us);

} // namespace fastptm::cli
