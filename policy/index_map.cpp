// Linear probing with backward shift on erase.
#include "policy/index_map.hpp"

#include "core/check.hpp"

namespace fastptm::policy {

void index_map::insert(uint32_t key, uint32_t value) {
  if ((size_ + 1) * 2 > cells_.size()) grow();
  place(key, value);
  ++size_;
}

void index_map::erase(uint32_t key) {
  core::check(size_ > 0, "erase from an empty index_map");
  uint32_t hole = home(key);
  while (cells_[hole].key != key) {
    core::check(cells_[hole].key != no_index, "erase of an absent key");
    hole = (hole + 1) & mask();
  }
  // Every later cell of the run that may legally sit in the hole moves there.
  for (uint32_t i = (hole + 1) & mask(); cells_[i].key != no_index; i = (i + 1) & mask()) {
    const uint32_t distance_home = (i - home(cells_[i].key)) & mask();
    if (distance_home >= ((i - hole) & mask())) {
      cells_[hole] = cells_[i];
      hole = i;
    }
  }
  cells_[hole] = {};
  --size_;
}

void index_map::place(uint32_t key, uint32_t value) {
  uint32_t i = home(key);
  while (cells_[i].key != no_index) {
    core::check(cells_[i].key != key, "insert of a present key");
    i = (i + 1) & mask();
  }
  cells_[i] = {key, value};
}

void index_map::grow() {
  std::vector<cell> old = std::move(cells_);
  cells_.assign(old.empty() ? 16 : old.size() * 2, cell{});
  for (const cell& c : old)
    if (c.key != no_index) place(c.key, c.value);
}

} // namespace fastptm::policy
