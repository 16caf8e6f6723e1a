// What a pass is given: one input, and the places of one model's shards.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/memory_region.hpp"
#include "gpu/verified_event.hpp"

namespace fastptm::models {

// One input, special tokens included.
struct sequence {
  std::vector<int32_t> ids;
  std::vector<int32_t> token_types; // empty: all zero; else as many as ids
  uint32_t unpooled = 0; // of the first tokens, fewer than ids: they are read, but a pooling of all leaves them out
};

// Where one shard of the model lies (or will lie) in the device's arena.
struct shard_address {
  core::memory_region region;
  std::shared_ptr<gpu::verified_event> verified; // null: verified long ago
};

} // namespace fastptm::models
