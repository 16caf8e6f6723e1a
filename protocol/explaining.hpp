// How the scheduler explains itself: the terms of a decision, and what every queue, load and lane is about.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/loading.hpp"

namespace fastptm::protocol {

// One model on one device: policy/scheduling/explain.hpp says what the terms mean. Times are remaining or estimated.
struct explained_device {
  std::string device;
  bool resident = false;
  bool loading = false;
  load_reason reason = load_reason::request; // of the load under way
  int64_t loading_left_us = 0;
  std::string tier; // peer, home or remote: where the bytes come from
  uint64_t missing_bytes = 0;
  int64_t load_us = 0;
  int64_t engine_wait_us = 0;
  std::vector<std::string> would_go; // models that a load would displace
  int64_t price_us = 0;              // of giving them up
  int64_t lane_wait_us = 0;
  int64_t run_one_us = 0;
  uint32_t batch = 0;
  int64_t run_batch_us = 0;
  bool has_value = false;
  uint64_t value_micro_rps = 0; // discounted requests per second, in millionths
  std::string against;          // "none": nothing
  int64_t against_for_us = 0;   // 0: not known
};
template <class I> typename I::result_type inspect(I& f, explained_device& x) {
  return fields(f, "explained_device", x.device, x.resident, x.loading, x.reason, x.loading_left_us, x.tier,
                x.missing_bytes, x.load_us, x.engine_wait_us, x.would_go, x.price_us, x.lane_wait_us, x.run_one_us,
                x.batch, x.run_batch_us, x.has_value, x.value_micro_rps, x.against, x.against_for_us);
}

struct explanation {
  std::string model;
  std::string strategy;
  std::string tenant;
  uint32_t queued = 0;
  uint32_t late = 0;
  bool has_head = false;
  int64_t head_left_us = 0; // to the earliest deadline; has_head: there is one
  uint64_t tenant_service_us = 0;
  uint32_t tenant_share = 0;
  bool tenant_ahead = false;
  std::vector<explained_device> devices;
};
template <class I> typename I::result_type inspect(I& f, explanation& x) {
  return fields(f, "explanation", x.model, x.strategy, x.tenant, x.queued, x.late, x.has_head, x.head_left_us,
                x.tenant_service_us, x.tenant_share, x.tenant_ahead, x.devices);
}

struct model_queue {
  std::string model;
  uint32_t queued = 0;
  uint32_t late = 0;
};
template <class I> typename I::result_type inspect(I& f, model_queue& x) {
  return fields(f, "model_queue", x.model, x.queued, x.late);
}

struct planned_row {
  std::string model;
  load_reason reason = load_reason::request;
  int64_t remaining_us = 0; // estimated
};
template <class I> typename I::result_type inspect(I& f, planned_row& x) {
  return fields(f, "planned_row", x.model, x.reason, x.remaining_us);
}

struct lane_row {
  std::string model;     // empty: nothing runs
  uint32_t requests = 0; // of the batch
  int64_t remaining_us = 0;
};
template <class I> typename I::result_type inspect(I& f, lane_row& x) {
  return fields(f, "lane_row", x.model, x.requests, x.remaining_us);
}

struct device_plan {
  std::string device;
  std::vector<planned_row> loads; // in the order they will be done
  std::vector<lane_row> lanes;
};
template <class I> typename I::result_type inspect(I& f, device_plan& x) {
  return fields(f, "device_plan", x.device, x.loads, x.lanes);
}

struct plan_list {
  std::vector<model_queue> queues; // models for which requests wait
  std::vector<device_plan> devices;
};
template <class I> typename I::result_type inspect(I& f, plan_list& x) {
  return fields(f, "plan_list", x.queues, x.devices);
}

} // namespace fastptm::protocol
