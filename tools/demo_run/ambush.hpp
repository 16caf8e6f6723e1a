// Kills a worker with SIGKILL while it is drained and the source of a running load, and watches how that load ends.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::demo {

struct ambush_report {
  std::string victim;                       // the node that was killed
  std::string device, model;                // whose load it was the source of
  core::duration_us recovered_us = 0;       // from the kill to the end of that load
  std::string finished_from;                // the sources that gave the rest
  uint32_t attempts = 0;                    // kills until one hit a load that was still running
  std::optional<core::duration_us> back_us; // from the kill to the worker being ready again
};

// Drains the fullest device for half a second, so that others load its sets from it, again and again until a kill has
// hit or `stop` is set. Asks the administration port all the time meanwhile.
core::result<ambush_report> kill_a_source(const std::string& state_folder, const std::atomic<bool>& stop);

} // namespace fastptm::demo
