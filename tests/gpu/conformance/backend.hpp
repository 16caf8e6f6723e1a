// What a backend brings to the conformance suite; one INSTANTIATE line per backend makes it take part.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>

#include "gpu/device.hpp"

namespace fastptm::gpu::conformance {

struct backend {
  std::string name;
  std::function<core::result<std::unique_ptr<device>>(const device_options&)> make;
  // Puts bytes into memory of the device; returns when they are there.
  std::function<void(core::memory_region, std::span<const std::byte>)> copy_in;

  friend std::ostream& operator<<(std::ostream& out, const backend& b) { return out << b.name; }
};

} // namespace fastptm::gpu::conformance
