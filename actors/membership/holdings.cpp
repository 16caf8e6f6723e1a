// By device: losing one costs what it held. Who holds a shard is asked of policy/referrals.
#include "actors/membership/holdings.hpp"

namespace fastptm::actors {

void holdings::drop(policy::device_life device, const core::digest& shard) {
  if (const auto found = by_device_.find(device); found != by_device_.end()) found->second.erase(shard);
}

const protocol::shard_location* holdings::find(policy::device_life device, const core::digest& shard) const {
  const auto of = by_device_.find(device);
  if (of == by_device_.end()) return nullptr;
  const auto found = of->second.find(shard);
  return found == of->second.end() ? nullptr : &found->second;
}

} // namespace fastptm::actors
