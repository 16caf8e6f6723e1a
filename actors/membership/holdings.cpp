// A map from shard to its few holders: losing a device walks all of it, which is rare.
#include "actors/membership/holdings.hpp"

#include <algorithm>

namespace fastptm::actors {

void holdings::add(std::string_view device, const protocol::shard_location& location) {
  drop(device, location.shard);
  by_shard_[location.shard].push_back({std::string(device), location});
}

void holdings::drop(std::string_view device, const core::digest& shard) {
  const auto found = by_shard_.find(shard);
  if (found == by_shard_.end()) return;
  std::erase_if(found->second, [&](const holding& one) { return one.device == device; });
  if (found->second.empty()) by_shard_.erase(found);
}

void holdings::drop_device(std::string_view device) {
  for (auto entry = by_shard_.begin(); entry != by_shard_.end();) {
    std::erase_if(entry->second, [&](const holding& one) { return one.device == device; });
    entry = entry->second.empty() ? by_shard_.erase(entry) : std::next(entry);
  }
}

std::span<const holdings::holding> holdings::find(const core::digest& shard) const {
  const auto found = by_shard_.find(shard);
  if (found == by_shard_.end()) return {};
  return found->second;
}

} // namespace fastptm::actors
