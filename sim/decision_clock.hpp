// How long decisions take: a histogram fine enough for percentiles, that allocates nothing while it measures.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace fastptm::sim {

struct decision_times {
  uint64_t decisions = 0;
  uint64_t p50_ns = 0, p99_ns = 0;
};

// Buckets of one sixteenth of a power of two: percentiles are exact to 6 %.
class decision_clock {
public:
  void add(uint64_t ns) {
    ++counts_[bucket(ns)];
    ++total_;
  }
  uint64_t percentile_ns(double share) const {
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(total_));
    uint64_t seen = 0;
    for (uint32_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return upper(i);
    }
    return 0;
  }
  decision_times summary(uint64_t decisions) const { return {decisions, percentile_ns(0.5), percentile_ns(0.99)}; }

private:
  static constexpr uint32_t steps = 16;
  static uint32_t bucket(uint64_t ns) {
    if (ns < steps) return static_cast<uint32_t>(ns);
    const auto power = static_cast<uint32_t>(std::bit_width(ns)) - 5; // 16..31 >> power
    return (power + 1) * steps + static_cast<uint32_t>((ns >> power) - steps);
  }
  static uint64_t upper(uint32_t i) {
    if (i < steps) return i;
    const uint32_t power = i / steps - 1;
    return ((static_cast<uint64_t>(i % steps) + steps + 1) << power) - 1;
  }

  std::array<uint64_t, 61 * steps> counts_{};
  uint64_t total_ = 0;
};

} // namespace fastptm::sim
