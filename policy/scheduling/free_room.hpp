// Which device has the most free bytes, whatever the number of devices.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "policy/indices.hpp"

namespace fastptm::policy::scheduling {

// A tournament: an update plays log2(devices) matches, the winner is at the root.
class free_room {
public:
  // 0: the device takes nothing. Allocates when the device is the highest one seen.
  void set(device_index device, uint64_t free_bytes) {
    if (device.value >= bytes_.size()) grow(device.value + 1);
    bytes_[device.value] = free_bytes;
    for (size_t node = (device.value + bytes_.size()) / 2; node >= 1; node /= 2) play(node);
  }
  // no_device: nobody has any.
  device_index most() const { return bytes_.empty() || bytes_[winner_[1].value] == 0 ? no_device : winner_[1]; }

private:
  // Node n has the children 2n and 2n + 1; leaf i is node bytes_.size() + i.
  void play(size_t node) {
    const device_index left = winner_[2 * node], right = winner_[2 * node + 1];
    winner_[node] = bytes_[left.value] >= bytes_[right.value] ? left : right;
  }
  void grow(size_t devices) {
    bytes_.resize(std::bit_ceil(std::max<size_t>(2, devices)));
    winner_.resize(2 * bytes_.size());
    for (size_t i = 0; i < bytes_.size(); ++i) winner_[bytes_.size() + i] = {static_cast<uint32_t>(i)};
    for (size_t node = bytes_.size() - 1; node >= 1; --node) play(node);
  }

  std::vector<uint64_t> bytes_; // By device; a power of two of them.
  std::vector<device_index> winner_;
};

} // namespace fastptm::policy::scheduling
