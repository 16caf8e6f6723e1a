// All requests the core holds, in intrusive queues ordered by deadline: no allocation per request, 48 bytes each.
#pragma once

#include <cstdint>
#include <vector>

#include "core/clock.hpp"
#include "policy/indices.hpp"
#include "policy/scheduling/events.hpp"

namespace fastptm::policy::scheduling {

constexpr uint32_t no_request = no_index;

// A queue by deadline: a list for those that come in order (nearly all do), a pairing heap for the others.
struct request_queue {
  uint32_t head = no_request, tail = no_request; // The list.
  uint32_t root = no_request;                    // The heap.
  uint32_t count = 0;
  int64_t arrival_sum_us = 0; // Of all in it: their waiting times together are count * now - this.

  bool empty() const { return count == 0; }
};

enum class request_state : uint8_t {
  free,
  live,   // In its model's queue of requests that can still be on time.
  late,   // In its model's queue of the others.
  placed, // In a queue that the strategy made.
  running // In a batch.
};

struct request_entry {
  time_us arrival_us = 0, deadline_us = 0;
  uint32_t generation = 0;
  model_index model;
  uint32_t next = no_request, previous = no_request; // In its list; heap: next sibling, and previous sibling or parent.
  uint32_t child = no_request;                       // Heap only.
  uint32_t place = no_request;                       // placed: which queue of the strategy.
  request_state state = request_state::free;
  uint8_t attempts = 0; // Batches that failed with it.
  bool in_heap = false;
  bool cancelled = false;
};
static_assert(sizeof(request_entry) <= 64, "memory per queued request is promised to stay below");

class request_table {
public:
  request_entry& operator[](uint32_t slot) { return entries_[slot]; }
  const request_entry& operator[](uint32_t slot) const { return entries_[slot]; }
  bool has(uint32_t slot) const { return slot < entries_.size(); }
  void grow_to(uint32_t slot);

  // In order of deadline, among equals of arrival.
  void push(request_queue& queue, uint32_t slot);
  // At the end, whatever its deadline: for queues that only ever use this one and pop_front.
  void push_back(request_queue& queue, uint32_t slot);
  // Requires: not empty.
  uint32_t front(const request_queue& queue) const;
  uint32_t pop_front(request_queue& queue);
  void remove(request_queue& queue, uint32_t slot);

private:
  bool before(uint32_t a, uint32_t b) const;
  uint32_t meld(uint32_t a, uint32_t b);
  uint32_t merge_siblings(uint32_t first);
  void remove_from_heap(request_queue& queue, uint32_t slot);

  std::vector<request_entry> entries_;
};

} // namespace fastptm::policy::scheduling
