// A small hash map from one dense index to another: open addressing, no allocation unless it grows.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/indices.hpp"

namespace fastptm::policy {

class index_map {
public:
  // no_index when absent.
  uint32_t find(uint32_t key) const {
    if (cells_.empty()) return no_index;
    for (uint32_t i = home(key);; i = (i + 1) & mask()) {
      if (cells_[i].key == key) return cells_[i].value;
      if (cells_[i].key == no_index) return no_index;
    }
  }
  void insert(uint32_t key, uint32_t value); // Requires: absent, key != no_index.
  void erase(uint32_t key);                  // Requires: present.
  uint32_t size() const { return size_; }

private:
  struct cell {
    uint32_t key = no_index;
    uint32_t value = no_index;
  };
  uint32_t mask() const { return static_cast<uint32_t>(cells_.size()) - 1; }
  // Fibonacci hashing: dense keys spread evenly.
  uint32_t home(uint32_t key) const { return static_cast<uint32_t>((key * 0x9e3779b97f4a7c15u) >> 40) & mask(); }
  void place(uint32_t key, uint32_t value);
  void grow();

  std::vector<cell> cells_; // Power of two, at most half full.
  uint32_t size_ = 0;
};

} // namespace fastptm::policy
