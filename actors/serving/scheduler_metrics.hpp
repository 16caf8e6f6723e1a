// What /metrics tells about the scheduler: how long decisions take, and the core's counters.
#pragma once

#include <array>

#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "policy/scheduling/core.hpp"

namespace fastptm::actors {

// Of one scheduler, on its thread.
class scheduler_metrics {
public:
  explicit scheduler_metrics(core::metrics_registry& registry);

  // After a call of `on` that took so long: what the core has counted since the last one.
  void decided(const policy::scheduling::core_counters& counted, int64_t took_ns);
  void queued(size_t requests) { queued_->set(static_cast<int64_t>(requests)); }

  core::counter& failed_loads() { return *failed_loads_; }
  core::counter& batches_answered() { return *batches_answered_; }
  core::counter& failed_batches() { return *failed_batches_; }

private:
  // A counter of the core and the metric that follows it.
  struct followed {
    uint64_t policy::scheduling::core_counters::*from;
    core::counter* to;
  };
  static constexpr size_t followed_count = 10;

  core::histogram* decision_;
  core::gauge* queued_;
  core::counter *failed_loads_, *batches_answered_, *failed_batches_;
  std::array<followed, followed_count> followed_;
  std::array<core::counter*, policy::scheduling::rejection_count> rejected_;
  policy::scheduling::core_counters told_; // As of the last decision.
};

// Events that the core rejects should not happen: each kind is logged, at most once a second, with how many there were.
class rejection_log {
public:
  void rejected(policy::scheduling::rejection reason, std::string_view event, core::time_us now);

private:
  struct last_line {
    core::time_us silent_until_us = 0;
    uint64_t suppressed = 0;
  };
  std::array<last_line, policy::scheduling::rejection_count> lines_;
};

} // namespace fastptm::actors
