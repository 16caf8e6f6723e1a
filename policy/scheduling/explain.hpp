// Why a model is served where it is, or not: every term that a decision about it would weigh now, device by device.
#pragma once

#include <optional>
#include <vector>

#include "policy/scheduling/board.hpp"
#include "policy/scheduling/core.hpp"

namespace fastptm::policy::scheduling {

// Of one model on one device that is there. Times are from the core's last event on.
struct device_terms {
  device_index device;
  bool resident = false;               // Every shard is there and verified.
  std::optional<planned_load> loading; // On its way here.
  duration_us loading_left_us = 0;     // Of it, estimated.
  uint64_t missing_bytes = 0;          // What a load would move; shards of other sets count as there.
  source_kind source = source_kind::host_cache;
  duration_us load_us = 0;           // Moving them with a copy engine at hand; 0: the set is here or on its way.
  duration_us engine_wait_us = 0;    // Until a copy engine is free.
  std::vector<model_index> would_go; // What a load would displace, in that order,
  double price_us = 0;               // and what that is expected to cost: see board::worth.
  duration_us lane_wait_us = 0;      // Until a lane is free; 0: one is.
  duration_us run_one_us = 0;        // Execution of one request,
  uint32_t batch = 1;                // and of the batch that would be made of what waits,
  duration_us run_batch_us = 0;      // at most options::max_batch.
  std::optional<double> value;       // Of a visit that began now: requests per microsecond, discounted.
  objection against;                 // Why it does not begin now.
};

struct queue_length {
  uint32_t queued = 0; // Can still be on time, wherever the strategy keeps them.
  uint32_t late = 0;
};

struct explanation {
  queue_length queue;
  std::optional<duration_us> head_left_us; // Until the earliest deadline in the live queue, where the strategy has one.
  double tenant_service_us = 0;            // Run time, switches and moved bytes, charged in all.
  uint32_t tenant_share = 1;
  bool tenant_ahead = false;
  std::vector<device_terms> devices; // In the order of their indices.
};

// Computed by the functions that the decision itself uses, as of the last event: tell the core a timer first. For
// people: it allocates, and looks at every request of a strategy that keeps its own queues.
// Requires: the model was added.
explanation explain(const scheduling_core& core, model_index model);

// Of every model, by index.
std::vector<queue_length> queue_lengths(const board& b);

} // namespace fastptm::policy::scheduling
