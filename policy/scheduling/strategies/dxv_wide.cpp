// Who serves what: idle holders, posts, lanes. Loads and timers are in dxv_wide_loads.cpp.
#include "policy/scheduling/strategies/dxv_wide.hpp"

#include <algorithm>

#include "policy/scheduling/strategies/dxv_value.hpp"

namespace fastptm::policy::scheduling {

void dxv_wide::begin(board& b) {
  for (uint32_t d = 0; d < b.device_count(); ++d) devices_.grow_to({d}); // Holders may be cordoned.
  models_.grow_to({b.model_count()});
  changed_.reserve(b.model_count());
  wide_.reserve(b.model_count());
  for (uint32_t d = 0; d < b.device_count(); ++d)
    if (b.device({d}).joined && !b.device({d}).cordoned) device_came(b, {d});
  for (const model_index x : b.live_models()) {
    models_.grow_to(x).changed = true;
    changed_.push_back(x);
  }
  for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) freed_.push_back(z);
}

void dxv_wide::request_queued(board& b, model_index x) {
  model_work& w = models_.grow_to(x);
  if (b.model(x).live.count == 1) { // It has just become live: what was posted before is void.
    ++w.epoch;
    w.posts = 0;
    w.grows_at = 1;
  }
  note_changed(x);
}

void dxv_wide::note_changed(model_index x) {
  if (std::exchange(models_[x].changed, true)) return;
  changed_.push_back(x);
}

void dxv_wide::set_ready(board& b, device_index d, model_index x) {
  models_.grow_to(x);
  if (b.model(x).live.empty() || !b.is_ready(x, d)) return;
  post_at(b, d, x);
  note_changed(x); // It may want the next one, too.
  const device_state& device = b.device(d);
  for (uint32_t i = 0; i < device.lanes; ++i)
    if (const lane_index z{device.first_lane.value + i}; b.idle().has(z)) freed_.push_back(z);
}

void dxv_wide::decide(board& b) {
  for (model_index x = timers_.take_due(b.now()); x != no_model; x = timers_.take_due(b.now())) fire(b, x);
  for (const lane_index z : freed_) serve_lane(b, z);
  freed_.clear();
  for (const model_index x : changed_) {
    models_[x].changed = false;
    serve_model(b, x);
  }
  changed_.clear();
  if (b.live_models().empty() && !b.late_models().empty() && !b.idle().empty()) serve_late(b);
  if (const time_us next = timers_.next_us(); next != 0) b.wake_at(next);
}

// -- a model with new work --------------------------------------------------------------------------------------------

void dxv_wide::serve_model(board& b, model_index x) {
  while (!b.model(x).live.empty() && run_on_idle_holder(b, x)) {
  }
  const model_state& m = b.model(x);
  if (m.live.empty()) return;
  if (m.holders.count == 0) {
    if (m.loading.count == 0) need_load(b, x);
  } else {
    model_work& w = models_[x];
    if (m.live.count >= w.grows_at) {
      w.grows_at = 2 * m.live.count;
      post_work(b, x);
    }
  }
  if (b.model(x).live.empty()) return;
  consider_replica(b, x);
  arm(b, x);
}

// From the cursor on: the same holder again while it is idle, so that replicas that are not needed grow old and go.
bool dxv_wide::run_on_idle_holder(board& b, model_index x) {
  if (b.idle().empty()) return false;
  const auto all = b.holders(x);
  model_work& w = models_[x];
  if (w.cursor >= all.size()) w.cursor = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const device_state& device = b.device(all[i]);
    for (uint32_t lane = 0; lane < device.lanes; ++lane) {
      const lane_index z{device.first_lane.value + lane};
      if (b.idle().has(z)) return run_batch(b, z, x);
    }
  }
  return false;
}

// False: nothing that could still be on time was left.
bool dxv_wide::run_batch(board& b, lane_index z, model_index x) {
  const device_index d = b.lane(z).device;
  if (b.chosen().doom) give_up_heads(b, d, x);
  if (b.model(x).live.empty()) return false;
  const request_entry& head = b.request(b.live_head(x));
  note_ease(d, share_left(b, head));
  uint32_t most = std::min(b.model(x).live.count, b.chosen().max_batch);
  if (b.chosen().doom) // A batch must not make its own head late.
    while (most > 1 && b.now() + b.execution_us(x, d, most) > head.deadline_us) --most;
  return b.start(z, x, queue_kind::live, most);
}

// What cannot be on time; and behind a backlog also heads that would cut the batch short: in overload, batches that are
// not full cost more requests than the heads they save, and the backlog would never end.
void dxv_wide::give_up_heads(board& b, device_index d, model_index x) {
  constexpr uint32_t deep = 4; // Batches waiting.
  b.doom(x, b.now() + b.execution_us(x, d, 1));
  const uint32_t full = b.chosen().max_batch;
  while (b.model(x).live.count > full) {
    const uint32_t wanted = b.model(x).live.count > deep * full ? full : full - full / 4;
    if (b.now() + b.execution_us(x, d, wanted) <= b.head_deadline_us(x)) return;
    b.doom_head(x);
  }
}

void dxv_wide::note_ease(device_index d, double ease) {
  double& smoothed = devices_[d].ease;
  smoothed += (ease - smoothed) / 16;
}

void dxv_wide::post_work(board& b, model_index x) {
  model_work& w = models_[x];
  const auto all = b.holders(x);
  for (size_t i = 0; i < all.size() && w.posts < most_posts; ++i) {
    const device_index d = all[(w.cursor + i) % all.size()];
    const auto end = w.posted_at.begin() + w.posts;
    if (std::find(w.posted_at.begin(), end, d) == end) post_at(b, d, x);
  }
  w.cursor = all.empty() ? 0 : static_cast<uint32_t>((w.cursor + most_posts) % all.size());
  if (all.size() > w.posts) look_everywhere_for(x);
}

void dxv_wide::post_at(board& b, device_index d, model_index x) {
  model_work& w = models_[x];
  auto& posts = devices_[d].posts;
  if (posts.size() >= most_posted)
    std::erase_if(posts, [&](const post& p) { return !valid(b, p) || !b.device(d).sets.holds(p.model); });
  if (posts.size() >= most_posted) return look_everywhere_for(x);
  posts.push_back({x, w.epoch});
  if (w.posts < most_posts) w.posted_at[w.posts++] = d;
}

void dxv_wide::look_everywhere_for(model_index x) {
  if (std::exchange(models_[x].wide, true)) return;
  wide_.push_back(x);
}

bool dxv_wide::valid(const board& b, const post& p) const {
  return models_[p.model].epoch == p.epoch && !b.model(p.model).live.empty();
}

// -- a lane without work ----------------------------------------------------------------------------------------------

void dxv_wide::serve_lane(board& b, lane_index z) {
  while (b.idle().has(z)) {
    pick best = best_posted(b, z);
    if (best.model == no_model) best = best_wide(b, z);
    if (best.model == no_model) return note_ease(b.lane(z).device, 1.0);
    run_batch(b, z, best.model);
  }
}

dxv_wide::pick dxv_wide::best_posted(board& b, lane_index z) {
  const device_index d = b.lane(z).device;
  auto& posts = devices_[d].posts;
  pick best, best_fair;
  size_t kept = 0;
  for (const post& p : posts) {
    if (!valid(b, p) || !b.is_ready(p.model, d)) continue;
    posts[kept++] = p;
    const duration_us setup_us = b.lane(z).active == p.model ? 0 : b.chosen().activate_us;
    const pick candidate{p.model, visit_value(b, p.model, d, b.model(p.model).live.count, setup_us)};
    if (best.model == no_model || candidate.value > best.value) best = candidate;
    if (b.shares().with_work() > 1 && !b.tenant_ahead(p.model) &&
        (best_fair.model == no_model || candidate.value > best_fair.value))
      best_fair = candidate;
  }
  posts.resize(kept);
  return best_fair.model == no_model ? best : best_fair;
}

// Where the set is not, the value is that of a first holder: more are added when those there are fall behind.
judgement dxv_wide::judge(const board& b, lane_index z, model_index x) const {
  const device_index d = b.lane(z).device;
  const model_state& m = b.model(x);
  judgement result{visit_value(b, x, d, m.live.count, b.setup_us(z, x)), {}};
  if (!b.device(d).sets.holds(x) && m.holders.count + m.loading.count > 0)
    result.against = {objection_kind::holder_is_sooner};
  if (b.tenant_ahead(x)) result.against = {objection_kind::tenant_ahead};
  return result;
}

// Models whose posts did not reach all holders: only looked at by a lane that has nothing else.
dxv_wide::pick dxv_wide::best_wide(board& b, lane_index z) {
  const device_index d = b.lane(z).device;
  pick best;
  size_t kept = 0;
  for (const model_index x : wide_) {
    if (b.model(x).live.empty()) {
      models_[x].wide = false;
      continue;
    }
    wide_[kept++] = x;
    if (!b.is_ready(x, d)) continue;
    const pick candidate{x, visit_value(b, x, d, b.model(x).live.count, 0)};
    if (best.model == no_model || candidate.value > best.value) best = candidate;
  }
  wide_.resize(kept);
  return best;
}

void dxv_wide::serve_late(board& b) {
  constexpr size_t models_looked_at = 16;
  for (lane_index z = b.idle().first(); z != no_lane && !b.late_models().empty(); z = b.idle().after(z)) {
    const auto late = b.late_models();
    model_index x = late.front();
    for (const model_index candidate : late.first(std::min(late.size(), models_looked_at)))
      if (b.is_ready(candidate, b.lane(z).device)) x = candidate;
    if (b.model(x).holders.count > 0 && !b.is_ready(x, b.lane(z).device)) continue; // A holder will be idle in time.
    b.start(z, x, queue_kind::late, b.chosen().max_batch);
  }
}

} // namespace fastptm::policy::scheduling
