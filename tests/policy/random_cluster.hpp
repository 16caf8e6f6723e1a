// A cluster that does everything a cluster can do to a scheduling core, from a seed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "tests/policy/watched_core.hpp"

namespace fastptm::policy::scheduling {

struct case_result {
  std::vector<std::string> problems;
  uint64_t transcript = 0;
  uint64_t requests = 0, finished = 0, refused = 0;
};

// One case: a cluster of random size and knobs; requests, completions in any order, failures, losses, false reports,
// a clock that jumps back; then everything is let finish, which must come to an end.
// `corrupt` changes the core's commands on their way: a planted fault.
case_result run_case(std::string_view strategy, uint64_t seed, uint32_t steps,
                     std::function<commands(const commands&)> corrupt = {});

} // namespace fastptm::policy::scheduling
