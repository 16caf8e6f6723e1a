// Best-fit leases over ordered free lists; see arena.hpp.
#include "gpu/arena.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/units.hpp"

namespace fastptm::gpu {

lease::lease(lease&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), region_(std::exchange(other.region_, {})),
      offset_bytes_(std::exchange(other.offset_bytes_, 0)) {}

lease& lease::operator=(lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  owner_ = std::exchange(other.owner_, nullptr);
  region_ = std::exchange(other.region_, {});
  offset_bytes_ = std::exchange(other.offset_bytes_, 0);
  return *this;
}

void lease::release() noexcept {
  if (owner_ == nullptr) return;
  owner_->give_back(offset_bytes_, region_.size_bytes);
  owner_ = nullptr;
  region_ = {};
  offset_bytes_ = 0;
}

arena::arena(core::memory_region slab) : slab_(slab) {
  core::check(slab.size_bytes % granule_bytes == 0, "an arena is a whole number of granules");
  core::check(slab.kind == core::memory_kind::device || reinterpret_cast<uintptr_t>(slab.address) % granule_bytes == 0,
              "an arena starts on a granule");
  if (slab.size_bytes > 0) add_free(0, slab.size_bytes);
}

arena::~arena() {
  core::check(used_bytes_ == 0, "an arena outlives its leases");
}

core::result<lease> arena::take(uint64_t size_bytes) {
  core::check(size_bytes > 0, "a lease of nothing");
  if (size_bytes > slab_.size_bytes) {
    return core::fail(
        core::errc::does_not_fit,
        fmt::format("{} bytes asked of an arena of {}: give the device a larger arena", size_bytes, slab_.size_bytes));
  }
  const uint64_t wanted_bytes = core::round_up(size_bytes, granule_bytes);
  const auto best = free_by_size_.lower_bound({wanted_bytes, 0});
  if (best == free_by_size_.end()) {
    return core::fail(
        core::errc::does_not_fit,
        fmt::format("{} bytes asked, {} of {} free in the arena, the largest piece {}: evict something first",
                    size_bytes, free_bytes(), slab_.size_bytes, largest_free_bytes()));
  }
  const auto [range_bytes, offset_bytes] = *best;
  remove_free(free_by_offset_.find(offset_bytes));
  if (range_bytes > wanted_bytes) add_free(offset_bytes + wanted_bytes, range_bytes - wanted_bytes);
  used_bytes_ += wanted_bytes;
  return lease(*this, slab_.slice(offset_bytes, wanted_bytes), offset_bytes);
}

uint64_t arena::largest_free_bytes() const {
  return free_by_size_.empty() ? 0 : free_by_size_.rbegin()->first;
}

void arena::give_back(uint64_t offset_bytes, uint64_t size_bytes) noexcept {
  core::check(used_bytes_ >= size_bytes, "more given back than was taken");
  used_bytes_ -= size_bytes;
  auto after = free_by_offset_.lower_bound(offset_bytes);
  core::check(after == free_by_offset_.end() || after->first >= offset_bytes + size_bytes,
              "a range is given back once");
  if (after != free_by_offset_.begin()) {
    const auto before = std::prev(after);
    core::check(before->first + before->second <= offset_bytes, "a range is given back once");
    if (before->first + before->second == offset_bytes) {
      offset_bytes = before->first;
      size_bytes += before->second;
      remove_free(before);
    }
  }
  if (after != free_by_offset_.end() && after->first == offset_bytes + size_bytes) {
    size_bytes += after->second;
    remove_free(after);
  }
  add_free(offset_bytes, size_bytes);
}

void arena::add_free(uint64_t offset_bytes, uint64_t size_bytes) {
  free_by_offset_.emplace(offset_bytes, size_bytes);
  free_by_size_.emplace(size_bytes, offset_bytes);
}

void arena::remove_free(std::map<uint64_t, uint64_t>::iterator range) {
  free_by_size_.erase({range->second, range->first});
  free_by_offset_.erase(range);
}

} // namespace fastptm::gpu
