// Which faults happen when in a run: decided by the seed before it begins, so that any of them can be left out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "sim/world/world.hpp"

namespace fastptm::sim::world {

enum class fault_kind : uint8_t {
  kill,
  freeze,
  head_pause,
  head_death,
  slow_link,
  cut,
  liar,
  refusal,
  late_wire,
  stuck_wire,
  broken_wire,
  manifest_flip,
  arena_flip,
  cache_flip,
  slow_disk,
  failing_disk,
  object_rot,
  manifest_rot,
  publication
};

struct planned_fault {
  fault_kind kind{};
  core::time_us at_us = 0; // since the run's start
  core::time_us until_us = 0;
  uint32_t node = 0;   // a worker; of the data plane: beyond the last worker it is the head
  uint32_t other = 0;  // of a cut
  uint64_t choice = 0; // for what is chosen when it happens
};

std::string to_text(const planned_fault& what, uint32_t workers);

// In order of time.
std::vector<planned_fault> plan_faults(const scenario& what, uint64_t seed);

} // namespace fastptm::sim::world
