// The scenarios by name.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/world/world.hpp"

namespace fastptm::sim::world {

const std::vector<scenario>& scenarios() {
  static const std::vector<scenario> all = [] {
    std::vector<scenario> made(8);
    made[0].name = "steady";
    made[1].name = "rolling_kill";
    made[1].faults.kills = 20;
    made[2].name = "slow_link";
    made[2].faults.slow_links = 20;
    made[3].name = "partition";
    made[3].faults.cuts = 20;
    made[4].name = "head_pause";
    made[4].faults.head_pauses = 10;
    made[5].name = "liar";
    made[5].faults.liars = 20;
    made[6].name = "bit_rain";
    made[6].faults.arena_flips = 60;
    made[6].faults.cache_flips = 60;
    made[7].name = "everything";
    made[7].faults = {.kills = 5,
                      .freezes = 4,
                      .head_pauses = 2,
                      .slow_links = 3,
                      .cuts = 3,
                      .liars = 3,
                      .arena_flips = 6,
                      .cache_flips = 6};
    return made;
  }();
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
