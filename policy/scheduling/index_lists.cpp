// Blocks by powers of two with a free list each.
#include "policy/scheduling/index_lists.hpp"

#include <algorithm>

namespace fastptm::policy::scheduling {

void index_lists::add(index_list& list, device_index device) {
  if (list.at == no_index) {
    list.at = take_block(list.order = 0);
  } else if (list.count == 2u << list.order) {
    const uint32_t larger = take_block(static_cast<uint8_t>(list.order + 1));
    std::copy_n(pool_.begin() + list.at, list.count, pool_.begin() + larger);
    free_[list.order].push_back(list.at);
    list.at = larger;
    ++list.order;
  }
  pool_[list.at + list.count++] = device;
}

bool index_lists::remove(index_list& list, device_index device) {
  const auto first = pool_.begin() + (list.count == 0 ? 0 : list.at), last = first + list.count;
  const auto found = std::find(first, last, device);
  if (found == last) return false;
  std::copy(found + 1, last, found);
  if (--list.count == 0) clear(list);
  return true;
}

void index_lists::clear(index_list& list) {
  if (list.at != no_index) free_[list.order].push_back(list.at);
  list = {};
}

uint32_t index_lists::take_block(uint8_t order) {
  if (!free_[order].empty()) {
    const uint32_t at = free_[order].back();
    free_[order].pop_back();
    return at;
  }
  const auto at = static_cast<uint32_t>(pool_.size());
  pool_.resize(pool_.size() + (size_t{2} << order));
  // Every block ever made may be free at once: room for that now means no allocation later.
  free_[order].reserve(free_[order].capacity() > free_[order].size() + 1 ? 0 : 2 * free_[order].capacity() + 64);
  return at;
}

} // namespace fastptm::policy::scheduling
