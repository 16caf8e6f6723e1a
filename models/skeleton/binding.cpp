// Waits for shards and counts the time; see binding.hpp.
#include "models/skeleton/binding.hpp"

#include <fmt/format.h>

namespace fastptm::models {

core::result<const std::byte*> binding::await(size_t shard) {
  const shard_address& at = shards_[shard];
  if (at.verified != nullptr && !at.verified->is_ok()) {
    const core::time_us began_us = core::monotonic_now_us();
    const auto arrived = at.verified->wait_until(give_up_at_us_);
    waited_us_ += core::monotonic_now_us() - began_us;
    if (!arrived) return core::fail(fmt::format("shard {} of {}", shard, shards_.size()), arrived.error());
  }
  return at.region.address;
}

} // namespace fastptm::models
