// Anonymous memory of this process: 2 MiB aligned, huge pages where the kernel gives them.
#pragma once

#include <cstdint>
#include <thread>

#include "core/clock.hpp"
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

// Populates on a thread of its own: after a delay, because a machine that starts many devices has better use for its
// cores, and with a tenth of the weight of what computes. The kernel takes up to 3 ms for a MiB that the machine did
// not have before; who comes before the warmer waits for its own pages only.
class page_warmer {
public:
  page_warmer(core::memory_region region, core::duration_us delay_us);
  ~page_warmer(); // stops within one step
  page_warmer(const page_warmer&) = delete;
  page_warmer& operator=(const page_warmer&) = delete;

private:
  void run();

  const core::memory_region region_;
  const core::duration_us delay_us_;
  core::mutex mutex_; // only of the stop
  core::condition stopped_;
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::thread thread_; // last: uses the others
};

} // namespace fastptm::gpu::host
