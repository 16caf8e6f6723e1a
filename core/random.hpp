// A small seeded generator (splitmix64, Steele et al. 2014), always passed in; and true randomness for ids and secrets.
#pragma once

#include <cstdint>
#include <string>

namespace fastptm::core {

class prng {
  __extension__ using wide = unsigned __int128;

public:
  explicit constexpr prng(uint64_t seed) noexcept : state_(seed) {}

  constexpr uint64_t next() noexcept {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // Uniform in [0, bound). Requires: bound > 0.
  constexpr uint64_t below(uint64_t bound) noexcept {
    return static_cast<uint64_t>((static_cast<wide>(next()) * bound) >> 64);
  }

  // Uniform in [0, 1).
  constexpr double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

private:
  uint64_t state_;
};

// 64 bits of the kernel's randomness, never 0: incarnations.
uint64_t true_random_u64();

// 32 bytes of the kernel's randomness in hex: tokens and cluster secrets.
std::string random_secret_hex();

} // namespace fastptm::core
