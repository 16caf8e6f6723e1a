// Every knob of the scheduling core, with its unit and the reason for its default.
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.hpp"
#include "policy/sourcing.hpp"

namespace fastptm::policy::scheduling {

struct options {
  // dxv, omls, omls_clean, fcfs, edf, sjf, affinity, least_loaded, round_robin: the names of strategy_names().
  std::string strategy = "dxv";

  // Batches: 8 is where exec(b) of small encoders stops getting cheaper per request.
  uint32_t max_batch = 8;
  // Fewer run together where that many would take longer than this, as far as is known: a batch is not interrupted, and
  // whoever comes meanwhile waits for it. Already beyond a fifth of it where running together saves less than half of
  // the time. 0: as long as they take.
  core::duration_us max_batch_us = 0;
  // Parts of a set that become usable one after the other; 1: a batch starts only when the whole set is there.
  uint32_t layers = 12;

  // Deadlines.
  // K: how fast value falls with slack. 0: a fifth of the time the request was given, so that models with short and
  // long deadlines compete fairly; any value from a tenth to a third does about as well.
  core::duration_us slack_scale_us = 0;
  bool doom = true; // Requests that cannot be on time any more yield to those that can.

  // After its deadline a request is served last; beyond this it is refused, so that none waits for ever. 0: it may.
  core::duration_us late_patience_us = 60'000'000;

  // Loads.
  bool prefetch = true;                      // Copy engines work ahead where a second set fits.
  double hold = 0.0;                         // Rent or buy: load when hold * load time has been waited; 0: at once.
  core::duration_us hold_guard_us = 400'000; // Never hold a request whose slack is below this.
  bool replicas = true;                      // A model too hot for its holders gets another device.

  // Estimates until something is measured: see cost_model.
  core::duration_us load_base_us = 2'000; // Part of a load that does not depend on its size.
  uint64_t peer_bytes_per_s = assumed_rate_bps(source_kind::peer_device); // From a device of the same host.
  uint64_t home_bytes_per_s = assumed_rate_bps(source_kind::host_cache);  // From the host's own memory.
  uint64_t remote_bytes_per_s = assumed_rate_bps(source_kind::peer_host); // From another host.
  core::duration_us activate_us = 0; // Making a resident set the active one of a lane.

  // Fair shares: a tenant may be this much device time ahead of the worst served one that has work.
  core::duration_us fair_window_us = 500'000;

  // The published schedulers look at their queues at fixed times only (omls, fcfs); 0: at every event.
  core::duration_us poll_us = 0;
  core::duration_us urgent_us = 1'050'000; // omls: waiting time after which a request goes first.

  // Failures: the first retry of a load; doubles up to 64 times this.
  core::duration_us load_retry_us = 50'000;

  // Bounds of the tables; events beyond them are rejected.
  uint32_t max_models = 1u << 20;
  uint32_t max_devices = 1u << 16;
  uint32_t max_requests = 1u << 24;
};

} // namespace fastptm::policy::scheduling
