// The activations of whatever runs on a device: one buffer that all skeletons of the device use in turn.
#pragma once

#include <cstdint>
#include <memory>

#include "core/error.hpp"
#include "gpu/device.hpp"
#include "gpu/kernels.hpp"

namespace fastptm::models {

// Only the executor thread uses it.
class workspace {
public:
  explicit workspace(gpu::device& on) : device_(on) {}

  // Starts over with at least this much. Allocates only when it is more than ever before.
  core::result<void> reserve(uint64_t size_bytes);

  // The next matrix. Contents are whatever was there. Requires: the sum since reserve() stays within it.
  gpu::activations take(uint32_t rows, uint32_t features);

private:
  gpu::device& device_;
  std::unique_ptr<gpu::buffer> buffer_;
  uint64_t used_bytes_ = 0;
};

} // namespace fastptm::models
