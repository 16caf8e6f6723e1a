// Binding, serving and rebinding.
#include "policy/scheduling/strategies/lane_queues.hpp"

#include <algorithm>

namespace fastptm::policy::scheduling {

namespace {
constexpr uint32_t homeless_place = no_index - 1;
constexpr size_t groups_looked_at = 16; // For one whose set is ready, before the lane waits for the first one's load.
} // namespace

void lane_queues::take(board& b, uint32_t slot) {
  const lane_index z = choose(b, slot);
  if (z == no_lane) {
    b.place(homeless_, slot, homeless_place);
  } else {
    bind(b, slot, z);
  }
}

void lane_queues::bind(board& b, uint32_t slot, lane_index z) {
  const model_index x = b.request(slot).model;
  const device_index d = b.lane(z).device;
  lane_work& work = lanes_.grow_to(z);
  auto found = std::find_if(work.groups.begin(), work.groups.end(), [&](const group& g) { return g.model == x; });
  if (found == work.groups.end()) found = work.groups.insert(found, group{x, {}});
  work.queued_us += found->queue.count % b.chosen().max_batch == 0 ? b.execution_us(x, d, 1)
                                                                   : b.execution_us(x, d, 2) - b.execution_us(x, d, 1);
  b.place(found->queue, slot, z.value);
  if (!b.device(d).sets.holds(x) && b.chosen().prefetch && b.engine_wait_us(d) == 0)
    b.load_set(d, x, load_reason::request);
  wants_service(b, z);
}

void lane_queues::withdraw(board& b, uint32_t slot) {
  const request_entry& r = b.request(slot);
  if (r.place == homeless_place) return b.unplace(homeless_, slot);
  auto& groups = lanes_[lane_index{r.place}].groups;
  const auto found = std::find_if(groups.begin(), groups.end(), [&](const group& g) { return g.model == r.model; });
  b.unplace(found->queue, slot);
  if (found->queue.empty()) groups.erase(found);
}

void lane_queues::lane_idle(board& b, lane_index z) {
  wants_service(b, z);
}

void lane_queues::set_ready(board& b, device_index d, model_index) {
  for (uint32_t i = 0; i < b.device(d).lanes; ++i) wants_service(b, lane_index{b.device(d).first_lane.value + i});
}

void lane_queues::device_came(board& b, device_index) {
  while (!homeless_.empty()) {
    const uint32_t slot = homeless_.head;
    const lane_index z = choose(b, slot);
    if (z == no_lane) return;
    b.unplace(homeless_, slot);
    bind(b, slot, z);
  }
}

void lane_queues::device_gone(board& b, device_index d) {
  for (uint32_t i = 0; i < b.device(d).lanes; ++i) {
    const lane_index z{b.device(d).first_lane.value + i};
    if (!lanes_.has(z)) continue;
    std::vector<group> orphans = std::move(lanes_[z].groups);
    lanes_[z].groups.clear();
    lanes_[z].queued_us = 0;
    for (group& g : orphans) {
      while (!g.queue.empty()) {
        const uint32_t slot = g.queue.head;
        b.unplace(g.queue, slot);
        take(b, slot);
      }
    }
  }
}

void lane_queues::wants_service(const board& b, lane_index z) {
  lane_work& work = lanes_.grow_to(z);
  if (work.to_serve || !b.idle().has(z)) return;
  work.to_serve = true;
  to_serve_.push_back(z);
}

void lane_queues::decide(board& b) {
  size_t blocked = 0; // Lanes whose work cannot be loaded now are looked at again next time.
  for (size_t i = 0; i < to_serve_.size(); ++i) {
    const lane_index z = to_serve_[i];
    if (b.idle().has(z)) {
      drop_doomed(b, z);
      if (!serve(b, z)) {
        to_serve_[blocked++] = z;
        continue;
      }
      if (b.idle().has(z) && lanes_[z].groups.empty()) serve_late(b, z);
    }
    lanes_[z].to_serve = false;
  }
  to_serve_.resize(blocked);
}

// False: what it has cannot be loaded now.
bool lane_queues::serve(board& b, lane_index z) {
  lane_work& work = lanes_[z];
  if (work.groups.empty()) return true;
  const device_index d = b.lane(z).device;
  const size_t near = std::min(work.groups.size(), groups_looked_at);
  size_t at = 0;
  while (at < near && !b.is_ready(work.groups[at].model, d)) ++at;
  if (at == near) at = 0;
  group& g = work.groups[at];
  if (!b.start(z, g.model, g.queue, b.chosen().max_batch)) {
    b.wake_at(b.now() + std::max<duration_us>(1000, b.chosen().load_retry_us / 8)); // Everything is in use or barred.
    return false;
  }
  work.queued_us = std::max<duration_us>(0, work.queued_us - b.lane(z).expected_us);
  if (g.queue.empty()) {
    work.groups.erase(work.groups.begin() + static_cast<std::ptrdiff_t>(at));
  } else { // What is left is younger than the others' oldest.
    std::rotate(work.groups.begin() + static_cast<std::ptrdiff_t>(at),
                work.groups.begin() + static_cast<std::ptrdiff_t>(at) + 1, work.groups.end());
  }
  if (work.groups.empty()) work.queued_us = 0;
  return true;
}

void lane_queues::serve_late(board& b, lane_index z) {
  const auto late = b.late_models();
  if (!late.empty()) b.start(z, late.front(), queue_kind::late, b.chosen().max_batch);
}

void lane_queues::drop_doomed(board& b, lane_index z) {
  if (!b.chosen().doom) return;
  auto& groups = lanes_[z].groups;
  for (group& g : groups) {
    const time_us end_us = b.now() + b.execution_us(g.model, b.lane(z).device, 1);
    while (!g.queue.empty() && b.request(g.queue.head).deadline_us < end_us) {
      const uint32_t slot = g.queue.head;
      b.unplace(g.queue, slot);
      b.queue_late(slot);
    }
  }
  std::erase_if(groups, [](const group& g) { return g.queue.empty(); });
  if (groups.empty()) lanes_[z].queued_us = 0;
}

time_us lane_queues::ready_us(const board& b, lane_index z) const {
  return std::max(b.lane(z).free_us, b.now()) + (lanes_.has(z) ? lanes_[z].queued_us : 0);
}

bool lane_queues::usable(const board& b, lane_index z) {
  const lane_state& lane = b.lane(z);
  const device_state& d = b.device(lane.device);
  return d.joined && !d.cordoned && lane.number < d.lanes && z.value - d.first_lane.value == lane.number;
}

lane_index lane_queues::least_loaded(const board& b) const {
  lane_index best = no_lane;
  time_us best_us = 0;
  for (uint32_t i = 0; i < b.lane_count(); ++i) {
    const lane_index z{i};
    if (!usable(b, z)) continue;
    const time_us at_us = ready_us(b, z);
    if (best == no_lane || at_us < best_us) best = z, best_us = at_us;
  }
  return best;
}

} // namespace fastptm::policy::scheduling
