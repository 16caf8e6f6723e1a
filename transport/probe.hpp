// The limits that loads are measured against: the same bytes moved by nothing but a memcpy, a socket or a disk.
#pragma once

#include <filesystem>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/memory_region.hpp"

namespace fastptm::transport {

// Each returns how long it took, at least 1. Target and source are of one size, present in memory.
core::duration_us bare_memcpy_us(core::memory_region target, core::memory_region source);
// One loopback TCP connection between two threads, in the pieces that move most.
core::result<core::duration_us> bare_socket_us(core::memory_region target, core::memory_region source);
// Whole files past the page cache, eight reads of 4 MiB in flight. Requires: target is aligned to 4 KiB, every file is
// a multiple of 4 KiB, and together they fit into the target.
core::result<core::duration_us> bare_disk_us(const std::vector<std::filesystem::path>& files,
                                             core::memory_region target);
// The same with one read after another, as where the kernel refuses io_uring. One file.
core::result<core::duration_us> bare_pread_us(const std::filesystem::path& path, core::memory_region target);

} // namespace fastptm::transport
