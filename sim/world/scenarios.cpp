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
      {.name = "slow_link", .faults = {.slow_links = 20}},
      {.name = "partition", .faults = {.cuts = 20}},
      {.name = "head_pause", .faults = {.head_pauses = 10}},
      {.name = "liar", .faults = {.liars = 20}},
      {.name = "bit_rain", .faults = {.arena_flips = 60, .cache_flips = 60}},
      {.name = "everything",
       .faults = {.kills = 5,
                  .freezes = 4,
                  .head_pauses = 2,
                  .slow_links = 3,
                  .cuts = 3,
                  .liars = 3,
                  .arena_flips = 6,
                  .cache_flips = 6}},
  };
  return all;
}

core::result<scenario> scenario_named(const std::string& name) {
  const auto found = std::ranges::find(scenarios(), name, &scenario::name);
  if (found != scenarios().end()) return *found;
  std::vector<std::string> names;
  for (const auto& each : scenarios()) names.push_back(each.name);
  return core::fail(core::errc::not_found, fmt::format("no scenario '{}': there are {}", name, fmt::join(names, ", ")));
}

} // namespace fastptm::sim::world
