// Reads the monotonic clock.
#include "core/clock.hpp"

#include <ctime>

namespace fastptm::core {

int64_t monotonic_now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

time_us monotonic_now_us() noexcept {
  return monotonic_now_ns() / 1'000;
}

} // namespace fastptm::core
