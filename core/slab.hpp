// Which parts of a byte range are taken: best fit, freed neighbours joined. Bookkeeping only, it owns no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace fastptm::core {

// Under a device's arena, a host's cache and the plan of a device's room. The same taken ranges leave the same free
// ones, however they came about, and a choice depends on the free ones alone: whoever takes the same from equal slabs
// gets the same places.
//
// Every byte is either free or taken, and no two free ranges touch. A value: copies are independent. Neither allocates
// once it has had as many free ranges as it has now; there is at most one more than taken ones, so that shifting an
// ordered array is cheaper than following nodes. Not thread-safe.
class slab {
public:
  explicit slab(uint64_t size_bytes = 0);

  // The smallest free range that is large enough gives its beginning, among equals the lowest one.
  // Requires: not of nothing.
  std::optional<uint64_t> take(uint64_t size_bytes);
  // Just this place; false, and nothing is taken, unless all of it is free.
  bool take_at(uint64_t offset_bytes, uint64_t size_bytes);
  // Requires: all of it is taken. It need not be what one take() gave.
  void give_back(uint64_t offset_bytes, uint64_t size_bytes);
  // So much more at its end, free.
  void grow(uint64_t more_bytes);
  // So many free ranges without allocating.
  void reserve(size_t free_ranges);

  uint64_t size_bytes() const { return size_bytes_; }
  uint64_t free_bytes() const { return free_bytes_; }
  uint64_t used_bytes() const { return size_bytes_ - free_bytes_; }
  uint64_t largest_free_bytes() const { return by_size_.empty() ? 0 : by_size_.back().size_bytes; }
  size_t free_ranges() const { return by_offset_.size(); }

private:
  struct range {
    uint64_t offset_bytes = 0;
    uint64_t size_bytes = 0;
    uint64_t end_bytes() const { return offset_bytes + size_bytes; }
  };
  using ranges = std::vector<range>;

  static bool is_smaller(const range& a, const range& b); // then: lower
  ranges::iterator first_after(uint64_t offset_bytes);
  void carve(ranges::iterator from, uint64_t offset_bytes, uint64_t size_bytes);
  void add_size(const range& r);
  void remove_size(const range& r);

  uint64_t size_bytes_ = 0;
  uint64_t free_bytes_ = 0;
  // The same free ranges twice: to join neighbours, and to find the best fit.
  ranges by_offset_;
  ranges by_size_;
};

} // namespace fastptm::core
