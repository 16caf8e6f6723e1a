// Sequences put one behind the other without padding: what one pass through the layers works on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gpu/kernels.hpp"
#include "models/skeleton/sequence.hpp"

namespace fastptm::models {

// More rows make a pass no faster; fewer keep activations small. A single longer sequence is still one pass.
inline constexpr size_t rows_per_pass = 1024;

// Reused from pass to pass: its vectors stop growing after warm-up.
struct batch {
  std::vector<int32_t> ids;
  std::vector<int32_t> token_types;
  std::vector<gpu::row_span> sequences;
  std::vector<gpu::row_span> pooled; // of each sequence, the rows that a pooling of all its tokens takes

  uint32_t rows() const { return static_cast<uint32_t>(ids.size()); }

  // Takes sequences from the front of `inputs` until a pass is full; returns how many. Requires: inputs is not empty.
  size_t fill(std::span<const sequence> inputs);
};

} // namespace fastptm::models
