// A slab of zeros, and refusals.
#include "sim/world/virtual_device.hpp"

#include <cstdlib>
#include <cstring>

#include "core/check.hpp"
#include "core/units.hpp"

namespace fastptm::sim::world {

namespace {

std::byte* make_slab(uint64_t size_bytes) {
  auto* slab = static_cast<std::byte*>(std::aligned_alloc(gpu::arena::granule_bytes, size_bytes));
  core::check(slab != nullptr, "there is memory for an arena");
  std::memset(slab, 0, size_bytes);
  return slab;
}

core::error nothing_computes() {
  return {core::errc::invalid, "a device in virtual time computes nothing"};
}

} // namespace

void virtual_device::free_bytes::operator()(std::byte* bytes) const {
  std::free(bytes);
}

virtual_device::virtual_device(const std::string& name, uint64_t arena_bytes)
    : info_{name, gpu::device_kind::host, "virtual", 1}, slab_(make_slab(arena_bytes)),
      arena_({slab_.get(), arena_bytes}) {}

gpu::kernels& virtual_device::operators() {
  core::check(false, "a device in virtual time computes nothing");
  std::abort();
}

core::result<std::unique_ptr<gpu::buffer>> virtual_device::allocate(uint64_t) {
  return core::fail(nothing_computes());
}

core::result<void> virtual_device::execute(std::function<void()>) {
  return core::fail(nothing_computes());
}

} // namespace fastptm::sim::world
