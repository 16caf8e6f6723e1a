// What is going to happen in a simulated world, in order of time; what was added first comes first among equals.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/clock.hpp"

namespace fastptm::sim {

template <class What> class event_heap {
public:
  struct entry {
    core::time_us at_us = 0;
    uint64_t order = 0;
    What what;
    bool operator<(const entry& other) const { // For a heap with the earliest on top.
      return at_us != other.at_us ? at_us > other.at_us : order > other.order;
    }
  };

  bool empty() const { return heap_.empty(); }
  core::time_us next_us() const { return heap_.front().at_us; } // Requires: not empty.
  void add(core::time_us at_us, const What& what) {
    heap_.push_back({at_us, order_++, what});
    std::push_heap(heap_.begin(), heap_.end());
  }
  What pop() {
    std::pop_heap(heap_.begin(), heap_.end());
    const What what = heap_.back().what;
    heap_.pop_back();
    return what;
  }

private:
  std::vector<entry> heap_;
  uint64_t order_ = 0;
};

} // namespace fastptm::sim
