// What rules that know more, or less, than a scheduler would load into the same memories: figures to compare with.
#pragma once

#include <cstdint>

#include "sim/workload.hpp"

namespace fastptm::sim {

// How the sets to give up are chosen, and with them the memory.
enum class memory_rule : uint8_t {
  least_recent, // LRU: the memory whose victims were used longest ago.
  known_rates,  // Those asked for least often in the whole workload, per byte: best where requests are independent,
                // since a load costs the same per byte (A0 of Coffman and Denning 1973, with sizes).
  known_future  // Those not asked for longest (Belady 1966): no rule without knowledge of the future comes near.
};

struct rule_loads {
  uint64_t loads = 0, bytes = 0;
};

// A request for a set that no memory holds loads it where most is free, or else where the rule loses least. No time, no
// copies: whatever a deadline asks for comes on top. Deterministic.
rule_loads load_by_rule(const workload& w, uint32_t memories, uint64_t memory_bytes, memory_rule rule);

} // namespace fastptm::sim
