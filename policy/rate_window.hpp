// What a source delivers: the bytes of its last chunks over the time that they took.
#pragma once

#include <array>
#include <cstdint>

#include "core/clock.hpp"

namespace fastptm::policy {

// Only time counts in which something was asked for. Chunks that land in pairs, as with two copy threads, count together:
// a mean of what each of them took would be twice the rate. Allocates nothing.
class rate_window {
public:
  // Until a few chunks have landed the prior counts like one of them.
  rate_window(uint64_t prior_bps, uint64_t chunk_bytes);

  void begin(core::time_us now); // something is asked for, of a source that was idle
  void landed(uint64_t bytes, core::time_us now);
  void end(core::time_us now); // nothing is asked for any more

  // Forgets what it has seen: at most that much is expected from now on.
  void restart(uint64_t prior_bps);

  uint64_t bps() const { return bps_; }

private:
  struct mark {
    uint64_t bytes = 0;
    core::duration_us busy_us = 0;
  };
  void pass(core::time_us now);

  static constexpr uint32_t most_marks = 16;

  uint64_t chunk_bytes_;
  uint64_t prior_bps_;
  uint64_t bps_;
  bool busy_ = false;
  core::time_us since_us_ = 0; // counted up to then
  mark total_;
  std::array<mark, most_marks> marks_{}; // a ring: what it was after each landing, and at the beginning
  uint32_t marked_ = 1;
};

} // namespace fastptm::policy
