// Where on which device the verified shards lie. A table, no messages.
#pragma once

#include <unordered_map>

#include "policy/referrals.hpp"
#include "protocol/loading.hpp"

namespace fastptm::actors {

// A device's shards are bounded by its arena; the table by the devices. One thread at a time.
class holdings {
public:
  // The newest location of a shard on a device counts.
  void add(policy::device_life device, const protocol::shard_location& location) {
    by_device_[device][location.shard] = location;
  }
  void drop(policy::device_life device, const core::digest& shard);
  void drop_device(policy::device_life device) { by_device_.erase(device); }

  const protocol::shard_location* find(policy::device_life device, const core::digest& shard) const;

private:
  std::unordered_map<policy::device_life, std::unordered_map<core::digest, protocol::shard_location>> by_device_;
};

} // namespace fastptm::actors
