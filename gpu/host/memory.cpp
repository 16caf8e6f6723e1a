// mmap with alignment and madvise; see memory.hpp.
#include "gpu/host/memory.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "core/host_memory.hpp"
#include "core/units.hpp"

namespace fastptm::gpu::host {

namespace {

constexpr uint64_t step_bytes = huge_page_bytes; // the kernel's lock on the address space is held for one step
constexpr int niceness = 10;                     // a tenth of the weight of what computes

} // namespace

core::result<mapping> mapping::make(uint64_t size_bytes) {
  constexpr uint64_t largest_bytes = uint64_t{1} << 46;
  if (size_bytes > largest_bytes)
    return core::fail(core::errc::does_not_fit, fmt::format("{} bytes are more than any host has", size_bytes));
  if (auto enough = core::check_memory(size_bytes, "device memory", "configure less for the device (arenaMib)");
      !enough)
    return core::fail(enough.error());
  const uint64_t wanted_bytes = core::round_up(std::max<uint64_t>(size_bytes, 1), huge_page_bytes);
  void* const raw =
      mmap(nullptr, wanted_bytes + huge_page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) {
    if (errno == ENOMEM)
      return core::fail(
          core::errc::does_not_fit,
          fmt::format("no {} MiB of address space: raise `ulimit -v` or `ulimit -d`, or configure less for the "
                      "device (arenaMib)",
                      wanted_bytes >> 20));
    return core::fail(core::from_errno(errno, fmt::format("mapping {} bytes", wanted_bytes)));
  }
  // Give back what lies before and behind the aligned part.
  std::byte* const start = static_cast<std::byte*>(raw);
  const uint64_t before_bytes =
      (huge_page_bytes - reinterpret_cast<uintptr_t>(start) % huge_page_bytes) % huge_page_bytes;
  if (before_bytes > 0) munmap(start, before_bytes);
  munmap(start + before_bytes + wanted_bytes, huge_page_bytes - before_bytes);
  const core::memory_region region{start + before_bytes, wanted_bytes, core::memory_kind::host};
  // Refused where the kernel has no huge pages: only slower.
  madvise(region.address, region.size_bytes, MADV_HUGEPAGE);
  return mapping(region);
}

mapping::mapping(mapping&& other) noexcept : region_(std::exchange(other.region_, {})) {}

mapping& mapping::operator=(mapping&& other) noexcept {
  std::swap(region_, other.region_);
  return *this;
}

mapping::~mapping() {
  if (region_.address != nullptr) munmap(region_.address, region_.size_bytes);
}

// -- pages ------------------------------------------------------------------------------------------------------------

void populate(core::memory_region region) {
  madvise(region.address, region.size_bytes, MADV_POPULATE_WRITE);
}

page_warmer::page_warmer(core::memory_region region) : region_(region), thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "page-warmer");
}

page_warmer::~page_warmer() {
  {
    const core::mutex_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void page_warmer::reach(uint64_t bytes) {
  {
    const core::mutex_lock lock(mutex_);
    if (bytes <= wanted_bytes_) return;
    wanted_bytes_ = bytes;
  }
  changed_.notify_one();
}

void page_warmer::run() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness); // of this thread alone, on Linux
  core::mutex_lock lock(mutex_);
  for (uint64_t at = 0; at < region_.size_bytes; at += step_bytes) {
    while (!stopping_ && wanted_bytes_ <= at) changed_.wait(lock);
    if (stopping_) return;
    lock.unlock();
    populate(region_.slice(at, std::min(step_bytes, region_.size_bytes - at)));
    lock.lock();
  }
}

} // namespace fastptm::gpu::host
