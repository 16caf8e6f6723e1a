// What is going to happen in a large simulated world, in order of time; what was added first comes first among equals.
// A calendar of short time slots: adding and taking cost the same however much is coming.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/check.hpp"
#include "core/clock.hpp"

namespace fastptm::sim {

template <class What> class event_wheel {
public:
  event_wheel() : heads_(slots, none), used_(slots / 64) {}

  bool empty() const { return near_count_ == 0 && far_.empty(); }
  core::time_us next_us() { return nodes_[find_first()].at_us; } // Requires: not empty.

  // Requires: not before anything that was taken.
  void add(core::time_us at_us, const What& what) {
    core::check(at_us / slot_us >= slot_, "an event in the past of its world");
    uint32_t node = free_;
    if (node == none) {
      node = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      free_ = nodes_[node].next;
    }
    nodes_[node] = {at_us, order_++, none, what};
    first_ = none;
    if (at_us / slot_us < slot_ + slots) {
      link(node);
    } else {
      far_.push_back(node);
      std::push_heap(far_.begin(), far_.end(), [this](uint32_t a, uint32_t b) { return later(a, b); });
    }
  }

  What pop() {
    const uint32_t node = find_first();
    if (!far_.empty() && far_.front() == node) {
      std::pop_heap(far_.begin(), far_.end(), [this](uint32_t a, uint32_t b) { return later(a, b); });
      far_.pop_back();
    } else {
      unlink(node);
    }
    slot_ = nodes_[node].at_us / slot_us;
    nodes_[node].next = free_;
    free_ = node;
    first_ = none;
    return nodes_[node].what;
  }

private:
  static constexpr uint32_t none = ~0u, slots = 1u << 17;
  static constexpr core::duration_us slot_us = 16; // The wheel spans 2.1 s; what is further off waits in a heap.
  struct entry {
    core::time_us at_us = 0;
    uint64_t order = 0;
    uint32_t next = none;
    What what;
  };

  bool later(uint32_t a, uint32_t b) const {
    const entry &x = nodes_[a], &y = nodes_[b];
    return x.at_us != y.at_us ? x.at_us > y.at_us : x.order > y.order;
  }

  void link(uint32_t node) {
    const auto slot = static_cast<uint32_t>(nodes_[node].at_us / slot_us) % slots;
    nodes_[node].next = heads_[slot];
    heads_[slot] = node;
    used_[slot / 64] |= uint64_t{1} << (slot % 64);
    ++near_count_;
  }

  void unlink(uint32_t node) {
    const auto slot = static_cast<uint32_t>(nodes_[node].at_us / slot_us) % slots;
    uint32_t* from = &heads_[slot];
    while (*from != node) from = &nodes_[*from].next;
    *from = nodes_[node].next;
    if (heads_[slot] == none) used_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
    --near_count_;
  }

  uint32_t find_first() {
    if (first_ != none) return first_;
    if (near_count_ > 0) first_ = first_near();
    if (!far_.empty() && (first_ == none || later(first_, far_.front()))) first_ = far_.front();
    return first_;
  }

  uint32_t first_near() const {
    const uint32_t start = static_cast<uint32_t>(slot_) % slots;
    uint32_t word = start / 64;
    uint64_t bits = used_[word] & (~uint64_t{0} << (start % 64));
    while (bits == 0) {
      word = (word + 1) % (slots / 64);
      bits = used_[word];
    }
    uint32_t first = heads_[word * 64 + static_cast<uint32_t>(std::countr_zero(bits))];
    for (uint32_t n = nodes_[first].next; n != none; n = nodes_[n].next)
      if (later(first, n)) first = n;
    return first;
  }

  std::vector<entry> nodes_;
  std::vector<uint32_t> heads_; // By slot.
  std::vector<uint64_t> used_;  // Slots that are not empty.
  std::vector<uint32_t> far_;   // Beyond the span when they were added; the earliest on top.
  core::time_us slot_ = 0;      // Of what was taken last: nothing is before.
  uint32_t free_ = none, first_ = none;
  uint64_t near_count_ = 0, order_ = 0;
};

} // namespace fastptm::sim
