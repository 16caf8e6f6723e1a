// Two ordered arrays of the same free ranges; see slab.hpp.
#include "core/slab.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::core {

slab::slab(uint64_t size_bytes) {
  grow(size_bytes);
}

std::optional<uint64_t> slab::take(uint64_t size_bytes) {
  check(size_bytes > 0, "nothing is taken of a slab");
  const auto best = std::lower_bound(by_size_.begin(), by_size_.end(), range{0, size_bytes}, is_smaller);
  if (best == by_size_.end()) return std::nullopt;
  const uint64_t offset_bytes = best->offset_bytes;
  carve(std::prev(first_after(offset_bytes)), offset_bytes, size_bytes);
  return offset_bytes;
}

bool slab::take_at(uint64_t offset_bytes, uint64_t size_bytes) {
  check(size_bytes > 0, "nothing is taken of a slab");
  const auto after = first_after(offset_bytes);
  if (after == by_offset_.begin()) return false;
  const auto from = std::prev(after);
  if (offset_bytes >= from->end_bytes() || from->end_bytes() - offset_bytes < size_bytes) return false;
  carve(from, offset_bytes, size_bytes);
  return true;
}

void slab::give_back(uint64_t offset_bytes, uint64_t size_bytes) {
  check(size_bytes > 0 && offset_bytes < size_bytes_ && size_bytes <= size_bytes_ - offset_bytes,
        "what is given back lies in the slab");
  range joined{offset_bytes, size_bytes};
  auto after = first_after(offset_bytes);
  check(after == by_offset_.end() || after->offset_bytes >= joined.end_bytes(), "a range is given back once");
  const bool joins_after = after != by_offset_.end() && after->offset_bytes == joined.end_bytes();
  if (joins_after) {
    remove_size(*after);
    joined.size_bytes += after->size_bytes;
  }
  bool joins_before = false;
  if (after != by_offset_.begin()) {
    const auto before = std::prev(after);
    check(before->end_bytes() <= offset_bytes, "a range is given back once");
    joins_before = before->end_bytes() == offset_bytes;
    if (joins_before) {
      remove_size(*before);
      *before = joined = {before->offset_bytes, before->size_bytes + joined.size_bytes};
    }
  }
  if (joins_before && joins_after)
    by_offset_.erase(after);
  else if (joins_after)
    *after = joined;
  else if (!joins_before)
    by_offset_.insert(after, joined);
  add_size(joined);
  free_bytes_ += size_bytes;
}

void slab::grow(uint64_t more_bytes) {
  if (more_bytes == 0) return;
  const uint64_t end_bytes = size_bytes_;
  size_bytes_ += more_bytes;
  give_back(end_bytes, more_bytes);
}

void slab::reserve(size_t free_ranges) {
  by_offset_.reserve(free_ranges);
  by_size_.reserve(free_ranges);
}

bool slab::is_smaller(const range& a, const range& b) {
  return a.size_bytes != b.size_bytes ? a.size_bytes < b.size_bytes : a.offset_bytes < b.offset_bytes;
}

slab::ranges::iterator slab::first_after(uint64_t offset_bytes) {
  return std::upper_bound(by_offset_.begin(), by_offset_.end(), offset_bytes,
                          [](uint64_t offset, const range& r) { return offset < r.offset_bytes; });
}

// What is left of the free range stays free: before the place, behind it, or both.
void slab::carve(ranges::iterator from, uint64_t offset_bytes, uint64_t size_bytes) {
  const range before{from->offset_bytes, offset_bytes - from->offset_bytes};
  const range behind{offset_bytes + size_bytes, from->end_bytes() - offset_bytes - size_bytes};
  remove_size(*from);
  if (before.size_bytes > 0) add_size(before);
  if (behind.size_bytes > 0) add_size(behind);
  if (before.size_bytes == 0 && behind.size_bytes == 0) {
    by_offset_.erase(from);
  } else {
    *from = before.size_bytes > 0 ? before : behind;
    if (before.size_bytes > 0 && behind.size_bytes > 0) by_offset_.insert(std::next(from), behind);
  }
  free_bytes_ -= size_bytes;
}

void slab::add_size(const range& r) {
  by_size_.insert(std::upper_bound(by_size_.begin(), by_size_.end(), r, is_smaller), r);
}

void slab::remove_size(const range& r) {
  const auto at = std::lower_bound(by_size_.begin(), by_size_.end(), r, is_smaller);
  check(at != by_size_.end() && at->offset_bytes == r.offset_bytes && at->size_bytes == r.size_bytes,
        "a free range is in both orders");
  by_size_.erase(at);
}

} // namespace fastptm::core
