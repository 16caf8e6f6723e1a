// The terms that a decision about a model weighs: what `fastptm explain` prints.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.hpp"
#include "protocol/reports/loads.hpp"

namespace fastptm::protocol {

struct explained_load {
  load_reason reason = load_reason::request;
  std::string source;       // peer_device, host_cache or peer_host: where its bytes come from
  int64_t remaining_us = 0; // estimated
};
FASTPTM_FIELDS(explained_load, reason, source, remaining_us)

// One model on one device: policy/scheduling/explain.hpp says what the terms mean. Times are remaining or estimated.
struct explained_device {
  std::string device;
  bool resident = false;
  bool is_loading = false;
  explained_load loading;
  // Of a load that would have to be begun:
  uint64_t missing_bytes = 0;
  std::string source; // as above
  int64_t load_us = 0;
  int64_t engine_wait_us = 0;
  std::vector<std::string> would_go; // models that it would displace
  int64_t price_us = 0;              // what giving them up is expected to cost

  int64_t lane_wait_us = 0;
  int64_t run_one_us = 0;
  uint32_t batch = 0; // what waits, up to the largest batch
  int64_t run_batch_us = 0;
  bool has_value = false;
  uint64_t value_micro_rps = 0; // of a visit: discounted requests per second, in millionths
  std::string against;          // why it is not served here now; "none": nothing
  int64_t against_for_us = 0;   // until that ends by itself; 0: not known
};
FASTPTM_FIELDS(explained_device, device, resident, is_loading, loading, missing_bytes, source, load_us, engine_wait_us,
               would_go, price_us, lane_wait_us, run_one_us, batch, run_batch_us, has_value, value_micro_rps, against,
               against_for_us)

// Whether a term says anything here: one that does not is left out where it is shown.
inline bool applies(const explained_device& of, std::string_view field) {
  constexpr std::array of_a_load{"missing_bytes", "source", "load_us", "engine_wait_us", "would_go", "price_us"};
  if (std::ranges::find(of_a_load, field) != of_a_load.end()) return !of.resident && !of.is_loading;
  if (field == "loading") return of.is_loading;
  if (field == "value_micro_rps") return of.has_value;
  if (field == "against_for_us") return of.against_for_us > 0;
  return field != "is_loading" && field != "has_value";
}

struct explained_tenant {
  std::string name;
  uint32_t share = 0;
  uint64_t service_us = 0; // run time, switches and moved bytes, charged in all
  bool ahead = false;      // of its share: others go first
};
FASTPTM_FIELDS(explained_tenant, name, share, service_us, ahead)

struct explanation {
  std::string model;
  std::string strategy;
  uint32_t queued = 0; // can still be on time
  uint32_t late = 0;
  bool has_head = false;
  int64_t head_remaining_us = 0; // to the earliest deadline, which may have passed
  explained_tenant tenant;
  std::vector<explained_device> devices;
};
FASTPTM_FIELDS(explanation, model, strategy, queued, late, has_head, head_remaining_us, tenant, devices)

inline bool applies(const explanation& of, std::string_view field) {
  if (field == "head_remaining_us") return of.has_head;
  return field != "has_head";
}

} // namespace fastptm::protocol
