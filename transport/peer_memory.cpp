// process_vm_readv.
#include "transport/peer_memory.hpp"

#include <sys/uio.h>

namespace fastptm::transport {

namespace {

iovec in_peer(uint64_t address, uint64_t bytes) {
  return {reinterpret_cast<void*>(address), bytes}; // NOLINT(performance-no-int-to-ptr): of another process
}

} // namespace

bool can_read_peer(int64_t pid, uint64_t address, uint64_t expected) {
  uint64_t found = 0;
  iovec local{&found, sizeof found};
  const auto remote = in_peer(address, sizeof found);
  return process_vm_readv(static_cast<pid_t>(pid), &local, 1, &remote, 1, 0) == sizeof found && found == expected;
}

bool read_peer(int64_t pid, uint64_t address, std::byte* target, uint64_t length_bytes) {
  for (uint64_t have = 0; have < length_bytes;) {
    iovec local{target + have, length_bytes - have};
    const auto remote = in_peer(address + have, length_bytes - have);
    const auto got = process_vm_readv(static_cast<pid_t>(pid), &local, 1, &remote, 1, 0);
    if (got <= 0) return false;
    have += static_cast<uint64_t>(got);
  }
  return true;
}

} // namespace fastptm::transport
