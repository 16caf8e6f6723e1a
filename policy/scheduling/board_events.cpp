// How each event changes the board. An event that cannot be true is rejected before anything changes.
#include <algorithm>
#include <bit>

#include "core/check.hpp"
#include "policy/scheduling/board.hpp"
#include "policy/scheduling/strategy.hpp"

namespace fastptm::policy::scheduling {

namespace {
// Beyond these a value is a mistake, not a machine.
constexpr duration_us longest_cost_us = 3'600'000'000; // One hour for one request.
constexpr uint64_t most_bytes = uint64_t{1} << 50;
constexpr uint32_t most_lanes = 256, most_classes = 4096, most_kinds = 4096, most_tenants = 1u << 20,
                   most_share = 10'000;
constexpr time_us farthest_us = time_us{1} << 52; // 142 years: keeps sums of times far from overflow.
constexpr uint8_t most_attempts = 3;
constexpr uint8_t most_doublings = 6;

bool sane(const execution_cost& c) {
  return c.base_us >= 0 && c.base_us <= longest_cost_us && c.each_us > 0 && c.each_us <= longest_cost_us;
}

bool names_one_twice(std::span<const shard_size> shards) {
  for (size_t i = 1; i < shards.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (shards[k].shard == shards[i].shard) return true;
  return false;
}
} // namespace

// -- tenants and models -----------------------------------------------------------------------------------------------

rejection board::apply(const tenant_added& e) {
  if (e.tenant.value >= most_tenants || e.share == 0 || e.share > most_share) return rejection::absurd;
  shares_.set_share(e.tenant, e.share);
  late_rules_.grow_to(e.tenant) = e.late;
  return rejection::none;
}

rejection board::apply(const model_added& e) {
  if (e.model.value >= options_.max_models || e.tenant.value >= most_tenants || e.cost_class >= most_classes ||
      !sane(e.cost) || e.shards.empty())
    return rejection::absurd;
  uint64_t bytes = 0;
  for (const shard_size& s : e.shards) {
    if (s.bytes == 0 || s.bytes > most_bytes || s.shard.value == no_index) return rejection::absurd;
    bytes += s.bytes;
  }
  if (names_one_twice(e.shards)) return rejection::absurd;
  if (models_.has(e.model)) {
    const model_state& old = models_[e.model];
    if (old.known || old.holders.count + old.loading.count > 0) return rejection::duplicate;
  }
  model_state& m = models_.grow_to(e.model);
  m = {};
  m.known = true;
  m.tenant = e.tenant;
  m.bytes = bytes;
  m.cost_class = e.cost_class;
  m.home_host = e.home_host;
  m.shards.assign(e.shards.begin(), e.shards.end());
  costs_.set_class(e.cost_class, e.cost);
  demand_.reserve(e.model);
  demand_.forget(e.model);
  reserve_for_models();
  return rejection::none;
}

// What can grow with the number of models grows now, so that decisions allocate nothing.
void board::reserve_for_models() {
  const size_t room = std::bit_ceil(size_t{models_.size()});
  live_models_.reserve(room);
  late_models_.reserve(room);
  victims_.reserve(std::min<size_t>(room, 4096));
  lists_.reserve(8 * room);
}

rejection board::apply(const model_removed& e) {
  if (!knows(e.model)) return rejection::unknown_model;
  model_state& m = models_[e.model];
  m.known = false;
  for (uint32_t slot = 0; requests_.has(slot); ++slot) {
    const request_entry& r = requests_[slot];
    if (r.state == request_state::free || r.state == request_state::running || r.model != e.model) continue;
    withdraw(slot);
    refuse_request(slot, refusal::unservable);
  }
  for (uint32_t d = 0; d < devices_.size(); ++d) drop_if_retired(device_index{d}, e.model);
  return rejection::none;
}

// -- devices ----------------------------------------------------------------------------------------------------------

rejection board::apply(const device_joined& e) {
  if (e.device.value >= options_.max_devices || e.arena_bytes == 0 || e.arena_bytes > most_bytes || e.lanes == 0 ||
      e.lanes > most_lanes || e.copy_engines == 0 || e.copy_engines > most_lanes || e.kind >= most_kinds)
    return rejection::absurd;
  if (knows(e.device)) return rejection::duplicate;
  device_state& d = devices_.grow_to(e.device);
  reserve_lanes(d, e.device, e.lanes);
  d.joined = true;
  d.cordoned = false;
  d.host = e.host;
  d.sets = residency(e.arena_bytes);
  d.engine_free_us.assign(e.copy_engines, now_us_);
  d.loads.clear();
  d.loads.reserve(16);
  d.barred.clear();
  costs_.set_device(e.device, e.kind);
  ++joined_;
  note_free_room(e.device);
  largest_arena_bytes_ = std::max(largest_arena_bytes_, e.arena_bytes);
  for (const resident_set& set : e.resident) {
    if (!take_resident(e.device, set)) continue;
    lists_.add(models_[set.model].holders, e.device);
    if (e.lanes == 1) lanes_[d.first_lane].active = set.model; // The most recently used one is what it ran last.
  }
  strategy_->device_came(*this, e.device);
  for (const resident_set& set : e.resident)
    if (knows(set.model) && d.sets.holds(set.model)) strategy_->set_ready(*this, e.device, set.model);
  for (uint32_t i = 0; i < d.lanes; ++i) free_lane(lane_index{d.first_lane.value + i});
  return rejection::none;
}

// What cannot lie there as it is said to has to go: room is planned without it.
bool board::take_resident(device_index d, const resident_set& set) {
  residency& sets = devices_[d].sets;
  if (!knows(set.model) || sets.holds(set.model)) return false;
  const auto& shards = models_[set.model].shards;
  const bool is_placed = set.offsets_bytes.size() == shards.size();
  if (is_placed ? !sets.add_at(set.model, shards, set.offsets_bytes)
                : sets.plan(set.model, shards, victims_) != fit::fits) {
    out_->add(evict{d, set.model});
    return false;
  }
  if (!is_placed) sets.add(set.model, shards);
  ++sets_held_;
  note_free_room(d);
  return true;
}

void board::reserve_lanes(device_state& d, device_index at, uint32_t lanes) {
  if (d.lanes_reserved < lanes) {
    d.first_lane = lane_index{lanes_.size()};
    d.lanes_reserved = lanes;
    lanes_.grow_to(lane_index{lanes_.size() + lanes - 1});
    idle_.grow_to(lanes_.size());
  }
  d.lanes = lanes;
  for (uint32_t i = 0; i < lanes; ++i) {
    lane_state& lane = lanes_[lane_index{d.first_lane.value + i}];
    lane = {};
    lane.device = at;
    lane.number = i;
  }
}

rejection board::apply(const device_lost& e) {
  if (!knows(e.device)) return rejection::unknown_device;
  device_state& d = devices_[e.device];
  d.joined = false;
  --joined_;
  largest_arena_bytes_ = 0;
  for (const device_state& other : devices_)
    if (other.joined) largest_arena_bytes_ = std::max(largest_arena_bytes_, other.sets.capacity_bytes());
  for (model_index x = d.sets.oldest(); x != no_model; x = d.sets.next(x))
    if (!lists_.remove(models_[x].holders, e.device)) lists_.remove(models_[x].loading, e.device);
  sets_held_ -= d.sets.set_count();
  d.sets = residency(0);
  note_free_room(e.device);
  d.loads.clear();
  for (uint32_t i = 0; i < d.lanes; ++i) idle_.remove(lane_index{d.first_lane.value + i});
  strategy_->device_gone(*this, e.device);
  for (uint32_t i = 0; i < d.lanes; ++i) {
    const lane_index z{d.first_lane.value + i};
    if (lanes_[z].batch.value != 0) give_back_all(take_back(z));
  }
  return rejection::none;
}

rejection board::apply(const device_cordoned& e) {
  if (!knows(e.device)) return rejection::unknown_device;
  device_state& d = devices_[e.device];
  d.cordoned = e.cordoned;
  note_free_room(e.device);
  for (uint32_t i = 0; i < d.lanes; ++i) {
    const lane_index z{d.first_lane.value + i};
    if (e.cordoned) {
      idle_.remove(z);
    } else if (lanes_[z].batch.value == 0 && !idle_.has(z)) {
      free_lane(z);
    }
  }
  if (e.cordoned) strategy_->device_gone(*this, e.device);
  if (!e.cordoned) strategy_->device_came(*this, e.device);
  return rejection::none;
}

// -- requests ---------------------------------------------------------------------------------------------------------

rejection board::apply(const arrival& e) {
  if (!knows(e.model)) return rejection::unknown_model;
  if (e.request.slot >= options_.max_requests) return rejection::full;
  requests_.grow_to(e.request.slot);
  request_entry& r = requests_[e.request.slot];
  if (r.state != request_state::free) return rejection::duplicate;
  r = {};
  r.arrival_us = now_us_;
  r.deadline_us = std::clamp(e.deadline_us, now_us_ - farthest_us, now_us_ + farthest_us);
  r.generation = e.request.generation;
  r.model = e.model;
  ++counters_.arrivals;
  // What comes together needs the set once.
  if (models_[e.model].live.empty()) demand_.requested(e.model, std::min(sets_held_, models_.size()));
  if (joined_ > 0 && models_[e.model].bytes > largest_arena_bytes_) {
    refuse_request(e.request.slot, refusal::unservable);
  } else {
    strategy_->take(*this, e.request.slot);
  }
  return rejection::none;
}

rejection board::apply(const cancelled& e) {
  if (!holds(e.request)) return rejection::unknown_request;
  request_entry& r = requests_[e.request.slot];
  ++counters_.cancelled;
  if (r.state == request_state::running) {
    r.cancelled = true;
  } else {
    withdraw(e.request.slot);
    r.state = request_state::free;
    ++counters_.withdrawn;
  }
  return rejection::none;
}

bool board::holds(request_ref r) const {
  return requests_.has(r.slot) && requests_[r.slot].state != request_state::free &&
         requests_[r.slot].generation == r.generation;
}

void board::withdraw(uint32_t slot) {
  if (requests_[slot].state == request_state::placed) {
    strategy_->withdraw(*this, slot);
  } else {
    unqueue(slot);
  }
}

// A batch failed under it: once more, unless that makes no sense any more.
void board::give_back(uint32_t slot) {
  request_entry& r = requests_[slot];
  if (!models_[r.model].known) return refuse_request(slot, refusal::unservable);
  if (r.cancelled || ++r.attempts >= most_attempts) return refuse_request(slot, refusal::unavailable);
  ++counters_.requeued;
  strategy_->take(*this, slot);
}

// -- batches ----------------------------------------------------------------------------------------------------------

lane_index board::lane_running(device_index d, core::batch_id batch) const {
  const device_state& device = devices_[d];
  for (uint32_t i = 0; i < device.lanes; ++i) {
    const lane_index z{device.first_lane.value + i};
    if (batch.value != 0 && lanes_[z].batch == batch) return z;
  }
  return no_lane;
}

rejection board::apply(const batch_done& e) {
  if (!knows(e.device)) return rejection::unknown_device;
  const lane_index z = lane_running(e.device, e.batch);
  if (z == no_lane) return rejection::stale;
  lane_state& lane = lanes_[z];
  const model_state& m = models_[lane.active];
  if (e.run_us > 0) {
    shares_.charge(m.tenant, std::min(e.run_us, longest_cost_us) - lane.expected_us);
    costs_.measured_execution(m.cost_class, e.device, lane.count, e.run_us);
  }
  for (uint32_t slot = lane.head; slot != no_request; slot = requests_[slot].next)
    requests_[slot].state = request_state::free;
  counters_.finished += lane.count;
  end_batch(z);
  return rejection::none;
}

rejection board::apply(const batch_failed& e) {
  if (!knows(e.device)) return rejection::unknown_device;
  const lane_index z = lane_running(e.device, e.batch);
  if (z == no_lane) return rejection::stale;
  give_back_all(take_back(z));
  return rejection::none;
}

// The lane is done with its batch, whatever became of it.
void board::end_batch(lane_index z) {
  lane_state& lane = lanes_[z];
  lane.batch = {};
  lane.waits_for = {};
  lane.head = no_request;
  lane.count = 0;
  device_state& d = devices_[lane.device];
  if (!d.joined) return;
  d.sets.unpin(lane.active);
  drop_if_retired(lane.device, lane.active);
  free_lane(z);
}

// Detaches the batch's requests from their lane; the first of them, linked by `next`.
uint32_t board::take_back(lane_index z) {
  const uint32_t first = lanes_[z].head;
  end_batch(z);
  return first;
}

void board::give_back_all(uint32_t first) {
  for (uint32_t slot = first; slot != no_request;) {
    const uint32_t next = requests_[slot].next;
    give_back(slot);
    slot = next;
  }
}

void board::free_lane(lane_index z) {
  lanes_[z].free_us = now_us_;
  if (devices_[lanes_[z].device].cordoned) return;
  idle_.add(z);
  strategy_->lane_idle(*this, z);
}

// -- loads and sets ---------------------------------------------------------------------------------------------------

rejection board::apply(const load_done& e) {
  if (!knows(e.device)) return rejection::unknown_device;
  device_state& d = devices_[e.device];
  const auto found =
      std::find_if(d.loads.begin(), d.loads.end(), [&](const planned_load& l) { return l.id == e.load; });
  if (e.load.value == 0 || found == d.loads.end()) return rejection::stale;
  const planned_load l = *found;
  d.loads.erase(found);
  if (d.loads.empty()) std::fill(d.engine_free_us.begin(), d.engine_free_us.end(), now_us_);
  if (e.moved_us > 0) costs_.measured_load(l.source, e.bytes_moved, e.moved_us);
  model_state& m = models_[l.model];
  lists_.remove(m.loading, e.device);
  lists_.add(m.holders, e.device);
  d.sets.unpin(l.model);
  m.failures = 0;
  for (uint32_t i = 0; i < d.lanes; ++i) {
    lane_state& lane = lanes_[lane_index{d.first_lane.value + i}];
    if (lane.waits_for == l.id) lane.waits_for = {};
  }
  drop_if_retired(e.device, l.model);
  if (m.known) strategy_->set_ready(*this, e.device, l.model);
  return rejection::none;
}

rejection board::apply(const load_failed& e) {
  if (!knows(e.device)) return rejection::unknown_device;
  device_state& d = devices_[e.device];
  const auto found =
      std::find_if(d.loads.begin(), d.loads.end(), [&](const planned_load& l) { return l.id == e.load; });
  if (e.load.value == 0 || found == d.loads.end()) return rejection::stale;
  const model_index x = found->model;
  d.loads.erase(found);
  if (d.loads.empty()) std::fill(d.engine_free_us.begin(), d.engine_free_us.end(), now_us_);
  model_state& m = models_[x];
  lists_.remove(m.loading, e.device);
  duration_us again_us = options_.load_retry_us;
  if (e.error == load_error::does_not_fit) {
    std::erase_if(d.barred, [&](const auto& b) { return b.second <= now_us_; });
    d.barred.emplace_back(x, now_us_ + again_us);
  } else {
    again_us <<= std::min(m.failures, most_doublings);
    m.failures = static_cast<uint8_t>(std::min(m.failures + 1, 255));
    m.retry_at_us = now_us_ + again_us;
  }
  retry_us_ = std::max(retry_us_, now_us_ + again_us);
  returned_.clear();
  for (uint32_t i = 0; i < d.lanes; ++i) {
    const lane_index z{d.first_lane.value + i};
    if (lanes_[z].waits_for == e.load) returned_.push_back(take_back(z));
  }
  d.sets.unpin(x);
  drop_set(e.device, x);
  // Something else than planned lies there. What goes takes whatever is left of it on the device along.
  if (e.error == load_error::does_not_fit) drop_oldest(e.device);
  for (const uint32_t first : returned_) give_back_all(first);
  return rejection::none;
}

rejection board::apply(const set_evicted& e) {
  if (!knows(e.device)) return rejection::unknown_device;
  device_state& d = devices_[e.device];
  if (!models_.has(e.model) || !d.sets.holds(e.model) || d.sets.pins(e.model) > 0) return rejection::stale;
  drop_set(e.device, e.model);
  return rejection::none;
}

void board::add_set(device_index d, model_index x) {
  devices_[d].sets.add(x, models_[x].shards);
  ++sets_held_;
  note_free_room(d);
}

void board::note_free_room(device_index d) {
  const device_state& device = devices_[d];
  const bool takes = device.joined && !device.cordoned;
  free_room_.set(d, takes ? device.sets.free_bytes() : 0);
}

void board::drop_set(device_index d, model_index x) {
  devices_[d].sets.remove(x);
  --sets_held_;
  note_free_room(d);
  lists_.remove(models_[x].holders, d);
}

void board::drop_oldest(device_index d) {
  const residency& sets = devices_[d].sets;
  for (model_index x = sets.oldest(); x != no_model; x = sets.next(x)) {
    if (sets.pins(x) > 0) continue;
    drop_set(d, x);
    out_->add(evict{d, x});
    ++counters_.evictions;
    return;
  }
}

// The set of a removed model goes as soon as nothing uses it.
void board::drop_if_retired(device_index d, model_index x) {
  const device_state& device = devices_[d];
  if (models_[x].known || !device.joined || !device.sets.holds(x) || device.sets.pins(x) > 0) return;
  drop_set(d, x);
  out_->add(evict{d, x});
  ++counters_.evictions;
}

// -- the frame of one decision ----------------------------------------------------------------------------------------

void board::begin(time_us now, commands& out) {
  out_ = &out;
  out.clear();
  if (now < now_us_) ++counters_.clock_went_back;
  now_us_ = std::max(now_us_, now);
  wake_us_ = farthest_us;
  ++counters_.decisions;
}

// Refuses what has waited beyond all patience, a part of the table per call, so that nothing waits for ever: not for a
// device that never comes, nor behind an endless stream of requests that are still on time.
void board::sweep() {
  constexpr uint32_t slots_per_sweep = 4096;
  constexpr duration_us sweep_every_us = 100'000;
  const uint64_t held = counters_.arrivals - counters_.finished - counters_.refused - counters_.withdrawn;
  if (options_.late_patience_us == 0 || held == 0) return;
  if (now_us_ >= sweep_us_) {
    sweep_us_ = now_us_ + sweep_every_us;
    for (uint32_t i = 0; i < slots_per_sweep; ++i) {
      if (!requests_.has(++sweep_at_)) sweep_at_ = 0;
      const request_entry& r = requests_[sweep_at_];
      if (r.state == request_state::free || r.state == request_state::running) continue;
      const bool servable = joined_ > 0 && models_[r.model].bytes <= largest_arena_bytes_;
      if (now_us_ < r.deadline_us + (servable ? options_.late_patience_us : 0)) continue;
      withdraw(sweep_at_);
      refuse_request(sweep_at_, servable ? refusal::late : refusal::unavailable);
    }
  }
  wake_at(sweep_us_);
}

void board::finish_decision() {
  sweep();
  if (retry_us_ > now_us_) wake_at(std::min(retry_us_, now_us_ + options_.load_retry_us));
  if (timer_us_ <= now_us_) timer_us_ = 0;
  if (wake_us_ == farthest_us || wake_us_ == timer_us_) return;
  timer_us_ = std::max(wake_us_, now_us_ + 1);
  out_->add(set_timer{timer_us_});
}

} // namespace fastptm::policy::scheduling
