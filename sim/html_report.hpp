// One self-contained page about a replay: what the lanes did, what waited and how long, other policies beside it.
#pragma once

#include <string>
#include <vector>

#include "core/error.hpp"
#include "sim/replay.hpp"

namespace fastptm::sim {

struct report_run {
  std::string policy;
  replay_result result;
};

// The first run is the one shown in detail. Requires: at least one.
std::string html_report(const std::string& title, const trace& t, uint32_t lanes, const replay_costs& costs,
                        const std::vector<report_run>& runs);

} // namespace fastptm::sim
