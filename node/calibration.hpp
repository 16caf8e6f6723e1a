// What this host's memory, loopback network and disk carry at most: what loads are held against.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/memory_region.hpp"
#include "policy/scheduling/options.hpp"
#include "protocol/joining.hpp"

namespace fastptm::node {

// Takes about a tenth of a second of processor time. `folder` lies on the disk to measure and gets a file for that
// time; `disk_path` is how the store reads it, io_uring or pread. `spare` is memory that nobody uses yet and that is
// written to; where it is less than 64 MiB, that much is taken for that time. A path that cannot be measured is left
// out. On a busy machine the figures are what was left of it.
std::vector<protocol::link_rate> calibrate(const std::filesystem::path& folder, std::string_view disk_path,
                                           core::memory_region spare);

// What the scheduler expects of loads within a host until some were measured. Between hosts nothing is known at the start.
void begin_with(const std::vector<protocol::link_rate>& links, policy::scheduling::options& expected);

} // namespace fastptm::node
