// Maps exported memory of nodes on this host, read-only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "transport/address.hpp"
#include "transport/cluster_secret.hpp"
#include "transport/exporter.hpp"

namespace fastptm::transport::same_host {

// Unmaps at its end. The bytes stay readable even when their owner dies.
class mapping {
public:
  mapping(const std::byte* address, uint64_t size_bytes) : address_(address), size_bytes_(size_bytes) {}
  ~mapping();
  mapping(const mapping&) = delete;
  mapping& operator=(const mapping&) = delete;

  // Has the kernel enter these pages now: copies that come later take no faults, which would halve their speed.
  void touch(uint64_t offset_bytes, uint64_t length_bytes) const;

  const std::byte* address() const { return address_; }
  uint64_t size_bytes() const { return size_bytes_; }

private:
  const std::byte* const address_;
  const uint64_t size_bytes_;
};

// Blocks, at most a few times `timeout_us`.
core::result<std::shared_ptr<const mapping>> map_region(const peer_address& peer, exported region,
                                                        const cluster_secret& secret, core::duration_us timeout_us);

} // namespace fastptm::transport::same_host
