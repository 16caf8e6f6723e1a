// Copy engines, lanes and the pipelined switch.
#include "sim/lane_world.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::sim {

using namespace policy::scheduling;

lane_world::lane_world(uint32_t lanes, const replay_costs& costs, const times_us& times)
    : times_(times), shared_(costs.shared_pool), lanes_per_world_(lanes), layers_(costs.layers), lanes_(lanes) {
  pools_.resize(pools());
  for (pool_state& p : pools_) p.engine_free_us.assign(costs.copy_engines, 0);
}

void lane_world::preload(uint32_t pool, uint32_t model) {
  pool_state& p = pools_[pool];
  if (p.ready_us.size() <= model) p.ready_us.resize(model + 1, 0);
  log_.rows.push_back({schedule_row::kind::load, 0, pool, model, -1'000'000'000'000, 0});
  if (!shared_) lanes_[pool] = {model, false};
}

void lane_world::carry_out(core::time_us now, const commands& what) {
  for (const command& c : what.all()) {
    if (const auto* l = std::get_if<load>(&c)) begin(now, *l);
    if (const auto* e = std::get_if<evict>(&c)) begin(now, *e);
    if (const auto* r = std::get_if<run>(&c)) begin(now, *r, what.requests_of(*r));
  }
}

void lane_world::begin(core::time_us now, const load& l) {
  pool_state& p = pools_[l.device.value];
  core::time_us& engine = *std::min_element(p.engine_free_us.begin(), p.engine_free_us.end());
  const core::time_us start_us = std::max(engine, now + times_.dispatch);
  engine = start_us + times_.load;
  if (p.ready_us.size() <= l.model.value) p.ready_us.resize(l.model.value + 1, 0);
  p.ready_us[l.model.value] = engine;
  coming_.add(engine, load_done{l.device, l.id});
  log_.rows.push_back({schedule_row::kind::load, 0, l.device.value, l.model.value, start_us, engine});
}

void lane_world::begin(core::time_us now, const evict& e) {
  log_.rows.push_back({schedule_row::kind::evict, 0, e.device.value, e.model.value, now, now});
}

void lane_world::begin(core::time_us now, const run& r, std::span<const request_ref> who) {
  const uint32_t at = shared_ ? r.lane : r.device.value;
  lane_state& lane = lanes_[at];
  core::time_us ready_us = pools_[r.device.value].ready_us[r.model.value];
  const core::time_us from_us = now + times_.dispatch;
  if (lane.cold && times_.cold > 0) ready_us = std::max(ready_us, from_us) + times_.cold - times_.load;
  lane.cold = false;
  core::time_us exec_us = times_.exec_base + times_.exec * static_cast<core::time_us>(who.size());
  if (lane.active != r.model.value && r.waits_for.value == 0) exec_us += times_.activate;
  lane.active = r.model.value;
  core::time_us start_us = std::max(from_us, ready_us), end_us = start_us + exec_us;
  if (ready_us > from_us && layers_ > 1) { // The first part is enough to begin, the last has to be waited for.
    start_us = std::max(from_us, ready_us - times_.load + (times_.load + layers_ - 1) / layers_);
    end_us = std::max(start_us + exec_us, ready_us + (exec_us + layers_ - 1) / layers_);
  }
  coming_.add(end_us, batch_done{r.device, r.id, 0});
  log_.rows.push_back({schedule_row::kind::batch, at, r.device.value, r.model.value, start_us, end_us,
                       static_cast<uint32_t>(log_.requests.size()), static_cast<uint32_t>(who.size())});
  for (const request_ref q : who) log_.requests.push_back(q.slot);
}

void lane_world::take_due(core::time_us now, std::vector<event>& to) {
  while (!coming_.empty() && coming_.next_us() <= now) to.push_back(coming_.pop());
}

} // namespace fastptm::sim
