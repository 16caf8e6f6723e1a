// The memory of a device as leases: ranges of its one slab that their holders give back.
#pragma once

#include <cstdint>
#include <utility>

#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "core/slab.hpp"

namespace fastptm::gpu {

class arena;

// A range of an arena until destroyed or released. Move-only; must not outlive its arena.
class lease {
public:
  lease() = default;
  lease(lease&& other) noexcept;
  lease& operator=(lease&& other) noexcept;
  ~lease() { release(); }

  // The leased bytes: what was asked for, rounded up to arena::granule_bytes. Empty after release().
  core::memory_region region() const { return region_; }
  uint64_t offset_bytes() const { return offset_bytes_; }
  explicit operator bool() const { return owner_ != nullptr; }

  // Whoever calls this guarantees that nothing reads or writes the range any more.
  void release() noexcept;

private:
  friend class arena;
  lease(arena& owner, core::memory_region region, uint64_t offset_bytes)
      : owner_(&owner), region_(region), offset_bytes_(offset_bytes) {}

  arena* owner_ = nullptr;
  core::memory_region region_;
  uint64_t offset_bytes_ = 0;
};

// Not thread-safe: owned by the one gpu_worker actor of its device. Does not own the slab's memory, the device does.
class arena {
public:
  static constexpr uint64_t granule_bytes = 4096;

  // Requires: the slab starts at and is a multiple of granule_bytes (the address check is for host memory only).
  explicit arena(core::memory_region slab);
  ~arena(); // Every lease must be gone: a leaked one is a broken invariant.
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  // Best fit. errc::does_not_fit when no free range is large enough; the text says what is free and how large the
  // largest piece is.
  core::result<lease> take(uint64_t size_bytes);
  // At this place, which is where a plan of the room has put it. errc::does_not_fit when not all of it is free.
  core::result<lease> take_at(uint64_t offset_bytes, uint64_t size_bytes);

  uint64_t size_bytes() const { return places_.size_bytes(); }
  uint64_t used_bytes() const { return places_.used_bytes(); }
  uint64_t free_bytes() const { return places_.free_bytes(); }
  uint64_t largest_free_bytes() const { return places_.largest_free_bytes(); }
  // All of it, leased or not: what is registered with transports once.
  core::memory_region slab() const { return memory_; }

private:
  friend class lease;
  lease lease_of(uint64_t offset_bytes, uint64_t size_bytes) {
    return lease(*this, memory_.slice(offset_bytes, size_bytes), offset_bytes);
  }

  core::memory_region memory_;
  core::slab places_;
};

} // namespace fastptm::gpu
