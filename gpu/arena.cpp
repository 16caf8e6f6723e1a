// Leases over core/slab; see arena.hpp.
#include "gpu/arena.hpp"

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
  owner_->places_.give_back(offset_bytes_, region_.size_bytes);
  owner_ = nullptr;
  region_ = {};
  offset_bytes_ = 0;
}

arena::arena(core::memory_region slab) : memory_(slab), places_(slab.size_bytes) {
  core::check(slab.size_bytes % granule_bytes == 0, "an arena is a whole number of granules");
  core::check(slab.kind == core::memory_kind::device || reinterpret_cast<uintptr_t>(slab.address) % granule_bytes == 0,
              "an arena starts on a granule");
}

arena::~arena() {
  core::check(used_bytes() == 0, "an arena outlives its leases");
}

core::result<lease> arena::take(uint64_t size_bytes) {
  if (size_bytes > this->size_bytes()) {
    return core::fail(core::errc::does_not_fit,
                      fmt::format("{} bytes asked of an arena of {}: give the device a larger "
                                  "arena",
                                  size_bytes, this->size_bytes()));
  }
  const uint64_t wanted_bytes = core::round_up(size_bytes, granule_bytes);
  if (const auto offset_bytes = places_.take(wanted_bytes)) return lease_of(*offset_bytes, wanted_bytes);
  return core::fail(
      core::errc::does_not_fit,
      fmt::format("{} bytes asked, {} of {} free in the arena, the largest piece {}: evict something first", size_bytes,
                  free_bytes(), this->size_bytes(), largest_free_bytes()));
}

core::result<lease> arena::take_at(uint64_t offset_bytes, uint64_t size_bytes) {
  if (offset_bytes % granule_bytes == 0 && size_bytes <= this->size_bytes()) {
    const uint64_t wanted_bytes = core::round_up(size_bytes, granule_bytes);
    if (places_.take_at(offset_bytes, wanted_bytes)) return lease_of(offset_bytes, wanted_bytes);
  }
  return core::fail(core::errc::does_not_fit,
                    fmt::format("{} bytes planned at {} of an arena of {}: not all of that is free", size_bytes,
                                offset_bytes, this->size_bytes()));
}

} // namespace fastptm::gpu
