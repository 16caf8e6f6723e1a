// What the board knows and estimates.
#include "policy/scheduling/board.hpp"

#include <algorithm>
#include <limits>

namespace fastptm::policy::scheduling {

namespace {
link_rates links_of(const options& o) {
  return {o.load_base_us, {o.peer_bytes_per_s, o.home_bytes_per_s, o.remote_bytes_per_s}};
}
// A hot model has hundreds of holders; the first few tell well enough whether one is near.
constexpr size_t holders_looked_at = 16;
} // namespace

board::board(const options& chosen) : options_(chosen), costs_(links_of(chosen)), shares_(chosen.fair_window_us) {}

source_tier board::tier(model_index x, device_index d) const {
  const uint32_t node = devices_[d].node;
  const auto all = holders(x);
  for (const device_index h : all.first(std::min(all.size(), holders_looked_at)))
    if (h != d && devices_[h].node == node) return source_tier::peer;
  return models_[x].home_node == node ? source_tier::home : source_tier::remote;
}

duration_us board::load_us(model_index x, device_index d) const {
  const model_state& m = models_[x];
  const uint64_t missing = m.shards.size() == 1 ? m.bytes : devices_[d].sets.missing_bytes(m.shards);
  return costs_.load_us(tier(x, d), missing);
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

bool board::barred(const device_state& d, model_index x) const {
  for (const auto& [model, until_us] : d.barred)
    if (model == x && until_us > now_us_) return true;
  return false;
}

fit board::plan(model_index x, device_index d, std::vector<model_index>& victims) const {
  return devices_[d].sets.plan(x, models_[x].shards, victims,
                               [this](model_index v) { return !models_[v].live.empty(); });
}

bool board::can_load(model_index x, device_index d, bool only_unwanted) const {
  const device_state& device = devices_[d];
  if (!device.joined || device.cordoned || models_[x].retry_at_us > now_us_ || barred(device, x)) return false;
  const fit f = plan(x, d, victims_);
  if (f == fit::fits) return true;
  return f == fit::evicting && !(only_unwanted && std::any_of(victims_.begin(), victims_.end(), [this](model_index v) {
                                   return !models_[v].live.empty();
                                 }));
}

} // namespace fastptm::policy::scheduling
