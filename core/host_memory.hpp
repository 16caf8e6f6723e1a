// Memory that this process may still take: the machine's, and its control group's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::core {

struct available_memory {
  uint64_t bytes = 0;
  std::string limit; // what bounds it, and where: for a message
};

// The smaller of MemAvailable and what memory.max of the control group and those above it leaves; the page cache counts
// as free. Nothing: neither can be read. `root` stands before /proc and /sys, for tests.
std::optional<available_memory> find_available_memory(const std::filesystem::path& root = "/");

// does_not_fit when that much is not available: names the limit and ends with the way out. Taking more would not fail
// but have some process killed. What cannot be known is allowed.
result<void> check_memory(uint64_t bytes, std::string_view what, std::string_view way_out);

} // namespace fastptm::core
