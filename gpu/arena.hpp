// The one memory slab of a device: leases of any size, best fit, freed neighbours joined again.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/memory_region.hpp"

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

  // errc::does_not_fit when no free range is large enough;
  // the text says what is free and how large the largest piece is.
  core::result<lease> take(uint64_t size_bytes);

  uint64_t size_bytes() const { return slab_.size_bytes; }
  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t free_bytes() const { return slab_.size_bytes - used_bytes_; }
  uint64_t largest_free_bytes() const;
  // All of it, leased or not: what is registered with transports once.
  core::memory_region slab() const { return slab_; }

private:
  friend class lease;
  void give_back(uint64_t offset_bytes, uint64_t size_bytes) noexcept;
  void add_free(uint64_t offset_bytes, uint64_t size_bytes);
  void remove_free(std::map<uint64_t, uint64_t>::iterator range);

  core::memory_region slab_;
  uint64_t used_bytes_ = 0;
  // The same free ranges twice: by offset to join neighbours, by size to find the best fit.
  std::map<uint64_t, uint64_t> free_by_offset_;
  std::set<std::pair<uint64_t, uint64_t>> free_by_size_;
};

} // namespace fastptm::gpu
