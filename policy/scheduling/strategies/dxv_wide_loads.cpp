// Where sets go: first holders, replicas of hot models, rescues; and what the timers of models mean.
#include <algorithm>

#include "policy/scheduling/strategies/dxv_value.hpp"
#include "policy/scheduling/strategies/dxv_wide.hpp"

namespace fastptm::policy::scheduling {

namespace {
constexpr duration_us retry_us = 2'000; // Everything sampled was in use.
constexpr size_t samples = 8, home_samples = 3, looked_at_whole = 32;
} // namespace

void dxv_wide::device_came(board& b, device_index d) {
  const uint32_t host = b.device(d).host;
  if (hosts_.size() <= host) hosts_.resize(host + 1);
  if (position_.size() <= d.value) position_.resize(d.value + 1, no_index);
  device_work& work = devices_.grow_to(d);
  work.posts.reserve(most_posted);
  work.ease = 1.0;
  if (position_[d.value] == no_index) {
    position_[d.value] = static_cast<uint32_t>(all_devices_.size());
    all_devices_.push_back(d);
    work.host = host;
    hosts_[host].push_back(d);
  }
  const residency& sets = b.device(d).sets;
  for (model_index x = sets.oldest(); x != no_model; x = sets.next(x)) set_ready(b, d, x);
}

void dxv_wide::device_gone(device_index d) {
  if (d.value >= position_.size() || position_[d.value] == no_index) return;
  const uint32_t hole = std::exchange(position_[d.value], no_index);
  all_devices_[hole] = all_devices_.back();
  if (all_devices_[hole] != d) position_[all_devices_[hole].value] = hole;
  all_devices_.pop_back();
  std::erase(hosts_[devices_[d].host], d);
  devices_[d].posts.clear();
}

duration_us dxv_wide::typical_run_us(const board& b, model_index x, uint32_t batch) const {
  const auto all = b.holders(x);
  if (!all.empty()) return b.execution_us(x, all.front(), batch);
  return all_devices_.empty() ? 0 : b.execution_us(x, all_devices_.front(), batch);
}

duration_us dxv_wide::typical_load_us(const board& b, model_index x) const {
  return b.costs().load_us(b.model(x).holders.count > 0 ? source_kind::peer_device : source_kind::host_cache,
                           b.model(x).bytes);
}

// Nobody has the set and it is not on its way.
void dxv_wide::need_load(board& b, model_index x) {
  const duration_us held_us = held_for_us(b, x, typical_load_us(b, x), typical_run_us(b, x, 1));
  if (held_us > 0) return timers_.set(x, b.now() + held_us, b.now());
  if (!add_holder(b, x, load_reason::request)) timers_.set(x, b.now() + retry_us, b.now());
}

// Too hot for its holders: what waits takes them longer than half of the time there is, or heads are nearly lost before
// they start although other devices are at ease.
void dxv_wide::consider_replica(board& b, model_index x) {
  constexpr double nearly_lost = 0.4; // Share of its time that a head has left.
  const model_state& m = b.model(x);
  // A cold model may be hot at once: a burst does not wait for the first load to tell.
  if (!b.chosen().replicas || m.live.count <= 1 || m.loading.count > m.holders.count + 1) return;
  const uint32_t most = b.chosen().max_batch;
  const auto full_us = static_cast<double>(typical_run_us(b, x, most));
  const request_entry& head = b.request(b.live_head(x));
  const auto window_us = static_cast<double>(head.deadline_us - head.arrival_us - 2 * typical_load_us(b, x));
  const double work_us = m.live.count * full_us / most;
  const bool behind = work_us > (m.holders.count + m.loading.count) * std::max(full_us, 0.5 * window_us);
  const bool pressed =
      m.live.count > 2 * most && m.loading.count <= m.holders.count / 8 && share_left(b, head) < nearly_lost;
  if (m.holders.count + m.loading.count > 0 && (behind || pressed)) add_holder(b, x, load_reason::replica);
}

bool dxv_wide::add_holder(board& b, model_index x, load_reason reason) {
  const device_index d = sample_target(b, x, reason);
  if (d == no_device || !b.load_set(d, x, reason)) return false;
  run_while_loading(b, d, x);
  return true;
}

// Until a lane takes the model up: the rest of a batch, and what is usually lost in waiting on this device.
duration_us dxv_wide::lane_wait_us(const board& b, device_index d, model_index x) const {
  const device_state& device = b.device(d);
  time_us free_us = b.lane(device.first_lane).free_us;
  for (uint32_t i = 1; i < device.lanes; ++i)
    free_us = std::min(free_us, b.lane(lane_index{device.first_lane.value + i}).free_us);
  const request_entry& head = b.request(b.live_head(x));
  const double waiting_us = (1.0 - devices_[d].ease) * static_cast<double>(head.deadline_us - head.arrival_us);
  return std::max<duration_us>(0, free_us - b.now()) + static_cast<duration_us>(waiting_us);
}

// The best of a few: the one with most room, three of the host that has the bytes, the others anywhere. Small clusters
// are looked at whole.
device_index dxv_wide::sample_target(board& b, model_index x, load_reason reason) {
  constexpr double at_ease = 0.4; // A replica helps only where requests still have time when they start.
  placement best;
  const auto consider = [&](device_index d) {
    if (d == best.device || b.device(d).sets.holds(x)) return;
    if (reason == load_reason::replica && devices_[d].ease < at_ease) return;
    const placement candidate = place(b, x, d, lane_wait_us(b, d, x));
    if (candidate.better_than(best)) best = candidate;
  };
  if (all_devices_.size() <= looked_at_whole) {
    for (const device_index d : all_devices_) consider(d);
  } else {
    if (const device_index d = b.roomiest(); d != no_device) consider(d);
    const uint32_t home = b.model(x).home_host;
    if (home < hosts_.size() && !hosts_[home].empty())
      for (size_t i = 0; i < home_samples; ++i) consider(hosts_[home][random_.below(hosts_[home].size())]);
    for (size_t i = home_samples; i < samples; ++i) consider(all_devices_[random_.below(all_devices_.size())]);
  }
  return best.device;
}

// With a pipelined switch an idle lane that has nothing else begins with the first part of the set.
void dxv_wide::run_while_loading(board& b, device_index d, model_index x) {
  if (b.chosen().layers < 2) return;
  const device_state& device = b.device(d);
  for (uint32_t i = 0; i < device.lanes; ++i) {
    const lane_index z{device.first_lane.value + i};
    if (!b.idle().has(z) || best_posted(b, z).model != no_model || best_wide(b, z).model != no_model) continue;
    run_batch(b, z, x);
    return;
  }
}

// The next time to look at the model's head: while it can still be rescued by another holder, else when it is lost.
void dxv_wide::arm(board& b, model_index x) {
  if (b.model(x).live.empty() || timers_.is_set(x)) return;
  const time_us deadline_us = b.head_deadline_us(x);
  const duration_us run_us = typical_run_us(b, x, 1);
  const time_us rescue_us = deadline_us - 2 * run_us - 2 * typical_load_us(b, x);
  const time_us doom_us = deadline_us - run_us + 1;
  time_us at_us = rescue_us > b.now() ? rescue_us : doom_us;
  if (at_us <= b.now()) at_us = b.now() + retry_us;
  timers_.set(x, at_us, b.now());
}

void dxv_wide::fire(board& b, model_index x) {
  if (!b.model(x).live.empty() && b.chosen().doom) b.doom(x, b.now() + typical_run_us(b, x, 1));
  const model_state& m = b.model(x);
  if (m.live.empty()) return;
  if (m.holders.count + m.loading.count == 0) {
    need_load(b, x);
  } else if (m.loading.count == 0 && b.head_deadline_us(x) - b.now() <= 2 * typical_run_us(b, x, 1) +
                                                                            2 * typical_load_us(b, x) +
                                                                            timer_wheel::tick_us) {
    add_holder(b, x, load_reason::replica);
  }
  arm(b, x);
}

} // namespace fastptm::policy::scheduling
