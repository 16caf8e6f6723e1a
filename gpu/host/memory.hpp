// Anonymous memory of this process: 2 MiB aligned, huge pages where the kernel gives them, every page touched.
#pragma once

#include <cstdint>

#include "core/error.hpp"
#include "core/memory_region.hpp"

namespace fastptm::gpu::host {

inline constexpr uint64_t huge_page_bytes = 2u << 20;

// Owns the mapping. Move-only.
class mapping {
public:
  // Zeroed; rounded up to huge_page_bytes; touched by `threads` threads, so that no later write meets a page fault.
  // errc::does_not_fit when the system has not that much memory.
  static core::result<mapping> make(uint64_t size_bytes, unsigned threads);

  mapping(mapping&& other) noexcept;
  mapping& operator=(mapping&& other) noexcept;
  ~mapping();

  core::memory_region region() const { return region_; }

private:
  explicit mapping(core::memory_region region) : region_(region) {}
  core::memory_region region_;
};

} // namespace fastptm::gpu::host
