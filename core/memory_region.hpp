// Borrowed bytes: where devices and transports meet without knowing each other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastptm::core {

enum class memory_kind : uint8_t {
  host,   // ordinary memory of this process
  pinned, // host memory registered with an accelerator
  device  // memory of an accelerator; the address means nothing to the host
};

// Does not own. Whoever hands one out says how long it lives.
struct memory_region {
  std::byte* address = nullptr;
  uint64_t size_bytes = 0;
  memory_kind kind = memory_kind::host;

  // Requires: offset_bytes + length_bytes <= size_bytes.
  memory_region slice(uint64_t offset_bytes, uint64_t length_bytes) const {
    return {address + offset_bytes, length_bytes, kind};
  }
};

} // namespace fastptm::core
