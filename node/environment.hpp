// The environment that libraries read when they are loaded; it must stand before a node's process image starts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "node/config/config.hpp"

namespace fastptm::node {

// Set for whoever was started with the environment below, so that a node started by hand can see that it was not.
inline constexpr const char* environment_variable = "FASTPTM_ENVIRONMENT";

// Name and value of what a node needs and this process's own environment does not set.
std::vector<std::pair<std::string, std::string>> missing_environment(const cluster_config& config,
                                                                     const node_config& self);

// Executes this program again with the same arguments in the right environment; returns only when it already is right
// or exec fails. Before threads exist.
void enter_environment(const cluster_config& config, const node_config& self);

} // namespace fastptm::node
