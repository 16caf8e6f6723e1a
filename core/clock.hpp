// Time as a value: microseconds of one monotonic clock per process. Policies get `now` as a parameter.
#pragma once

#include <cstdint>

namespace fastptm::core {

// Microseconds since an arbitrary start of this process's monotonic clock. Between nodes only differences travel.
using time_us = int64_t;
using duration_us = int64_t;

// The real clock: CLOCK_MONOTONIC. Any thread.
time_us monotonic_now_us() noexcept;
int64_t monotonic_now_ns() noexcept; // The same clock, for durations that are fractions of a microsecond.

// What components get instead of the real clock, so that tests and the simulator decide the time.
class clock {
public:
  virtual ~clock() = default;
  virtual time_us now_us() const noexcept = 0;
};

class monotonic_clock final : public clock {
public:
  time_us now_us() const noexcept override { return monotonic_now_us(); }
};

// A test's clock: stands still until told.
class manual_clock final : public clock {
public:
  time_us now_us() const noexcept override { return now_us_; }
  void advance(duration_us by) noexcept { now_us_ += by; }

private:
  time_us now_us_ = 0;
};

} // namespace fastptm::core
