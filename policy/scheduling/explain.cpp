// Collects terms; computes none of them itself.
#include "policy/scheduling/explain.hpp"

#include <algorithm>

#include "policy/scheduling/strategy.hpp"

namespace fastptm::policy::scheduling {

namespace {

duration_us wait_us(const board& b, lane_index z) {
  return b.idle().has(z) ? 0 : std::max<duration_us>(0, b.lane(z).free_us - b.now());
}

// The lane of the device that would serve the model first: one that is free, best one that has it active.
lane_index first_lane(const board& b, device_index d, model_index x) {
  const device_state& device = b.device(d);
  lane_index best = device.first_lane;
  const auto key = [&](lane_index z) { return std::tuple(!b.idle().has(z), wait_us(b, z), b.lane(z).active != x); };
  for (uint32_t i = 1; i < device.lanes; ++i) {
    const lane_index z{device.first_lane.value + i};
    if (key(z) < key(best)) best = z;
  }
  return best;
}

void judge(const scheduling_core& core, lane_index z, model_index x, device_terms& to) {
  const board& b = core.state();
  const bool load_needed = !b.device(to.device).sets.holds(x);
  to.against = load_needed ? b.room_for(x, to.device).against : objection{};
  if (b.device(to.device).cordoned) to.against = {objection_kind::cordoned};
  if (b.model(x).live.empty()) return;
  const judgement of = core.judge(z, x);
  to.value = of.value;
  if (to.against.why == objection_kind::none) to.against = of.against;
  if (to.against.why == objection_kind::none && !b.idle().has(z))
    to.against = {objection_kind::lane_busy, to.lane_wait_us};
}

device_terms terms_of(const scheduling_core& core, device_index d, model_index x, uint32_t waiting) {
  const board& b = core.state();
  const lane_index z = first_lane(b, d, x);
  device_terms out;
  out.device = d;
  out.resident = b.is_ready(x, d);
  if (const planned_load* load = b.load_under_way(x, d)) {
    out.loading = *load;
    out.loading_left_us = std::max<duration_us>(0, load->ready_us - b.now());
  }
  if (!b.device(d).sets.holds(x)) {
    out.missing_bytes = b.device(d).sets.missing_bytes(b.model(x).shards);
    out.source = b.source(x, d);
    out.load_us = b.load_us(x, d);
    out.engine_wait_us = b.engine_wait_us(d);
    out.would_go = b.would_go(x, d);
    out.price_us = b.room_for(x, d).price_us;
  }
  out.lane_wait_us = wait_us(b, z);
  out.batch = b.batch_of(x, d, std::clamp(waiting, 1u, b.chosen().max_batch));
  out.run_one_us = b.execution_us(x, d, 1);
  out.run_batch_us = b.execution_us(x, d, out.batch);
  judge(core, z, x, out);
  return out;
}

} // namespace

explanation explain(const scheduling_core& core, model_index model) {
  const board& b = core.state();
  const model_state& m = b.model(model);
  explanation out;
  out.queue = queue_lengths(b)[model.value];
  if (!m.live.empty()) out.head_left_us = b.head_deadline_us(model) - b.now();
  out.tenant_service_us = b.shares().service_us(m.tenant);
  out.tenant_share = b.shares().share(m.tenant);
  out.tenant_ahead = b.tenant_ahead(model);
  const uint32_t waiting = out.queue.queued > 0 ? out.queue.queued : out.queue.late;
  for (device_index d{0}; d.value < b.device_count(); ++d.value) {
    if (!b.device(d).joined) continue;
    device_terms& terms = out.devices.emplace_back(terms_of(core, d, model, waiting));
    if (terms.against.why != objection_kind::none || out.queue.queued > 0) continue;
    terms.against = {out.queue.late > 0 ? objection_kind::only_late : objection_kind::nothing_waits};
  }
  return out;
}

std::vector<queue_length> queue_lengths(const board& b) {
  std::vector<queue_length> out(b.model_count());
  for (uint32_t x = 0; x < b.model_count(); ++x) {
    const model_state& m = b.model({x});
    out[x] = {m.live.count, m.late.count};
  }
  for (uint32_t slot = 0; b.requests().has(slot); ++slot)
    if (b.request(slot).state == request_state::placed) ++out[b.request(slot).model.value].queued;
  return out;
}

} // namespace fastptm::policy::scheduling
