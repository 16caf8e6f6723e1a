// List for the ordered, pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) for the rest.
#include "policy/scheduling/request_table.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::policy::scheduling {

void request_table::grow_to(uint32_t slot) {
  if (slot < entries_.size()) return;
  entries_.resize(std::max<size_t>({size_t{slot} + 1, entries_.size() * 2, 256}));
}

void request_table::push(request_queue& queue, uint32_t slot) {
  request_entry& r = entries_[slot];
  if (queue.tail == no_request || entries_[queue.tail].deadline_us <= r.deadline_us) return push_back(queue, slot);
  r.in_heap = true;
  r.next = r.previous = r.child = no_request;
  queue.root = queue.root == no_request ? slot : meld(queue.root, slot);
  ++queue.count;
  queue.arrival_sum_us += r.arrival_us;
}

void request_table::push_back(request_queue& queue, uint32_t slot) {
  request_entry& r = entries_[slot];
  r.in_heap = false;
  r.next = no_request;
  r.previous = queue.tail;
  (queue.tail == no_request ? queue.head : entries_[queue.tail].next) = slot;
  queue.tail = slot;
  ++queue.count;
  queue.arrival_sum_us += r.arrival_us;
}

uint32_t request_table::front(const request_queue& queue) const {
  if (queue.root == no_request) return queue.head;
  return queue.head == no_request || before(queue.root, queue.head) ? queue.root : queue.head;
}

uint32_t request_table::pop_front(request_queue& queue) {
  const uint32_t slot = front(queue);
  remove(queue, slot);
  return slot;
}

void request_table::remove(request_queue& queue, uint32_t slot) {
  core::check(queue.count > 0, "remove from an empty queue");
  request_entry& r = entries_[slot];
  if (r.in_heap) {
    remove_from_heap(queue, slot);
  } else {
    (r.previous == no_request ? queue.head : entries_[r.previous].next) = r.next;
    (r.next == no_request ? queue.tail : entries_[r.next].previous) = r.previous;
  }
  --queue.count;
  queue.arrival_sum_us -= r.arrival_us;
}

bool request_table::before(uint32_t a, uint32_t b) const {
  const request_entry &x = entries_[a], &y = entries_[b];
  return x.deadline_us != y.deadline_us ? x.deadline_us < y.deadline_us : x.arrival_us < y.arrival_us;
}

// Both are roots; the later becomes the first child of the earlier.
uint32_t request_table::meld(uint32_t a, uint32_t b) {
  if (before(b, a)) std::swap(a, b);
  request_entry &parent = entries_[a], &child = entries_[b];
  child.next = parent.child;
  child.previous = a;
  if (parent.child != no_request) entries_[parent.child].previous = b;
  parent.child = b;
  parent.next = parent.previous = no_request;
  return a;
}

// Pairs from the left, then all into one from the right; the pairs wait in a list through `next`.
uint32_t request_table::merge_siblings(uint32_t first) {
  uint32_t pairs = no_request;
  while (first != no_request) {
    const uint32_t a = first, b = entries_[a].next;
    uint32_t pair = a;
    first = b == no_request ? no_request : entries_[b].next;
    entries_[a].next = entries_[a].previous = no_request;
    if (b != no_request) {
      entries_[b].next = entries_[b].previous = no_request;
      pair = meld(a, b);
    }
    entries_[pair].next = pairs;
    pairs = pair;
  }
  uint32_t root = no_request;
  while (pairs != no_request) {
    const uint32_t rest = entries_[pairs].next;
    entries_[pairs].next = no_request;
    root = root == no_request ? pairs : meld(root, pairs);
    pairs = rest;
  }
  return root;
}

void request_table::remove_from_heap(request_queue& queue, uint32_t slot) {
  request_entry& r = entries_[slot];
  if (slot != queue.root) {
    request_entry& left = entries_[r.previous];
    (left.child == slot ? left.child : left.next) = r.next;
    if (r.next != no_request) entries_[r.next].previous = r.previous;
  }
  const uint32_t below = merge_siblings(r.child);
  if (slot == queue.root) {
    queue.root = below;
  } else if (below != no_request) {
    queue.root = meld(queue.root, below);
  }
}

} // namespace fastptm::policy::scheduling
