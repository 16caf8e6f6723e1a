// Groups of shards; see waiting_shards.hpp.
#include "policy/waiting_shards.hpp"

namespace fastptm::policy {

waiting_shards::waiting_shards(size_t shards) : shards_(shards) {
  auto& nobodys = *groups_.try_emplace({}).first;
  nobodys.second.members = static_cast<uint32_t>(shards);
  for (auto& one : shards_) one.in = &nobodys;
}

void waiting_shards::set_holders(uint32_t shard, const holders& who) {
  auto& one = shards_[shard];
  if (one.in->first == who) return;
  const auto old = groups_.find(one.in->first);
  old->second.waiting.erase(shard);
  if (--old->second.members == 0 && !old->first.empty()) groups_.erase(old);
  one.in = &*groups_.try_emplace(who).first;
  ++one.in->second.members;
  if (one.waits) one.in->second.waiting.insert(shard);
}

void waiting_shards::set_waiting(uint32_t shard, bool waits) {
  auto& one = shards_[shard];
  if (one.waits == waits) return;
  one.waits = waits;
  auto& all = one.in->second.waiting;
  waits ? (void)all.insert(shard) : (void)all.erase(shard);
}

} // namespace fastptm::policy
