// The steps of DXV in their order: doom, stay, visit, work ahead, late.
#include "policy/scheduling/strategies/dxv_close.hpp"

#include <algorithm>

#include "policy/scheduling/strategies/dxv_value.hpp"

namespace fastptm::policy::scheduling {

namespace {

bool usable(const board& b, lane_index z) {
  const device_state& d = b.device(b.lane(z).device);
  return d.joined && !d.cordoned && b.lane(z).number < d.lanes && d.first_lane.value + b.lane(z).number == z.value;
}

// The lane that runs the model now; no_lane: none.
lane_index lane_running(const board& b, model_index x) {
  for (uint32_t i = 0; i < b.lane_count(); ++i)
    if (usable(b, lane_index{i}) && b.lane(lane_index{i}).batch.value != 0 && b.lane(lane_index{i}).active == x)
      return lane_index{i};
  return no_lane;
}

duration_us rest_us(const board& b, lane_index z) {
  return std::max<duration_us>(0, b.lane(z).free_us - b.now());
}

// Until a busy lane is through with what waits for its model now: a visit is exhaustive.
duration_us visit_rest_us(const board& b, lane_index z) {
  const model_index x = b.lane(z).active;
  const uint32_t count = b.model(x).live.count;
  if (count == 0) return rest_us(b, z);
  const device_index d = b.lane(z).device;
  const duration_us one_us = b.execution_us(x, d, 1), each_us = b.execution_us(x, d, 2) - one_us;
  const duration_us batches = (count + b.chosen().max_batch - 1) / b.chosen().max_batch;
  return rest_us(b, z) + batches * (one_us - each_us) + count * each_us;
}

} // namespace

void dxv_close::decide(board& b) {
  failed_.clear();
  if (b.chosen().doom) doom(b);
  if (!b.idle().empty() && !b.live_models().empty()) {
    // Tenants ahead of their share get what the others leave.
    for (const bool only_fair : {true, false}) {
      stay(b, only_fair);
      visit(b, only_fair);
      if (b.shares().with_work() < 2) break;
    }
  }
  if (b.chosen().prefetch) work_ahead(b);
  if (!b.idle().empty() && b.live_models().empty()) serve_late(b);
}

bool dxv_close::may_serve(const board& b, model_index x, bool only_fair) const {
  return !only_fair || !b.tenant_ahead(x);
}

// Never spend lane time on a request that cannot be on time any more, whichever lane took it.
void dxv_close::doom(board& b) {
  to_doom_.reserve(most_models);
  to_doom_.assign(b.live_models().begin(), b.live_models().end());
  for (const model_index x : to_doom_) {
    time_us earliest_us = std::numeric_limits<time_us>::max();
    for (uint32_t i = 0; i < b.lane_count(); ++i) {
      const lane_index z{i};
      if (!usable(b, z)) continue;
      const device_index d = b.lane(z).device;
      const duration_us one_us = b.execution_us(x, d, 1);
      const bool there = b.lane(z).active == x && b.device(d).sets.holds(x);
      duration_us wait_us = rest_us(b, z) + (there ? 0 : b.setup_us(z, x));
      // With a pipelined switch the execution overlaps all but the first part of the load.
      const duration_us layers = b.chosen().layers;
      if (layers > 1) wait_us -= std::min(wait_us, one_us) * (layers - 1) / layers;
      earliest_us = std::min(earliest_us, b.now() + wait_us + one_us);
    }
    if (earliest_us != std::numeric_limits<time_us>::max()) b.doom(x, earliest_us);
  }
}

// A visit is exhaustive: a lane goes on with its model while that has live requests.
void dxv_close::stay(board& b, bool only_fair) {
  for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
    const model_index x = b.lane(z).active;
    if (x == no_model || b.model(x).live.empty() || !may_serve(b, x, only_fair) || must_leave(b, z)) continue;
    if (b.device(b.lane(z).device).sets.holds(x)) b.start(z, x, queue_kind::live, b.chosen().max_batch);
  }
}

// A visit that has lasted half a deadline ends when another model would be lost otherwise: nobody else serves it.
bool dxv_close::must_leave(const board& b, lane_index z) const {
  const lane_state& lane = b.lane(z);
  const request_entry& head = b.request(b.live_head(lane.active));
  if (b.now() - lane.visit_since_us <= (head.deadline_us - head.arrival_us) / 2) return false;
  return std::any_of(b.live_models().begin(), b.live_models().end(), [&](model_index x) {
    return x != lane.active && b.holders(x).empty() && b.loading(x).empty() && b.can_load(x, lane.device);
  });
}

void dxv_close::visit(board& b, bool only_fair) {
  while (!b.idle().empty() && !b.live_models().empty()) {
    const choice best = best_visit(b, only_fair);
    if (best.lane == no_lane) return;
    if (!b.start(best.lane, best.model, queue_kind::live, b.chosen().max_batch)) failed_.push_back(best.lane);
  }
}

// Ties: a lane that has no model yet, then the one that has been idle longest.
bool dxv_close::choice::over(const choice& other, const board& b) const {
  if (other.lane == no_lane || value != other.value) return other.lane == no_lane || value > other.value;
  const lane_state &mine = b.lane(lane), &theirs = b.lane(other.lane);
  const bool mine_empty = mine.active == no_model, theirs_empty = theirs.active == no_model;
  if (mine_empty != theirs_empty) return mine_empty;
  if (mine.free_us != theirs.free_us) return mine.free_us < theirs.free_us;
  return lane != other.lane ? lane < other.lane : model < other.model;
}

dxv_close::choice dxv_close::best_visit(board& b, bool only_fair) {
  choice best;
  for (const model_index x : b.live_models()) {
    if (!may_serve(b, x, only_fair)) continue;
    const lane_index z = lane_for(b, x);
    if (z == no_lane) continue;
    const choice candidate{z, x, visit_value(b, x, b.lane(z).device, b.model(x).live.count, b.setup_us(z, x))};
    if (candidate.over(best, b)) best = candidate;
  }
  return best;
}

// The idle lane that the model should have now; no_lane: none. One that has the set, if its requests can be on time
// there; else the best place for a load, when a lane there is idle and no holder will do.
lane_index dxv_close::lane_for(board& b, model_index x) {
  const lane_index holder = first_holder(b, x);
  if (holder != no_lane) {
    const device_index d = b.lane(holder).device;
    const duration_us end_us = b.setup_us(holder, x) + b.execution_us(x, d, 1);
    const objection against = objection_to_visit(b, holder, x, b.setup_us(holder, x));
    if (against.why != objection_kind::none) return no_lane;
    if (b.now() + end_us <= b.head_deadline_us(x)) return holder;
  }
  if (holder_is_soon(b, x)) return holder;
  const placement best = best_place(b, x);
  const bool copy = !b.holders(x).empty() || !b.loading(x).empty();
  if (!best.exists() || (copy && !best.in_time)) return holder;
  lane_index chosen = no_lane;
  for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
    if (b.lane(z).device != best.device || has_failed(z)) continue;
    const objection against = objection_to_visit(b, z, x, b.setup_us(z, x));
    if (against.for_us > 0) b.wake_at(b.now() + against.for_us);
    if (against.why != objection_kind::none) continue;
    if (chosen == no_lane || choice{z, x, 0}.over({chosen, x, 0}, b)) chosen = z;
  }
  return chosen != no_lane ? chosen : holder;
}

bool dxv_close::has_failed(lane_index z) const {
  return std::find(failed_.begin(), failed_.end(), z) != failed_.end();
}

// Of the idle lanes that have the set, or, if none has, of those that will:
// the one that is through with a request first.
lane_index dxv_close::first_holder(const board& b, model_index x) const {
  lane_index best = no_lane;
  std::pair<bool, duration_us> best_key;
  for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
    const device_index d = b.lane(z).device;
    if (!b.device(d).sets.holds(x) || has_failed(z)) continue;
    const std::pair key{!b.is_ready(x, d), b.setup_us(z, x) + b.execution_us(x, d, 1)};
    if (best == no_lane || key < best_key || (key == best_key && choice{z, x, 0}.over({best, x, 0}, b)))
      best = z, best_key = key;
  }
  return best;
}

// Of all devices without the set. Lanes that are busy count with the rest of their visit; where nothing works ahead,
// only idle ones do.
placement dxv_close::best_place(const board& b, model_index x) const {
  placement best;
  lane_index best_lane = no_lane;
  for (uint32_t i = 0; i < b.lane_count(); ++i) {
    const lane_index z{i};
    const device_index d = b.lane(z).device;
    if (!usable(b, z) || b.device(d).sets.holds(x) || has_failed(z)) continue;
    if (!b.idle().has(z) && !b.chosen().prefetch) continue;
    const placement candidate = place(b, x, d, b.idle().has(z) ? 0 : visit_rest_us(b, z));
    if (!candidate.exists() || best.better_than(candidate)) continue;
    if (!candidate.better_than(best) && !choice{z, x, 0}.over({best_lane, x, 0}, b)) continue;
    best = candidate, best_lane = z;
  }
  return best;
}

objection dxv_close::objection_to_visit(const board& b, lane_index z, model_index x, duration_us setup_us) const {
  const device_index d = b.lane(z).device;
  if (!b.is_ready(x, d) && b.chosen().prefetch && lane_has_ready_work(b, z, x))
    return {objection_kind::other_work_ready};
  if (b.device(d).sets.holds(x)) return {};
  const duration_us held_us = held_for_us(b, x, setup_us, b.execution_us(x, d, 1));
  if (held_us > 0) return {objection_kind::load_held, held_us};
  return {};
}

judgement dxv_close::judge(const board& b, lane_index z, model_index x) const {
  const device_index d = b.lane(z).device;
  const duration_us setup_us = b.setup_us(z, x);
  objection against = objection_to_visit(b, z, x, setup_us);
  if (against.why == objection_kind::none && !b.device(d).sets.holds(x)) {
    if (first_holder(b, x) != no_lane || holder_is_soon(b, x)) {
      against = {objection_kind::holder_is_sooner};
    } else if (const placement best = best_place(b, x); best.exists() && best.device != d) {
      against = {objection_kind::better_place};
    }
  }
  if (b.tenant_ahead(x)) against = {objection_kind::tenant_ahead};
  return {visit_value(b, x, d, b.model(x).live.count, setup_us), against};
}

// Devices that have the set, or will have, get through with all that waits for it in time, with a tenth of that time to
// spare: a copy would cost a load, and what it displaces, for nothing that anybody asked for.
bool dxv_close::holder_is_soon(const board& b, model_index x) const {
  constexpr duration_us spare_part = 10;
  const request_entry& head = b.request(b.live_head(x));
  const duration_us given_us = head.deadline_us - head.arrival_us;
  const uint32_t count = b.model(x).live.count, most = b.chosen().max_batch;
  for (uint32_t i = 0; i < b.lane_count(); ++i) {
    const lane_index z{i};
    const device_index d = b.lane(z).device;
    if (!usable(b, z) || !b.device(d).sets.holds(x)) continue;
    const duration_us start_us = std::max(b.setup_us(z, x), b.idle().has(z) ? 0 : visit_rest_us(b, z));
    const duration_us batches = (count + most - 1) / most;
    const duration_us run_us =
        batches * b.execution_us(x, d, (count + static_cast<uint32_t>(batches) - 1) / static_cast<uint32_t>(batches));
    if (b.now() + start_us + run_us <= head.deadline_us - given_us / spare_part) return true;
  }
  return false;
}

// A lane never waits for a load while its device has another set that is ready and has live work.
bool dxv_close::lane_has_ready_work(const board& b, lane_index z, model_index but) const {
  const device_index d = b.lane(z).device;
  const residency& sets = b.device(d).sets;
  if (sets.set_count() < 2) return false;
  for (model_index v = sets.oldest(); v != no_model; v = sets.next(v))
    if (v != but && !b.model(v).live.empty() && b.load_under_way(v, d) == nullptr) return true;
  return false;
}

// Copy engines that have nothing to do fetch what will be visited next to where it is best placed, if that displaces
// nothing that has live work.
void dxv_close::work_ahead(board& b) {
  for (uint32_t i = 0; i < b.device_count(); ++i) {
    const device_index d{i};
    if (!b.device(d).joined || b.engine_wait_us(d) > 0 || b.device(d).sets.set_count() == 0) continue;
    model_index best = no_model;
    double best_value = 0;
    for (const model_index x : b.live_models()) {
      if (!b.holders(x).empty() || !b.loading(x).empty()) continue;
      const double value = visit_value(b, x, d, b.model(x).live.count, b.load_us(x, d));
      if (best == no_model || value > best_value) best = x, best_value = value;
    }
    if (best == no_model) return;
    const placement target = best_place(b, best);
    if (!target.exists() || target.made.wanted || b.engine_wait_us(target.device) > 0) continue;
    b.load_set(target.device, best, load_reason::prefetch);
  }
}

// What is late already gets the lanes only when nothing can be lost by it.
void dxv_close::serve_late(board& b) {
  for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
    const model_index x = b.lane(z).active;
    if (x != no_model && !b.model(x).late.empty() && b.device(b.lane(z).device).sets.holds(x))
      b.start(z, x, queue_kind::late, b.chosen().max_batch);
  }
  for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
    const device_index d = b.lane(z).device;
    const auto worth = [&](model_index x) { return std::pair(b.device(d).sets.holds(x), b.model(x).late.count); };
    model_index best = no_model;
    for (const model_index x : b.late_models()) {
      if (lane_running(b, x) != no_lane) continue;
      if (!b.device(d).sets.holds(x) && !b.can_load(x, d)) continue;
      if (best == no_model || worth(x) > worth(best) || (worth(x) == worth(best) && x < best)) best = x;
    }
    if (best != no_model) b.start(z, best, queue_kind::late, b.chosen().max_batch);
  }
}

} // namespace fastptm::policy::scheduling
