// mmap with alignment, madvise and pre-faulting; see memory.hpp.
#include "gpu/host/memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/units.hpp"

namespace fastptm::gpu::host {

namespace {

// MemAvailable of the kernel, 0 when unknown. Touching more would not fail but have some process killed.
uint64_t available_bytes() {
  std::FILE* const file = std::fopen("/proc/meminfo", "re");
  if (file == nullptr) return 0;
  char line[128];
  unsigned long long available_kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "MemAvailable: %llu kB", &available_kib) == 1) break;
  }
  std::fclose(file);
  return available_kib << 10;
}

void touch(std::byte* from, uint64_t size_bytes) {
  const uint64_t page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  for (uint64_t at = 0; at < size_bytes; at += page_bytes) {
    const_cast<volatile std::byte*>(from)[at] = std::byte{0};
  }
}

void touch_by(unsigned threads, core::memory_region region) {
  const uint64_t share_bytes = core::round_up(region.size_bytes / std::max(threads, 1u) + 1, huge_page_bytes);
  std::vector<std::thread> helpers;
  for (uint64_t at = share_bytes; at < region.size_bytes; at += share_bytes) {
    helpers.emplace_back([=] { touch(region.address + at, std::min(share_bytes, region.size_bytes - at)); });
  }
  touch(region.address, std::min(share_bytes, region.size_bytes));
  for (std::thread& helper : helpers) helper.join();
}

} // namespace

core::result<mapping> mapping::make(uint64_t size_bytes, unsigned threads) {
  constexpr uint64_t largest_bytes = uint64_t{1} << 46;
  const uint64_t free_bytes = available_bytes();
  if (size_bytes > largest_bytes || (free_bytes != 0 && size_bytes > free_bytes)) {
    return core::fail(core::errc::does_not_fit,
                      fmt::format("{} bytes of memory asked, {} available on this host: configure "
                                  "less for the device",
                                  size_bytes, free_bytes));
  }
  const uint64_t wanted_bytes = core::round_up(std::max<uint64_t>(size_bytes, 1), huge_page_bytes);
  void* const raw =
      mmap(nullptr, wanted_bytes + huge_page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) {
    if (errno == ENOMEM)
      return core::fail(core::errc::does_not_fit, fmt::format("no {} bytes of address space", wanted_bytes));
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
  touch_by(threads, region);
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

} // namespace fastptm::gpu::host
