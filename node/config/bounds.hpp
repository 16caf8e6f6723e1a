// What the numbers of a configuration may be: the schema's $bound annotations.
#pragma once

#include <string>
#include <vector>

#include <capnp/dynamic.h>

namespace fastptm::node {

// What is out of its bounds, one line each: `leaseMs is 600, use 1000 or more: one late heartbeat is no death`. Looks
// at the struct's own numbers only.
std::vector<std::string> out_of_bounds(capnp::DynamicStruct::Reader of);

} // namespace fastptm::node
