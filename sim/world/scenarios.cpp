// The scenarios by name.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/world/world.hpp"

namespace fastptm::sim::world {

const std::vector<scenario>& scenarios() {
  static const std::vector<scenario> all = {
      {.name = "steady"},
      {.name = "rolling_kill", .faults = {.kills = 20}},
      {.name = "head_death", .faults = {.head_deaths = 6}},
      {.name = "head_pause", .faults = {.head_pauses = 10}},
      {.name = "slow_link", .link_bps = 12'000'000, .faults = {.slow_links = 20}},
      // A load may take longer than its timeout, as long as it gets on.
      {.name = "long_loads", .workers = 1, .requests = 200, .link_bps = 800'000, .faults = {.slow_links = 12}},
      {.name = "partition", .faults = {.cuts = 20}},
      {.name = "liar", .faults = {.liars = 20}},
      {.name = "refusals", .faults = {.refusals = 20}},
      {.name = "control_plane", .faults = {.late_wires = 8, .stuck_wires = 8, .broken_wires = 6, .manifest_flips = 4}},
      {.name = "bit_rain", .faults = {.arena_flips = 60, .cache_flips = 60}},
      {.name = "disk", .faults = {.slow_disks = 8, .failing_disks = 8}},
      {.name = "publishing", .faults = {.head_deaths = 3, .object_rots = 6, .manifest_rots = 4, .publications = 6}},
      // Every device is needed, and nobody has anything: what the head sends reaches the others from each other.
      {.name = "cold_start",
       .workers = 200,
       .asked_models = 4,
       .requests = 3'200,
       .asked_within_us = 200'000,
       .duration_us = 12'000'000,
       .run_us = 400'000,
       .link_bps = 400'000,
       .strategy = "least_loaded"},
      {.name = "everything",
       .asks_evenly = true,
       .requests = 1'200,
       .faults = {.kills = 4,
                  .freezes = 3,
                  .head_pauses = 2,
                  .head_deaths = 1,
                  .slow_links = 3,
                  .cuts = 3,
                  .liars = 3,
                  .refusals = 3,
                  .late_wires = 2,
                  .stuck_wires = 2,
                  .broken_wires = 2,
                  .manifest_flips = 1,
                  .arena_flips = 6,
                  .cache_flips = 6,
                  .slow_disks = 1,
                  .failing_disks = 1,
                  .object_rots = 1,
                  .manifest_rots = 1,
                  .publications = 1}},
  };
  return all;
}

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const auto& each : scenarios()) names.push_back(each.name);
  return names;
}

core::result<scenario> scenario_named(const std::string& name) {
  const auto found = std::ranges::find(scenarios(), name, &scenario::name);
  if (found != scenarios().end()) return *found;
  return core::fail(core::errc::not_found,
                    fmt::format("no scenario '{}': there are {}", name, fmt::join(scenario_names(), ", ")));
}

} // namespace fastptm::sim::world
