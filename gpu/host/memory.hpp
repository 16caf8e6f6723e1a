// Anonymous memory of this process: 2 MiB aligned, huge pages where the kernel gives them.
#pragma once

#include <cstdint>
#include <thread>

#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "core/mutex.hpp"

namespace fastptm::gpu::host {

inline constexpr uint64_t huge_page_bytes = 2u << 20;

// Owns the mapping. Move-only.
class mapping {
public:
  // Zeroed; rounded up to huge_page_bytes. Pages come when they are first written, or by populate() and page_warmer.
  // errc::does_not_fit when the system has not that much memory.
  static core::result<mapping> make(uint64_t size_bytes);

  mapping(mapping&& other) noexcept;
  mapping& operator=(mapping&& other) noexcept;
  ~mapping();

  core::memory_region region() const { return region_; }

private:
  explicit mapping(core::memory_region region) : region_(region) {}
  core::memory_region region_;
};

// Brings every page into memory now, whatever else writes there meanwhile. Where the kernel cannot, pages still come
// when they are first written.
void populate(core::memory_region region);

// Populates a region from its start, as far as it is asked to, on a thread of its own with a tenth of the weight of what
// computes. The kernel takes up to 3 ms for a MiB that the machine did not have before; who comes before the warmer
// waits for its own pages only. Not all at once: a machine that starts many devices has better use for its cores, and
// memory that is never used is others'.
class page_warmer {
public:
  explicit page_warmer(core::memory_region region);
  ~page_warmer(); // stops within one step
  page_warmer(const page_warmer&) = delete;
  page_warmer& operator=(const page_warmer&) = delete;

  // Any thread; less than before changes nothing.
  void reach(uint64_t bytes);

private:
  void run();

  const core::memory_region region_;
  core::mutex mutex_; // of what is wanted, never held while pages come
  core::condition changed_;
  uint64_t wanted_bytes_ FASTPTM_GUARDED_BY(mutex_) = 0;
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::thread thread_; // last: uses the others
};

} // namespace fastptm::gpu::host
