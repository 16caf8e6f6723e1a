// Reads the monotonic clock.
#include "core/clock.hpp"

#include <ctime>

namespace fastptm::core {

time_us monotonic_now_us() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<time_us>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

} // namespace fastptm::core
