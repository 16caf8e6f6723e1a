// Targets at low rates: nothing is loaded that need not be, whatever the first estimates were.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "sim/cluster_replay.hpp"
#include "sim/memory_rules.hpp"
#include "sim/targets.hpp"

namespace fastptm::sim {

namespace {

constexpr uint64_t sustainable_ppm = 990'000;
constexpr double off_by = 3.0;                                               // Of the first estimates, either way.
constexpr std::array<double, 4> rate_shares{0.001, 0.01, 0.1, 0.5};          // Of the sustainable rate.
constexpr double most_loads = 1.05, most_bytes = 1.15, most_of_others = 1.0; // The limits.

struct light_world {
  light_place place;
  bool bursts, all_fit, two_kinds;
  std::string name() const {
    return fmt::format("{} models, {} GPUs{}, {}, {}", place.models, place.gpus, two_kinds ? " of two kinds" : "",
                       all_fit ? "all fit" : "half fit", bursts ? "bursts" : "steady");
  }
};

std::vector<light_world> worlds_of(const light_place& place) {
  std::vector<light_world> all;
  for (const bool bursts : {false, true})
    for (const bool all_fit : {true, false})
      for (const bool two_kinds : {false, true}) all.push_back({place, bursts, all_fit, two_kinds});
  return all;
}

// Where all fit, the largest set finds room wherever those before it went.
double pool_gb(const workload& w, const light_world& world) {
  double total = 0, largest = 0;
  for (const uint8_t c : w.class_of) total += 1e-9 * w.classes[c].bytes;
  for (const workload_class& c : w.classes) largest = std::max(largest, 1e-9 * c.bytes);
  const double share = total / world.place.gpus;
  return world.all_fit ? largest + 1.1 * share : std::max(largest, share / 2);
}

cluster_options options_of(const workload& w, const light_world& world) {
  cluster_options o{.gpus = world.place.gpus, .pool_gb = pool_gb(w, world)};
  if (world.two_kinds) o.speeds = {1.0, 0.4};
  return o;
}

core::result<workload> workload_of(const light_world& world, double rate, uint64_t seed) {
  workload_options o{.models = world.place.models, .requests = world.place.requests, .rate = rate, .seed = seed};
  if (!world.bursts) o.burst = 1, o.timers = 0, o.amplitude = 0; // Each model a Poisson process of its own.
  return generate(o);
}

// The highest rate with 99 % on time, to a few per cent.
core::result<double> sustainable_rate(const light_world& world, uint64_t seed) {
  double low = 1, high = 1e6;
  while (high > 1.05 * low) {
    const double rate = std::sqrt(low * high);
    const auto w = workload_of(world, rate, seed);
    if (!w) return core::fail(w.error());
    const auto r = replay_cluster(*w, options_of(*w, world));
    if (!r) return core::fail(r.error());
    (r->on_time_ppm >= sustainable_ppm ? low : high) = rate;
  }
  return low;
}

// The worst of all wrong estimates, figure by figure.
// Copies of sets that another GPU has are what a deadline asked for.
struct light_figures {
  uint64_t needed_loads = 0, needed_bytes = 0, bytes = 0, copies = 0, on_time_ppm = 1'000'000;
};

core::result<light_figures> worst_of(const workload& w, cluster_options o, const char* policy) {
  light_figures worst;
  o.policy = policy;
  for (const double execution : {1 / off_by, off_by}) {
    for (const double links : {1 / off_by, off_by}) {
      o.execution_prior = execution;
      o.links_prior = links;
      const auto r = replay_cluster(w, o);
      if (!r) return core::fail(r.error());
      worst.needed_loads = std::max(worst.needed_loads, r->loads - r->copies);
      worst.needed_bytes = std::max(worst.needed_bytes, r->bytes() - r->copied_bytes);
      worst.bytes = std::max(worst.bytes, r->bytes());
      worst.copies = std::max(worst.copies, r->copies);
      worst.on_time_ppm = std::min(worst.on_time_ppm, r->on_time_ppm);
    }
  }
  return worst;
}

uint64_t models_asked(const workload& w) {
  std::vector<bool> asked(w.class_of.size(), false);
  for (const workload_request& r : w.requests) asked[r.model] = true;
  return static_cast<uint64_t>(std::count(asked.begin(), asked.end(), true));
}

double ratio(uint64_t a, uint64_t b) {
  return static_cast<double>(a) / static_cast<double>(std::max<uint64_t>(1, b));
}

std::string gigabytes(uint64_t bytes) {
  return fmt::format("{:.0f}", 1e-9 * static_cast<double>(bytes));
}

std::string per_cent(uint64_t ppm) {
  return fmt::format("{:.2f}", 1e-4 * static_cast<double>(ppm));
}

target_row limited(const std::string& what, double measured, double limit) {
  return {what, fmt::format("{:.3f} x", measured), fmt::format("<= {:g} x", limit), measured <= limit};
}

core::result<void> add_rows(target_table& t, const light_world& world, double rate_share, const workload& w) {
  const cluster_options o = options_of(w, world);
  const auto by_rule = [&](memory_rule rule) {
    return load_by_rule(w, o.gpus, static_cast<uint64_t>(o.pool_gb * 1e9), rule).bytes;
  };
  const uint64_t rates = by_rule(memory_rule::known_rates), future = by_rule(memory_rule::known_future),
                 recent = by_rule(memory_rule::least_recent);
  std::vector<light_figures> found;
  for (const char* policy : {"dxv", "affinity", "least_loaded"}) {
    const auto of = worst_of(w, o, policy);
    if (!of) return core::fail(of.error());
    found.push_back(*of);
  }
  const auto &dxv = found[0], &affinity = found[1], &least_loaded = found[2];
  const uint64_t models = models_asked(w);
  const std::string name = fmt::format("{}, {:g} %", world.name(), 100 * rate_share);
  t.details.push_back({name, std::to_string(models), std::to_string(dxv.needed_loads), std::to_string(dxv.copies),
                       gigabytes(dxv.bytes), gigabytes(rates), gigabytes(future), gigabytes(recent),
                       gigabytes(affinity.bytes), gigabytes(least_loaded.bytes), per_cent(dxv.on_time_ppm),
                       per_cent(affinity.on_time_ppm), per_cent(least_loaded.on_time_ppm)});
  if (world.all_fit)
    t.rows.push_back(limited(name + ": loads over models", ratio(dxv.needed_loads, models), most_loads));
  else
    t.rows.push_back(limited(name + ": bytes over known rates", ratio(dxv.needed_bytes, rates), most_bytes));
  // Where all fit, LRU gives up nothing: loads over models says the same.
  const uint64_t others = std::min(affinity.bytes, least_loaded.bytes);
  const uint64_t least = world.all_fit ? others : std::min(others, recent);
  t.rows.push_back(limited(name + ": bytes over the best of affinity, least_loaded, LRU",
                           ratio(dxv.needed_bytes, least), most_of_others));
  return {};
}

} // namespace

const std::vector<light_place>& light_places() {
  static const std::vector<light_place> all{{240, 4, 24'000}, {1000, 20, 120'000}};
  return all;
}

core::result<target_table> light_load(uint64_t seed, const std::vector<light_place>& places) {
  target_table t{fmt::format("at low rates, estimates off by {:g} either way, seed {}", off_by, seed),
                 {{"", "models", "loads", "+ copies", "GB", "rates known", "future known", "LRU", "affinity",
                   "least_loaded", "% on time", "affinity", "least_loaded"}},
                 {}};
  for (const light_place& place : places) {
    for (const light_world& world : worlds_of(place)) {
      const auto most = sustainable_rate(world, seed);
      if (!most) return core::fail(most.error());
      for (const double share : rate_shares) {
        const auto w = workload_of(world, share * *most, seed);
        if (!w) return core::fail(w.error());
        if (const auto added = add_rows(t, world, share, *w); !added) return core::fail(added.error());
      }
    }
  }
  return t;
}

} // namespace fastptm::sim
