// Produces the bytes of a shard from a checkpoint: gathers tensors, converts to fp32, refuses what is not finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.hpp"
#include "weights/import/import_plan.hpp"

namespace fastptm::weights {

// Fills the target with the shard's bytes from offset_bytes on, padding included. errc::invalid naming the tensor when
// a value is NaN or infinite. Any thread. Requires: offset and size are multiples of 4 and lie in the shard.
core::result<void> read_image(const import_plan& plan, const shard_import& shard, uint64_t offset_bytes,
                              std::span<std::byte> target);

} // namespace fastptm::weights
