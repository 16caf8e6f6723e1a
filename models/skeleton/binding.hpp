// The weights of one model as a skeleton sees them: shards in order, each waited for where it is first needed.
#pragma once

#include <span>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "models/skeleton/sequence.hpp"

namespace fastptm::models {

// Lives for one run on the executor thread.
class binding {
public:
  binding(std::span<const shard_address> shards, core::time_us give_up_at_us)
      : shards_(shards), give_up_at_us_(give_up_at_us) {}

  size_t size() const { return shards_.size(); }
  uint64_t size_bytes(size_t shard) const { return shards_[shard].region.size_bytes; }

  // Returns the shard's first byte once every byte of it is verified; the only way to a weight's address.
  // The load's error, or errc::deadline_exceeded after give_up_at_us.
  core::result<const std::byte*> await(size_t shard);

  core::duration_us waited_us() const { return waited_us_; }

private:
  std::span<const shard_address> shards_;
  core::time_us give_up_at_us_;
  core::duration_us waited_us_ = 0;
};

} // namespace fastptm::models
