// What commands take on simulated GPUs.
#include "sim/gpu_world.hpp"

#include <algorithm>
#include <cmath>

#include "core/check.hpp"

namespace fastptm::sim {

using policy::source_kind;

gpu_world::gpu_world(const workload& w, uint32_t gpus, uint32_t gpus_per_node, uint32_t copy_engines,
                     const std::array<double, policy::expected_source_count>& links_gb, std::span<const double> speeds)
    : w_(w), gpus_per_node_(gpus_per_node), nodes_((gpus + gpus_per_node - 1) / gpus_per_node), speeds_(speeds),
      gpus_(gpus), copies_(w.class_of.size() * nodes_) {
  for (size_t i = 0; i < policy::expected_source_count; ++i) us_per_byte_[i] = 1e6 / (links_gb[i] * 1e9);
  for (const workload_class& c : w.classes)
    costs_us_.push_back({std::llround(c.base_ms * 1000), std::max(1LL, std::llround(c.each_ms * 1000))});
  for (gpu_state& g : gpus_) g.engine_free_us.assign(copy_engines, 0);
}

void gpu_world::begin(core::time_us now, const policy::scheduling::load& l) {
  const uint32_t gpu = l.device.value, model = l.model.value;
  source_kind source = source_kind::peer_host;
  if (copies(model, node_of(gpu)) > 0) {
    source = source_kind::peer_device;
  } else if (model % nodes_ == node_of(gpu)) {
    source = source_kind::host_cache;
  }
  const double bytes = w_.classes[w_.class_of[model]].bytes;
  const auto takes_us = static_cast<core::duration_us>(std::ceil(bytes * us_per_byte_[static_cast<size_t>(source)]));
  gpu_state& g = gpus_[gpu];
  core::time_us& engine = *std::min_element(g.engine_free_us.begin(), g.engine_free_us.end());
  engine = std::max(engine, now) + takes_us;
  g.loads.push_back({l.id.value, model, engine, takes_us});
  coming_.add(engine, {gpu_event::kind::load_done, gpu, l.id.value});
  ++loads_;
  bytes_[static_cast<size_t>(source)] += static_cast<uint64_t>(bytes);
  copying_us_ += takes_us;
}

void gpu_world::begin(core::time_us, const policy::scheduling::evict& e) {
  uint16_t& n = copies(e.model.value, node_of(e.device.value));
  core::check(n > 0, "a set is evicted that is not there");
  --n;
}

core::duration_us gpu_world::begin(core::time_us now, const policy::scheduling::run& r) {
  const auto [base_us, each_us] = costs_us_[w_.class_of[r.model.value]];
  core::time_us start_us = now;
  if (r.waits_for.value != 0)
    for (const load_state& l : gpus_[r.device.value].loads)
      if (l.id == r.waits_for.value) start_us = std::max(start_us, l.ready_us);
  const double speed = speeds_[r.device.value % speeds_.size()];
  const auto takes_us = std::llround(static_cast<double>(base_us + each_us * r.count) / speed);
  coming_.add(start_us + takes_us, {gpu_event::kind::batch_done, r.device.value, r.id.value});
  busy_us_ += takes_us;
  return takes_us;
}

gpu_load gpu_world::loaded(uint32_t gpu, uint64_t load) {
  auto& loads = gpus_[gpu].loads;
  const auto found = std::find_if(loads.begin(), loads.end(), [&](const load_state& l) { return l.id == load; });
  core::check(found != loads.end(), "a load ends that never began");
  ++copies(found->model, node_of(gpu));
  const gpu_load done{static_cast<uint64_t>(w_.classes[w_.class_of[found->model]].bytes), found->takes_us};
  loads.erase(found);
  return done;
}

} // namespace fastptm::sim
