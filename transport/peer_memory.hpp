// Reading another process's memory on the same machine, where the kernel allows it (cma).
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastptm::transport {

// One call per piece: the kernel pins the pages of a piece at once, and a piece fits into a core's cache.
inline constexpr uint64_t read_piece_bytes = 512 << 10;

// Whether the kernel lets this process read that one, and whether it is the one we talk to: `expected` lies there.
bool can_read_peer(int64_t pid, uint64_t address, uint64_t expected);

bool read_peer(int64_t pid, uint64_t address, std::byte* target, uint64_t length_bytes);

} // namespace fastptm::transport
