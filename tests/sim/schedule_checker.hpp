// What a schedule must obey, written from the rules alone: shares nothing with the replay but the rows it looks at.
#pragma once

#include <string>
#include <vector>

#include "sim/replay.hpp"

namespace fastptm::sim {

// Problems of a schedule, each a sentence; empty: a good one. `policy` only says which load time holds.
//   lanes do one thing at a time · a load is as long as said, and a pool has so many engines · a pool holds so many
//   sets · a batch runs on a set that is there (or is coming, in parts) · of 1..max requests of its model that have
//   arrived, for as long as it takes · every request is in exactly one batch · the metrics are those of the rows
std::vector<std::string> problems_of(const trace& t, const std::string& policy, uint32_t lanes, const replay_costs& c,
                                     const replay_result& r);

// No schedule whatever is better than these. Time and loads hold for all options; late ones for one set per lane, no
// batches and no pipelining, else 0.
struct lower_bounds {
  double total_ms = 0, mean_ms = 0;
  uint64_t loads = 0, late = 0;
};
lower_bounds bounds_of(const trace& t, const std::string& policy, uint32_t lanes, const replay_costs& c);

} // namespace fastptm::sim
