// The strategies by name.
#pragma once

#include <memory>

#include "policy/scheduling/strategy.hpp"

namespace fastptm::policy::scheduling {

// Each is in strategies/<name>.cpp.
std::unique_ptr<strategy> make_affinity(const options& chosen);

} // namespace fastptm::policy::scheduling
