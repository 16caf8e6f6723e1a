// A set of lanes as a bitmap: 4096 lanes are 512 bytes, walked in order.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "policy/indices.hpp"

namespace fastptm::policy::scheduling {

class lane_set {
public:
  void grow_to(uint32_t lanes) { words_.resize((lanes + 63) / 64 > words_.size() ? (lanes + 63) / 64 : words_.size()); }
  bool has(lane_index z) const { return (words_[z.value / 64] >> (z.value % 64)) & 1; }
  void add(lane_index z) {
    count_ += has(z) ? 0 : 1;
    words_[z.value / 64] |= uint64_t{1} << (z.value % 64);
  }
  void remove(lane_index z) {
    count_ -= has(z) ? 1 : 0;
    words_[z.value / 64] &= ~(uint64_t{1} << (z.value % 64));
  }
  uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  lane_index first() const { return at_or_after(0); }
  lane_index after(lane_index z) const { return at_or_after(z.value + 1); }

private:
  lane_index at_or_after(uint32_t from) const {
    for (uint32_t w = from / 64; w < words_.size(); ++w) {
      const uint64_t rest = w == from / 64 ? words_[w] & (~uint64_t{0} << (from % 64)) : words_[w];
      if (rest != 0) return lane_index{w * 64 + static_cast<uint32_t>(std::countr_zero(rest))};
    }
    return no_lane;
  }

  std::vector<uint64_t> words_;
  uint32_t count_ = 0;
};

} // namespace fastptm::policy::scheduling
