// One timer per model in a wheel of slots: setting, moving and firing cost the same however many there are.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/clock.hpp"
#include "policy/indices.hpp"

namespace fastptm::policy::scheduling {

// Times are rounded up to ticks, and those beyond the wheel's span fire at its end:
// the owner looks again and sets anew.
class timer_wheel {
public:
  static constexpr core::duration_us tick_us = 512;
  static constexpr uint32_t slots = 4096; // 2.1 s

  timer_wheel() { heads_.fill(no_index); }

  // Sets or moves the model's timer.
  void set(model_index x, core::time_us at_us, core::time_us now_us);
  bool is_set(model_index x) const { return entries_.has(x) && entries_[x].slot != no_index; }
  core::time_us due_us(model_index x) const { return entries_[x].tick * tick_us; } // Requires: is_set.
  // Takes a model whose time has come; no_model: none.
  model_index take_due(core::time_us now_us);
  // When to look next; 0: no timer is set.
  core::time_us next_us() const;

private:
  struct entry {
    uint32_t slot = no_index;
    uint32_t next = no_index, previous = no_index;
    int64_t tick = 0;
  };
  void unlink(model_index x);

  table<model_index, entry> entries_;
  std::array<uint32_t, slots> heads_;
  std::array<uint64_t, slots / 64> used_{}; // Slots that are not empty.
  int64_t tick_ = 0;                        // All earlier ones have fired.
  uint32_t count_ = 0;
};

} // namespace fastptm::policy::scheduling
