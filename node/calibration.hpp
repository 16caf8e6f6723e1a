// What this host's memory, loopback network and disk carry at most: what loads are held against.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "actors/messages/joining.hpp"

namespace fastptm::node {

// Takes about a quarter of a second and 64 MiB. `folder` lies on the disk to measure and gets a file for that time. A
// path that cannot be measured is left out. On a busy machine the figures are what was left of it.
std::vector<actors::link_rate> calibrate(const std::filesystem::path& folder);

} // namespace fastptm::node
