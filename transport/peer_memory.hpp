// Reading another process's memory on the same machine, where the kernel allows it (cma).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/clock.hpp"

namespace fastptm::transport {

// One call per piece: the kernel pins the pages of a piece at once, and a piece fits into a core's cache.
inline constexpr uint64_t read_piece_bytes = 512 << 10;

// A range that an asker reads for itself stays pinned that long at most: a copy takes a millisecond, and an asker that
// hangs must not keep its source from evicting. What it reads later may be other bytes.
inline constexpr core::duration_us grant_us = 250'000;

// Whether the kernel lets this process read that one, and whether it is the one we talk to: `expected` lies there.
bool can_read_peer(int64_t pid, uint64_t address, uint64_t expected);

bool read_peer(int64_t pid, uint64_t address, std::byte* target, uint64_t length_bytes);

} // namespace fastptm::transport
