// What a strategy can do: queue, doom, load, run, refuse.
#include <algorithm>
#include <limits>

#include "core/check.hpp"
#include "policy/scheduling/board.hpp"
#include "policy/scheduling/strategy.hpp"

namespace fastptm::policy::scheduling {

namespace {

// Of max_batch_us, for batches that gain little by being large.
constexpr duration_us short_batch_part = 5;

} // namespace

// -- queues -----------------------------------------------------------------------------------------------------------

void board::queue_live(uint32_t slot) {
  request_entry& r = requests_[slot];
  model_state& m = models_[r.model];
  r.state = request_state::live;
  requests_.push(m.live, slot);
  if (m.live_position == no_index) add_live(r.model);
  shares_.work_came(m.tenant);
}

void board::queue_late(uint32_t slot) {
  request_entry& r = requests_[slot];
  model_state& m = models_[r.model];
  if (late_rules_.has(m.tenant) && late_rules_[m.tenant] == late_rule::refuse)
    return refuse_request(slot, refusal::late);
  r.state = request_state::late;
  requests_.push(m.late, slot);
  if (m.late_position == no_index) add_late(r.model);
  shares_.work_came(m.tenant);
}

void board::place(request_queue& queue, uint32_t slot, uint32_t place) {
  request_entry& r = requests_[slot];
  r.state = request_state::placed;
  r.place = place;
  requests_.push_back(queue, slot);
  shares_.work_came(models_[r.model].tenant);
}

void board::unplace(request_queue& queue, uint32_t slot) {
  requests_.remove(queue, slot);
  shares_.work_left(models_[requests_[slot].model].tenant);
}

void board::doom(model_index x, time_us earliest_end_us) {
  const model_state& m = models_[x];
  while (!m.live.empty() && head_deadline_us(x) < earliest_end_us) doom_head(x);
}

void board::doom_head(model_index x) {
  const uint32_t head = live_head(x);
  unqueue(head);
  queue_late(head);
}

void board::refuse_request(uint32_t slot, refusal reason, duration_us retry_after_us) {
  request_entry& r = requests_[slot];
  r.state = request_state::free;
  out_->add(refuse{{slot, r.generation}, reason, retry_after_us});
  ++counters_.refused;
}

void board::add_live(model_index x) {
  models_[x].live_position = static_cast<uint32_t>(live_models_.size());
  live_models_.push_back(x);
}

void board::drop_live(model_index x) {
  const uint32_t hole = std::exchange(models_[x].live_position, no_index);
  live_models_[hole] = live_models_.back();
  if (live_models_[hole] != x) models_[live_models_[hole]].live_position = hole;
  live_models_.pop_back();
}

void board::add_late(model_index x) {
  models_[x].late_position = static_cast<uint32_t>(late_models_.size());
  late_models_.push_back(x);
}

void board::drop_late(model_index x) {
  const uint32_t hole = std::exchange(models_[x].late_position, no_index);
  late_models_[hole] = late_models_.back();
  if (late_models_[hole] != x) models_[late_models_[hole]].late_position = hole;
  late_models_.pop_back();
}

void board::unqueue(uint32_t slot) {
  const model_index x = requests_[slot].model;
  model_state& m = models_[x];
  shares_.work_left(m.tenant);
  if (requests_[slot].state == request_state::late) {
    requests_.remove(m.late, slot);
    if (m.late.empty()) drop_late(x);
  } else {
    requests_.remove(m.live, slot);
    if (m.live.empty()) drop_live(x);
  }
}

// -- loads ------------------------------------------------------------------------------------------------------------

bool board::load_set(device_index d, model_index x, load_reason reason) {
  return plan_load(d, x, reason) != nullptr;
}

const planned_load* board::plan_load(device_index d, model_index x, load_reason reason) {
  if (!can_load(x, d)) return nullptr;
  device_state& device = devices_[d];
  model_state& m = models_[x];
  planned_load l{core::load_id{next_load_++}, x, 0, load_us(x, d), source(x, d), reason};
  if (plan(x, d, victims_) == fit::evicting) {
    for (const model_index v : victims_) {
      drop_set(d, v);
      out_->add(evict{d, v});
      ++counters_.evictions;
    }
  }
  time_us& engine = *std::min_element(device.engine_free_us.begin(), device.engine_free_us.end());
  engine = l.ready_us = std::max(engine, now_us_) + l.takes_us;
  add_set(d, x);
  device.sets.pin(x);
  device.loads.push_back(l);
  lists_.add(m.loading, d);
  shares_.charge(m.tenant, l.takes_us);
  out_->add(load{d, x, l.id, reason});
  ++counters_.loads;
  if (reason == load_reason::prefetch) ++counters_.prefetches;
  if (reason == load_reason::replica) ++counters_.replicas;
  return &device.loads.back();
}

// -- runs -------------------------------------------------------------------------------------------------------------

uint32_t board::batch_of(model_index x, device_index d, uint32_t most) const {
  if (options_.max_batch_us == 0) return most;
  const auto alone_us = execution_us(x, d, 1);
  const auto is_too_long = [&](uint32_t batch) {
    const auto takes_us = execution_us(x, d, batch);
    const bool pays = takes_us <= batch * alone_us / 2;
    return takes_us > (pays ? options_.max_batch_us : options_.max_batch_us / short_batch_part);
  };
  while (most > 1 && is_too_long(most)) --most;
  return most;
}

bool board::start(lane_index z, model_index x, queue_kind from, uint32_t most) {
  if (!prepare(z, x)) return false;
  most = batch_of(x, lanes_[z].device, most);
  model_state& m = models_[x];
  request_queue& queue = from == queue_kind::live ? m.live : m.late;
  lane_state& lane = lanes_[z];
  uint32_t last = no_request;
  while (!queue.empty() && lane.count < most) {
    const uint32_t slot = requests_.pop_front(queue);
    shares_.work_left(m.tenant);
    (last == no_request ? lane.head : requests_[last].next) = slot;
    last = slot;
    ++lane.count;
  }
  if (last != no_request) requests_[last].next = no_request;
  if (m.live.empty() && m.live_position != no_index) drop_live(x);
  if (m.late.empty() && m.late_position != no_index) drop_late(x);
  commit(z, x);
  return true;
}

bool board::start(lane_index z, model_index x, request_queue& from, uint32_t most) {
  if (!prepare(z, x)) return false;
  most = batch_of(x, lanes_[z].device, most);
  lane_state& lane = lanes_[z];
  uint32_t last = no_request;
  while (!from.empty() && lane.count < most && requests_[from.head].model == x) {
    const uint32_t slot = from.head;
    unplace(from, slot);
    (last == no_request ? lane.head : requests_[last].next) = slot;
    last = slot;
    ++lane.count;
  }
  if (last != no_request) requests_[last].next = no_request;
  commit(z, x);
  return true;
}

bool board::prepare(lane_index z, model_index x) {
  lane_state& lane = lanes_[z];
  core::check(idle_.has(z), "work for a lane that is not idle");
  device_state& device = devices_[lane.device];
  const planned_load* under_way = nullptr;
  if (!device.sets.holds(x)) {
    under_way = plan_load(lane.device, x, load_reason::request);
    if (under_way == nullptr) return false;
  } else {
    under_way = load_under_way(x, lane.device);
  }
  lane.waits_for = under_way ? under_way->id : core::load_id{};
  lane.head = no_request;
  lane.count = 0;
  return true;
}

void board::commit(lane_index z, model_index x) {
  lane_state& lane = lanes_[z];
  device_state& device = devices_[lane.device];
  core::check(lane.count > 0, "a batch without requests");
  device.sets.touch(x);
  device.sets.pin(x);
  idle_.remove(z);
  lane.batch = core::batch_id{next_batch_++};
  lane.expected_us = execution_us(x, lane.device, lane.count);
  if (lane.active != x) {
    lane.visit_since_us = now_us_;
    if (lane.waits_for.value == 0) lane.expected_us += options_.activate_us;
  }
  lane.active = x;
  lane.free_us = now_us_ + lane.expected_us;
  if (lane.waits_for.value != 0) {
    // With `layers` parts, the first of them is enough to begin, and the last one has to be waited for.
    const planned_load& l = *load_under_way(x, lane.device);
    const duration_us layers = options_.layers;
    const time_us first_part_us = std::max(now_us_, l.ready_us - l.takes_us + l.takes_us / layers);
    lane.free_us = std::max(first_part_us + lane.expected_us, l.ready_us + lane.expected_us / layers);
  }
  shares_.charge(models_[x].tenant, lane.free_us - now_us_);
  run batch{lane.device, lane.number, x, lane.batch, lane.waits_for, out_->request_count(), lane.count};
  for (uint32_t slot = lane.head; slot != no_request; slot = requests_[slot].next) {
    requests_[slot].state = request_state::running;
    out_->add_request({slot, requests_[slot].generation});
  }
  out_->add(batch);
  ++counters_.batches;
}

} // namespace fastptm::policy::scheduling
