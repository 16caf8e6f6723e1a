// What the scheduler plans: what every queue, load and lane is about.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/fields.hpp"
#include "protocol/reports/explanation.hpp"
#include "protocol/reports/status.hpp"

namespace fastptm::protocol {

struct model_queue {
  std::string model;
  uint32_t queued = 0;
  uint32_t late = 0;
};
FASTPTM_FIELDS(model_queue, model, queued, late)

struct device_plan {
  std::string device;
  std::vector<planned_load> loads; // in the order they will be done
  std::vector<lane_status> lanes;
};
FASTPTM_FIELDS(device_plan, device, loads, lanes)

struct plan_list {
  std::vector<model_queue> queues; // models for which requests wait
  std::vector<device_plan> devices;
};
FASTPTM_FIELDS(plan_list, queues, devices)

} // namespace fastptm::protocol
