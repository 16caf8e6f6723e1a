// Which device holds which verified shard, and where in its memory. A table, no messages.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/loading.hpp"

namespace fastptm::actors {

// A device's shards are bounded by its arena; the table by the devices. One thread at a time.
class holdings {
public:
  struct holding {
    std::string device;
    protocol::shard_location location;
  };

  // The newest location of a shard on a device counts.
  void add(std::string_view device, const protocol::shard_location& location);
  void drop(std::string_view device, const core::digest& shard);
  void drop_device(std::string_view device);

  std::span<const holding> find(const core::digest& shard) const;
  size_t shards() const { return by_shard_.size(); }

private:
  std::unordered_map<core::digest, std::vector<holding>> by_shard_;
};

} // namespace fastptm::actors
