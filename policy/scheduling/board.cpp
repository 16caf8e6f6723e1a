// What the board knows and estimates.
#include "policy/scheduling/board.hpp"

#include <algorithm>
#include <limits>

namespace fastptm::policy::scheduling {

namespace {
load_prior links_of(const options& o) {
  return {o.load_base_us, {o.peer_bytes_per_s, o.home_bytes_per_s, o.remote_bytes_per_s}};
}
// A hot model has hundreds of holders; the first few tell well enough whether one is near.
constexpr size_t holders_looked_at = 16;
} // namespace

board::board(const options& chosen) : options_(chosen), costs_(links_of(chosen)), shares_(chosen.fair_window_us) {}

source_kind board::source(model_index x, device_index d) const {
  const uint32_t host = devices_[d].host;
  const auto all = holders(x);
  for (const device_index h : all.first(std::min(all.size(), holders_looked_at)))
    if (h != d && devices_[h].host == host) return source_kind::peer_device;
  return models_[x].home_host == host ? source_kind::host_cache : source_kind::peer_host;
}

duration_us board::load_us(model_index x, device_index d) const {
  const model_state& m = models_[x];
  const uint64_t missing = m.shards.size() == 1 ? m.bytes : devices_[d].sets.missing_bytes(m.shards);
  return costs_.load_us(source(x, d), missing);
}

duration_us board::engine_wait_us(device_index d) const {
  const auto& engines = devices_[d].engine_free_us;
  return std::max<duration_us>(0, *std::min_element(engines.begin(), engines.end()) - now_us_);
}

duration_us board::setup_us(lane_index z, model_index x) const {
  const lane_state& lane = lanes_[z];
  const duration_us activation = lane.active == x ? 0 : options_.activate_us;
  if (devices_[lane.device].sets.holds(x)) {
    const planned_load* under_way = load_under_way(x, lane.device);
    return activation + (under_way ? std::max<duration_us>(0, under_way->ready_us - now_us_) : 0);
  }
  return engine_wait_us(lane.device) + load_us(x, lane.device);
}

const planned_load* board::load_under_way(model_index x, device_index d) const {
  for (const planned_load& l : devices_[d].loads)
    if (l.model == x) return &l;
  return nullptr;
}

bool board::is_ready(model_index x, device_index d) const {
  return devices_[d].sets.holds(x) && load_under_way(x, d) == nullptr;
}

time_us board::barred_until_us(const device_state& d, model_index x) const {
  for (const auto& [model, until_us] : d.barred)
    if (model == x && until_us > now_us_) return until_us;
  return 0;
}

fit board::plan(model_index x, device_index d, std::vector<model_index>& victims) const {
  return devices_[d].sets.plan(x, models_[x].shards, victims,
                               [this, d](model_index v, uint64_t bytes) { return worth(v, d, bytes); });
}

// How soon: the chance that the next of as many requests as there are sets is for it. Other copies serve meanwhile: one
// of n is missed n times as late, and brought back only where the others do not do. What others wait for counts as
// wanted only where it is the last.
set_cost board::worth(model_index x, device_index d, uint64_t bytes) const {
  const model_state& m = models_[x];
  const double copies = std::max(1u, m.holders.count + m.loading.count);
  const double expected = demand_.share(x) * sets_held_ / copies;
  const double soon = expected / (1.0 + expected) / (copies * copies * copies);
  const bool wanted = !m.live.empty() && m.holders.count + m.loading.count <= 1;
  return {wanted, soon * static_cast<double>(costs_.load_us(source(x, d), bytes))};
}

objection board::objection_to_load(model_index x, device_index d) const {
  const device_state& device = devices_[d];
  if (!device.joined) return {objection_kind::gone};
  if (device.cordoned) return {objection_kind::cordoned};
  if (const time_us retry_us = models_[x].retry_at_us; retry_us > now_us_)
    return {objection_kind::load_failed, retry_us - now_us_};
  if (const time_us until_us = barred_until_us(device, x); until_us != 0)
    return {objection_kind::did_not_fit, until_us - now_us_};
  return {};
}

room board::room_for(model_index x, device_index d) const {
  room out{.against = objection_to_load(x, d)};
  if (out.against.why != objection_kind::none) return out;
  const fit f = plan(x, d, victims_);
  if (f == fit::too_large) out.against = {objection_kind::too_large};
  if (f == fit::resident || f == fit::pinned) out.against = {objection_kind::no_room};
  if (f != fit::evicting) return out;
  out.displaces = true;
  for (const model_index v : victims_) {
    const set_cost cost = worth(v, d, devices_[d].sets.own_bytes(v));
    out.wanted |= cost.wanted;
    out.price_us += cost.price_us;
  }
  return out;
}

std::vector<model_index> board::would_go(model_index x, device_index d) const {
  std::vector<model_index> victims;
  if (plan(x, d, victims) != fit::evicting) victims.clear();
  return victims;
}

} // namespace fastptm::policy::scheduling
