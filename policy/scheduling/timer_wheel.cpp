// Intrusive lists per slot and a bitmap of the slots in use.
#include "policy/scheduling/timer_wheel.hpp"

#include <algorithm>

namespace fastptm::policy::scheduling {

void timer_wheel::set(model_index x, core::time_us at_us, core::time_us now_us) {
  entry& e = entries_.grow_to(x);
  if (e.slot != no_index) unlink(x);
  if (count_ == 0) tick_ = std::max(tick_, now_us / tick_us);
  const int64_t wanted = (at_us + tick_us - 1) / tick_us;
  e.tick = std::clamp<int64_t>(wanted, tick_, tick_ + slots - 1);
  e.slot = static_cast<uint32_t>(e.tick % slots);
  e.next = heads_[e.slot];
  e.previous = no_index;
  if (e.next != no_index) entries_[model_index{e.next}].previous = x.value;
  heads_[e.slot] = x.value;
  used_[e.slot / 64] |= uint64_t{1} << (e.slot % 64);
  ++count_;
}

void timer_wheel::unlink(model_index x) {
  entry& e = entries_[x];
  if (e.next != no_index) entries_[model_index{e.next}].previous = e.previous;
  if (e.previous != no_index) {
    entries_[model_index{e.previous}].next = e.next;
  } else {
    heads_[e.slot] = e.next;
    if (e.next == no_index) used_[e.slot / 64] &= ~(uint64_t{1} << (e.slot % 64));
  }
  e.slot = no_index;
  --count_;
}

model_index timer_wheel::take_due(core::time_us now_us) {
  const core::time_us next = next_us();
  if (next == 0 || next > now_us) return no_model;
  tick_ = next / tick_us;
  const model_index x{heads_[static_cast<uint32_t>(tick_ % slots)]};
  unlink(x);
  return x;
}

core::time_us timer_wheel::next_us() const {
  if (count_ == 0) return 0;
  const auto start = static_cast<uint32_t>(tick_ % slots);
  for (uint32_t looked = 0; looked <= slots / 64; ++looked) { // The first word twice: its upper and its lower part.
    const uint32_t word = (start / 64 + looked) % (slots / 64);
    uint64_t bits = used_[word];
    if (looked == 0) bits &= ~uint64_t{0} << (start % 64);
    if (bits == 0) continue;
    const uint32_t slot = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
    return (tick_ + (slot - start + slots) % slots) * tick_us;
  }
  return 0;
}

} // namespace fastptm::policy::scheduling
