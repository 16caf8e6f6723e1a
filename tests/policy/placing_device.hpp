// What a device does with planned places: it leases them when a load begins, which may be long after it was commanded.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/slab.hpp"

namespace fastptm::policy::scheduling {

struct placed_shard {
  uint32_t shard = 0;
  uint64_t offset_bytes = 0, bytes = 0;
};

class placing_device {
public:
  explicit placing_device(uint64_t arena_bytes = 0) : room_(arena_bytes) {}

  // False: not all places were free. What is there already has to lie where it is thought to.
  bool take(uint32_t set, const std::vector<placed_shard>& shards) {
    auto& held = sets_[set];
    for (const placed_shard& s : shards) {
      const auto known = shards_.find(s.shard);
      const bool is_free = known == shards_.end() ? room_.take_at(s.offset_bytes, s.bytes)
                                                  : known->second.at.offset_bytes == s.offset_bytes;
      if (!is_free) return false;
      auto& lies = shards_[s.shard];
      lies.at = s;
      ++lies.sets;
      held.push_back(s.shard);
    }
    return true;
  }

  // Nothing where the set's load had not begun.
  void give_back(uint32_t set) {
    const auto held = sets_.extract(set);
    if (!held) return;
    for (const uint32_t shard : held.mapped()) {
      auto& lies = shards_.at(shard);
      if (--lies.sets > 0) continue;
      room_.give_back(lies.at.offset_bytes, lies.at.bytes);
      shards_.erase(shard);
    }
  }

private:
  struct held_shard {
    placed_shard at;
    uint32_t sets = 0;
  };
  core::slab room_;
  std::map<uint32_t, held_shard> shards_;
  std::map<uint32_t, std::vector<uint32_t>> sets_;
};

} // namespace fastptm::policy::scheduling
