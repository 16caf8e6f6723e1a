// Fading least squares with bounded steps.
#include "policy/cost_model.hpp"

#include <algorithm>

namespace fastptm::policy {

namespace {
constexpr double fading = 0.9;             // Weight of what was known before, per measurement: about ten count.
constexpr double largest_step = 4.0;       // A measurement further off than this factor counts as this far off.
constexpr double least_batch_spread = 0.5; // Variance of batch sizes below which a slope cannot be told.
} // namespace

void cost_model::fit_state::add(double b, double t, double w) {
  weight += w;
  batch += w * b;
  batch_batch += w * b * b;
  time += w * t;
  batch_time += w * b * t;
}

void cost_model::fit_state::solve() {
  const double mean_batch = batch / weight, mean_time = time / weight;
  const double spread = batch_batch / weight - mean_batch * mean_batch;
  double each = fitted.each_us, base = fitted.base_us;
  if (spread >= least_batch_spread) {
    each = std::max(1.0, (batch_time / weight - mean_batch * mean_time) / spread);
    base = mean_time - each * mean_batch;
    if (base < 0) {
      base = 0;
      each = std::max(1.0, mean_time / mean_batch);
    }
  } else { // All batches alike: keep the shape, move the height.
    const double scale = mean_time / std::max(1.0, base + each * mean_batch);
    each = std::max(1.0, each * scale);
    base *= scale;
  }
  fitted = {static_cast<float>(base), static_cast<float>(each)};
}

void cost_model::start(device_entry& d, uint32_t cost_class) const {
  const execution_cost& prior = priors_[cost_class];
  fit_state& f = d.classes[cost_class];
  f = {};
  f.fitted = {static_cast<float>(static_cast<double>(prior.base_us) / d.speed),
              static_cast<float>(static_cast<double>(prior.each_us) / d.speed)};
  for (const double b : {1.0, 8.0}) f.add(b, f.fitted.base_us + f.fitted.each_us * b, 1.0);
}

void cost_model::set_class(uint32_t cost_class, const execution_cost& prior) {
  while (priors_.size() <= cost_class) {
    priors_.push_back(prior);
    for (device_entry& d : devices_) {
      d.classes.resize(priors_.size());
      start(d, static_cast<uint32_t>(priors_.size()) - 1);
    }
  }
}

void cost_model::set_device(device_index device, double speed) {
  device_entry& d = devices_.grow_to(device);
  d.speed = speed;
  d.classes.resize(priors_.size());
  for (uint32_t c = 0; c < priors_.size(); ++c) start(d, c);
}

execution_cost cost_model::execution(uint32_t cost_class, device_index device) const {
  const line& l = devices_[device].classes[cost_class].fitted;
  return {static_cast<core::duration_us>(l.base_us), static_cast<core::duration_us>(l.each_us)};
}

void cost_model::measured_execution(uint32_t cost_class, device_index device, uint32_t batch,
                                    core::duration_us took_us) {
  fit_state& f = devices_[device].classes[cost_class];
  const double expected = std::max<double>(1.0, static_cast<double>(execution_us(cost_class, device, batch)));
  const double took = std::clamp(static_cast<double>(took_us), expected / largest_step, expected * largest_step);
  for (double* sum : {&f.weight, &f.batch, &f.batch_batch, &f.time, &f.batch_time}) *sum *= fading;
  f.add(batch, took, 1.0);
  f.solve();
}

void cost_model::measured_load(source_tier tier, uint64_t bytes, core::duration_us took_us) {
  uint64_t& rate = links_.bytes_per_s[static_cast<size_t>(tier)];
  constexpr uint64_t least_bytes = 1 << 16; // Smaller loads are all latency and say nothing about the rate.
  if (rate == 0 || bytes < least_bytes || took_us <= 0) return;
  const auto old = static_cast<double>(rate);
  const double beyond_base = static_cast<double>(std::max<core::duration_us>(1, took_us - links_.base_us));
  const double seen =
      std::clamp(1e6 * static_cast<double>(bytes) / beyond_base, old / largest_step, old * largest_step);
  rate = std::max<uint64_t>(1, static_cast<uint64_t>(old + (seen - old) / 8));
}

} // namespace fastptm::policy
