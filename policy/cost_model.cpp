// Fading least squares with bounded steps, and what devices of a kind learn from each other.
#include "policy/cost_model.hpp"

#include <algorithm>
#include <utility>

namespace fastptm::policy {

namespace {
constexpr double fading = 0.9;              // Weight of what was known before, per measurement: about ten count.
constexpr double largest_step = 4.0;        // A measurement further off than this factor counts as this far off.
constexpr double least_batch_spread = 0.5;  // Variance of batch sizes below which a slope cannot be told.
constexpr double largest_first_step = 64.0; // As largest_step for the first measurement of a kind: priors are guesses.
} // namespace

execution_cost assumed_execution(uint64_t operations_per_token) {
  constexpr uint64_t tokens = 64, operations_per_us = 50'000;
  constexpr core::duration_us base_us = 500, least_us = 50;
  // In this order a large model does not overflow.
  const uint64_t each_us = operations_per_token / operations_per_us * tokens +
                           operations_per_token % operations_per_us * tokens / operations_per_us;
  return {base_us, std::max(least_us, static_cast<core::duration_us>(each_us))};
}

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

void cost_model::fit_state::start(const line& from) {
  *this = {};
  fitted = from;
  for (const double b : {1.0, 8.0}) add(b, fitted.base_us + fitted.each_us * b, 1.0);
}

cost_model::line cost_model::line_of(const execution_cost& prior) {
  return {static_cast<float>(prior.base_us), static_cast<float>(prior.each_us)};
}

void cost_model::set_class(uint32_t cost_class, const execution_cost& prior) {
  while (priors_.size() <= cost_class) {
    priors_.push_back(prior);
    for (kind_entry& k : kinds_) k.classes.push_back({line_of(prior)});
    for (device_entry& d : devices_) d.classes.resize(priors_.size());
  }
}

void cost_model::set_device(device_index device, uint32_t kind) {
  while (kinds_.size() <= kind) {
    kind_entry& k = kinds_.emplace_back();
    for (const execution_cost& prior : priors_) k.classes.push_back({line_of(prior)});
  }
  if (devices_.has(device)) std::erase(kinds_[devices_[device].kind].devices, device);
  device_entry& d = devices_.grow_to(device);
  const uint32_t before = std::exchange(d.kind, kind);
  d.classes.assign(priors_.size(), {});
  kinds_[kind].devices.push_back(device);
  for (uint32_t c = 0; c < priors_.size(); ++c)
    if (kinds_[before].classes[c].fastest == device) choose_fastest(before, c, device);
}

// The line of a kind follows its fastest device; only when that one has become slower are the others looked at. What
// was learned stays when the last device that ran the class has left.
void cost_model::choose_fastest(uint32_t kind, uint32_t cost_class, device_index changed) {
  kind_class& shared = kinds_[kind].classes[cost_class];
  const auto height = [&](device_index d) {
    const line& l = devices_[d].classes[cost_class].fitted;
    return l.at(1) + l.at(8);
  };
  const auto measured = [&](device_index d) {
    return devices_[d].kind == kind && devices_[d].classes[cost_class].measured;
  };
  if (shared.fastest == changed || shared.fastest == no_device) {
    shared.fastest = no_device;
    for (const device_index d : kinds_[kind].devices)
      if (measured(d) && (shared.fastest == no_device || height(d) < height(shared.fastest))) shared.fastest = d;
  } else if (measured(changed) && height(changed) < height(shared.fastest)) {
    shared.fastest = changed;
  }
  if (shared.fastest != no_device) shared.fitted = devices_[shared.fastest].classes[cost_class].fitted;
}

void cost_model::measured_execution(uint32_t cost_class, device_index device, uint32_t batch,
                                    core::duration_us took_us) {
  device_entry& d = devices_[device];
  const kind_class& shared = kinds_[d.kind].classes[cost_class];
  fit_state& f = d.classes[cost_class];
  const double expected = std::max<double>(1.0, static_cast<double>(execution_us(cost_class, device, batch)));
  double took = static_cast<double>(took_us);
  if (!f.measured) {
    line from = shared.fitted;
    if (shared.fastest == no_device) {
      const auto scale = static_cast<float>(std::clamp(took / expected, 1 / largest_first_step, largest_first_step));
      from = {from.base_us * scale, std::max(1.0f, from.each_us * scale)};
    }
    f.start(from);
    f.measured = true;
  }
  const auto known = std::max<double>(1.0, static_cast<double>(f.fitted.at(batch)));
  took = std::clamp(took, known / largest_step, known * largest_step);
  for (double* sum : {&f.weight, &f.batch, &f.batch_batch, &f.time, &f.batch_time}) *sum *= fading;
  f.add(batch, took, 1.0);
  f.solve();
  choose_fastest(d.kind, cost_class, device);
}

void cost_model::measured_load(source_kind source, uint64_t bytes, core::duration_us took_us) {
  uint64_t& rate = links_.bytes_per_s[static_cast<size_t>(source)];
  constexpr uint64_t least_bytes = 1 << 16; // Smaller loads are all latency and say nothing about the rate.
  if (rate == 0 || bytes < least_bytes || took_us <= 0) return;
  const auto old = static_cast<double>(rate);
  const bool first = !std::exchange(link_measured_[static_cast<size_t>(source)], true);
  const double step = first ? largest_first_step : largest_step, part = first ? 1.0 : 1.0 / 8;
  const double beyond_base = static_cast<double>(std::max<core::duration_us>(1, took_us - links_.base_us));
  const double seen = std::clamp(1e6 * static_cast<double>(bytes) / beyond_base, old / step, old * step);
  rate = std::max<uint64_t>(1, static_cast<uint64_t>(old + (seen - old) * part));
}

} // namespace fastptm::policy
