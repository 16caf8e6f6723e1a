// Many short lists of devices in one pool, which allocates nothing once it has grown.
// The pool is cut into blocks of 2, 4, 8, ... entries that are used again.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "policy/indices.hpp"

namespace fastptm::policy::scheduling {

struct index_list {
  uint32_t at = no_index; // First entry in the pool.
  uint32_t count = 0;
  uint8_t order = 0; // Room for 2 << order entries, once `at` is set.
};

class index_lists {
public:
  std::span<const device_index> of(const index_list& list) const {
    return list.count == 0 ? std::span<const device_index>{} : std::span(pool_).subspan(list.at, list.count);
  }
  void add(index_list& list, device_index device);
  bool remove(index_list& list, device_index device); // False: it was not in the list. Keeps the order of the others.
  void clear(index_list& list);
  void reserve(size_t entries) { pool_.reserve(entries); }

private:
  uint32_t take_block(uint8_t order);

  std::vector<device_index> pool_;
  std::array<std::vector<uint32_t>, 32> free_; // By order.
};

} // namespace fastptm::policy::scheduling
