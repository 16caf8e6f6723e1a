// Dense indices of what policies decide about. Their owner maps names and digests to them.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "core/ids.hpp"

namespace fastptm::policy {

// Chosen from 0 upwards; tables grow to the highest one seen.
using tenant_index = core::strong_id<struct tenant_index_tag, uint32_t>;
using model_index = core::strong_id<struct model_index_tag, uint32_t>;
using device_index = core::strong_id<struct device_index_tag, uint32_t>;
using lane_index = core::strong_id<struct lane_index_tag, uint32_t>; // Of all lanes of all devices.
using shard_index = core::strong_id<struct shard_index_tag, uint32_t>;

constexpr uint32_t no_index = std::numeric_limits<uint32_t>::max();
constexpr model_index no_model{no_index};
constexpr device_index no_device{no_index};
constexpr lane_index no_lane{no_index};

// Equal shard indices mean equal bytes: sets that share them share the memory.
struct shard_size {
  shard_index shard;
  uint64_t bytes = 0;
};

// A vector that takes only its own kind of index.
template <class Index, class T> class table {
public:
  T& operator[](Index i) { return items_[i.value]; }
  const T& operator[](Index i) const { return items_[i.value]; }
  bool has(Index i) const { return i.value < items_.size(); }
  uint32_t size() const { return static_cast<uint32_t>(items_.size()); }
  T& grow_to(Index i) {
    if (!has(i)) items_.resize(i.value + 1);
    return items_[i.value];
  }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

private:
  std::vector<T> items_;
};

} // namespace fastptm::policy
