// The rules of the scheduling core, checked from outside.
#include "tests/policy/watched_core.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::policy::scheduling {

watched_core::watched_core(const options& chosen, uint64_t seed_for_messages)
    : options_(chosen), seed_(seed_for_messages) {
  auto made = make_core(chosen);
  core::check(made.has_value(), "the options of a case are wrong");
  core_ = std::move(*made);
}

rejection watched_core::tell(const event& what, time_us now) {
  now_us_ = std::max(now_us_, now);
  const rejection r = core_->on(what, now, out_);
  if (r == rejection::none) after(what, r);
  look_at(corrupt ? corrupt(out_) : out_);
  begin_loads();
  look_for_idle_lanes();
  look_for_forgotten(now);
  return r;
}

// What an accepted event itself changes; the commands come after it.
void watched_core::after(const event& what, rejection) {
  if (const auto* m = std::get_if<model_added>(&what))
    models_[m->model.value] = {{m->shards.begin(), m->shards.end()}, true};
  if (const auto* m = std::get_if<model_removed>(&what)) models_[m->model.value].known = false;
  if (const auto* d = std::get_if<device_joined>(&what)) {
    device_picture& device = devices_[d->device.value] = {d->arena_bytes, d->lanes, d->copy_engines,
                                                          false,          {},       placing_device(d->arena_bytes)};
    for (const resident_set& set : d->resident) {
      const uint32_t x = set.model.value;
      if (!models_.contains(x) || !models_[x].known || !device.sets.insert(x).second) continue;
      if (!core_->state().device(d->device).sets.holds(set.model)) continue; // It is evicted.
      if (!device.memory.take(x, places_of(d->device, set.model))) problem("a set that came lies on another one");
    }
  }
  if (const auto* c = std::get_if<device_cordoned>(&what)) devices_[c->device.value].cordoned = c->cordoned;
  if (const auto* l = std::get_if<device_lost>(&what)) forget_device(l->device.value);
  if (const auto* a = std::get_if<arrival>(&what)) {
    if (!held_.try_emplace(a->request.slot, held_request{a->request.generation, a->model.value, a->deadline_us}).second)
      problem("a slot taken twice");
  }
  if (const auto* c = std::get_if<cancelled>(&what))
    if (!running_.contains(c->request.slot)) leave(c->request);
  if (const auto* e = std::get_if<set_evicted>(&what)) {
    devices_[e->device.value].sets.erase(e->model.value);
    devices_[e->device.value].memory.give_back(e->model.value);
  }
  if (const auto* d = std::get_if<load_done>(&what))
    std::erase_if(loads_, [&](const auto& l) { return l.id == d->load; });
  if (const auto* f = std::get_if<load_failed>(&what)) {
    const auto found = std::find_if(loads_.begin(), loads_.end(), [&](const auto& l) { return l.id == f->load; });
    if (found == loads_.end()) return problem("a load fails that was not under way");
    devices_[f->device.value].sets.erase(found->model.value);
    devices_[f->device.value].memory.give_back(found->model.value);
    loads_.erase(found);
    std::erase_if(batches_, [&](const auto& b) {
      if (b.waits_for != f->load) return false;
      come_back(b);
      return true;
    });
  }
  const auto end_batch = [&](core::batch_id id, bool answered) {
    const auto found = std::find_if(batches_.begin(), batches_.end(), [&](const auto& b) { return b.id == id; });
    if (found == batches_.end()) return problem("a batch ends that was not under way");
    come_back(*found);
    for (const request_ref q : found->requests)
      if (answered) leave(q);
    batches_.erase(found);
  };
  if (const auto* b = std::get_if<batch_done>(&what)) end_batch(b->batch, true);
  if (const auto* b = std::get_if<batch_failed>(&what)) end_batch(b->batch, false);
}

// Its requests run no longer; from now on they wait again.
void watched_core::come_back(const batch_under_way& b) {
  for (const request_ref q : b.requests) {
    running_.erase(q.slot);
    if (const auto held = held_.find(q.slot); held != held_.end())
      held->second.deadline_us = std::max(held->second.deadline_us, now_us_);
  }
}

void watched_core::forget_device(uint32_t d) {
  devices_.erase(d);
  std::erase_if(loads_, [&](const auto& l) { return l.device.value == d; });
  std::erase_if(batches_, [&](const auto& b) {
    if (b.device.value != d) return false;
    come_back(b);
    return true;
  });
}

void watched_core::look_at(const commands& out) {
  for (const command& c : out.all()) {
    note(c.index());
    if (const auto* l = std::get_if<load>(&c)) look_at(*l);
    if (const auto* e = std::get_if<evict>(&c)) look_at(*e);
    if (const auto* r = std::get_if<run>(&c)) look_at(*r, out);
    if (const auto* f = std::get_if<refuse>(&c)) look_at(*f);
    if (const auto* t = std::get_if<set_timer>(&c)) {
      timer_us_ = t->at_us;
      note(static_cast<uint64_t>(t->at_us));
    }
  }
}

void watched_core::look_at(const load& l) {
  note(l.id.value * 31 + l.device.value * 7 + l.model.value);
  const auto device = devices_.find(l.device.value);
  if (device == devices_.end()) return problem("a load on a device that is not there");
  if (device->second.cordoned) problem("a load on a cordoned device");
  if (!device->second.sets.insert(l.model.value).second) problem("a load of a set that is there");
  if (bytes_of(device->second.sets) > device->second.arena_bytes) problem("more bytes than the memory has");
  loads_.push_back({l.device, l.id, l.model, places_of(l.device, l.model)});
}

// As the order to the device would carry them.
std::vector<placed_shard> watched_core::places_of(device_index d, model_index x) {
  std::vector<placed_shard> places;
  for (const shard_size& s : models_.at(x.value).shards) {
    const auto offset_bytes = core_->state().device(d).sets.offset_bytes(s.shard);
    if (!offset_bytes) problem("a shard without a place");
    places.push_back({s.shard.value, offset_bytes.value_or(0), s.bytes});
  }
  return places;
}

// Every device as late as it may be: a load waits for a copy engine, and takes its places then.
void watched_core::begin_loads() {
  std::map<uint32_t, uint32_t> under_way;
  for (auto& l : loads_) {
    auto& device = devices_.at(l.device.value);
    if (under_way[l.device.value]++ >= device.engines || l.has_begun) continue;
    l.has_begun = true;
    if (!device.memory.take(l.model.value, l.places)) problem("a load does not find the places that were planned");
  }
}

void watched_core::look_at(const evict& e) {
  note(e.device.value * 7 + e.model.value);
  const auto device = devices_.find(e.device.value);
  if (device == devices_.end()) return problem("an evict on a device that is not there");
  const auto uses = [&](const auto& u) { return u.device == e.device && u.model == e.model; };
  if (std::any_of(batches_.begin(), batches_.end(), uses)) problem("a set is evicted that a batch uses");
  if (std::any_of(loads_.begin(), loads_.end(), uses)) problem("a set is evicted that is being loaded");
  if (device->second.sets.erase(e.model.value) == 0) problem("a set is evicted that is not there");
  device->second.memory.give_back(e.model.value);
}

void watched_core::look_at(const run& r, const commands& out) {
  note(r.id.value * 31 + r.device.value * 7 + r.lane);
  const auto device = devices_.find(r.device.value);
  if (device == devices_.end()) return problem("a run on a device that is not there");
  if (device->second.cordoned) problem("a run on a cordoned device");
  if (r.lane >= device->second.lanes) problem("a run on a lane that is not there");
  if (!device->second.sets.contains(r.model.value)) problem("a run of a set that is not there");
  for (const auto& b : batches_)
    if (b.device == r.device && b.lane == r.lane) problem("a second batch on a busy lane");
  const auto load = std::find_if(loads_.begin(), loads_.end(),
                                 [&](const auto& l) { return l.device == r.device && l.model == r.model; });
  if ((load == loads_.end() ? core::load_id{} : load->id) != r.waits_for) problem("a run waits for the wrong load");
  if (r.count == 0 || r.count > options_.max_batch) problem("a batch of " + std::to_string(r.count));
  batch_under_way batch{r.device, r.id, r.model, r.lane, r.waits_for, {}};
  for (const request_ref q : out.requests_of(r)) {
    note(q.slot);
    const auto held = held_.find(q.slot);
    if (held == held_.end() || held->second.generation != q.generation) {
      problem("a batch with a request that the core does not hold");
      continue;
    }
    if (held->second.model != r.model.value) problem("a request in a batch of another model");
    if (!running_.insert(q.slot).second) problem("a request in two batches");
    batch.requests.push_back(q);
  }
  batches_.push_back(batch);
}

void watched_core::look_at(const refuse& f) {
  note(f.request.slot);
  if (running_.contains(f.request.slot)) problem("a request is refused that runs");
  leave(f.request);
}

void watched_core::leave(request_ref r) {
  const auto held = held_.find(r.slot);
  if (held == held_.end() || held->second.generation != r.generation)
    return problem("a request leaves twice, or never came");
  held_.erase(held);
  ++answered_;
}

// Only dxv promises it: others bind requests to lanes or serve in the order of their rule.
void watched_core::look_for_idle_lanes() {
  if (options_.strategy != "dxv") return;
  for (const auto& [d, device] : devices_) {
    if (device.cordoned) continue;
    uint32_t busy = 0;
    for (const auto& b : batches_) busy += b.device.value == d ? 1 : 0;
    if (busy >= device.lanes) continue;
    for (const uint32_t x : device.sets) {
      const bool loading = std::any_of(loads_.begin(), loads_.end(),
                                       [&](const auto& l) { return l.device.value == d && l.model.value == x; });
      if (!loading && !core_->state().model({x}).live.empty())
        problem("device " + std::to_string(d) + " idles with model " + std::to_string(x) +
                " ready and requests for it");
    }
  }
}

// While timers are told in time, a request is answered or runs within its deadline, the patience and a look around.
void watched_core::look_for_forgotten(time_us now) {
  constexpr duration_us look_around_us = 1'000'000;
  if (timer_us_ != 0 && timer_us_ <= now) return;
  for (const auto& [slot, r] : held_)
    if (!running_.contains(slot) && now > r.deadline_us + options_.late_patience_us + look_around_us)
      return problem("a request waits for ever");
}

uint64_t watched_core::bytes_of(const std::set<uint32_t>& sets) const {
  std::set<uint32_t> shards;
  uint64_t sum = 0;
  for (const uint32_t x : sets)
    for (const shard_size& s : models_.at(x).shards) sum += shards.insert(s.shard.value).second ? s.bytes : 0;
  return sum;
}

std::vector<watched_core::load_under_way> watched_core::startable_loads() const {
  std::vector<load_under_way> all;
  std::map<uint32_t, uint32_t> started;
  for (const auto& l : loads_)
    if (started[l.device.value]++ < devices_.at(l.device.value).engines) all.push_back(l);
  return all;
}

bool watched_core::can_finish(const batch_under_way& b) const {
  return std::none_of(loads_.begin(), loads_.end(),
                      [&](const auto& l) { return l.device == b.device && l.model == b.model; });
}

std::vector<uint32_t> watched_core::held_slots() const {
  std::vector<uint32_t> all;
  for (const auto& [slot, ignored] : held_) all.push_back(slot);
  return all;
}

void watched_core::problem(const std::string& what) {
  if (problems_.size() < 20) problems_.push_back("seed " + std::to_string(seed_) + ": " + what);
}

} // namespace fastptm::policy::scheduling
