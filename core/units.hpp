// Literals for sizes. Everywhere else the unit is the last part of a name: size_bytes, deadline_us, rate_bps.
#pragma once

#include <cstdint>

namespace fastptm::core::literals {

constexpr uint64_t operator""_KiB(unsigned long long n) {
  return n << 10;
}
constexpr uint64_t operator""_MiB(unsigned long long n) {
  return n << 20;
}
constexpr uint64_t operator""_GiB(unsigned long long n) {
  return n << 30;
}

} // namespace fastptm::core::literals

namespace fastptm::core {

// The next multiple of `step`. Requires: step is a power of two.
constexpr uint64_t round_up(uint64_t n, uint64_t step) {
  return (n + step - 1) & ~(step - 1);
}

} // namespace fastptm::core
