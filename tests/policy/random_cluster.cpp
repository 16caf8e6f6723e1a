// Random events, true and false ones.
#include "tests/policy/random_cluster.hpp"

#include <algorithm>
#include <array>

namespace fastptm::policy::scheduling {

namespace {

class random_cluster {
public:
  random_cluster(std::string_view strategy, uint64_t seed, std::function<commands(const commands&)> corrupt)
      : random_(seed), core_(knobs(strategy), seed),
        devices_(static_cast<uint32_t>(1 + random_.below(large_ ? 24 : 6))),
        models_(static_cast<uint32_t>(1 + random_.below(12))) {
    core_.corrupt = std::move(corrupt);
    for (uint32_t t = 0; t < 3; ++t)
      core_.tell(tenant_added{{t},
                              static_cast<uint32_t>(1 + random_.below(5)),
                              one_in(3) ? late_rule::refuse : late_rule::serve},
                 now_);
    for (uint32_t x = 0; x < models_; ++x) add_model(x);
    for (uint32_t d = 0; d < devices_; ++d) join(d);
  }

  case_result run(uint32_t steps) {
    for (uint32_t i = 0; i < steps && core_.problems().empty(); ++i) step();
    drain();
    case_result r{core_.problems(), core_.transcript(), 0, 0, 0};
    const core_counters& c = core_.core().counters();
    r.requests = c.arrivals;
    r.finished = c.finished;
    r.refused = c.refused;
    if (r.problems.empty() && core_.answered() != c.arrivals)
      r.problems.push_back("not every request was answered once");
    return r;
  }

private:
  bool one_in(uint64_t n) { return random_.below(n) == 0; }
  template <class T> const T& any(const std::vector<T>& all) { return all[random_.below(all.size())]; }

  options knobs(std::string_view strategy) {
    options o;
    o.strategy = strategy;
    large_ = one_in(3);
    o.max_batch = static_cast<uint32_t>(1 + random_.below(8));
    o.layers = one_in(2) ? 1 : 12;
    o.prefetch = !one_in(3);
    o.doom = !one_in(4);
    o.hold = one_in(3) ? 2.0 : 0.0;
    o.hold_guard_us = 5'000;
    o.slack_scale_us = one_in(2) ? 0 : 20'000;
    o.activate_us = one_in(3) ? 700 : 0;
    o.fair_window_us = 20'000;
    o.late_patience_us = 3'000'000;
    o.poll_us = (strategy == "omls" || strategy == "fcfs") && one_in(2) ? 10'150 : 0;
    o.load_retry_us = 10'000;
    return o;
  }

  void add_model(uint32_t x) {
    std::vector<shard_size> shards;
    // Few shards for all models: many are shared.
    for (uint64_t n = 1 + random_.below(4); n > 0; --n) {
      const auto s = static_cast<uint32_t>(random_.below(10));
      const bool there = std::any_of(shards.begin(), shards.end(), [&](const auto& k) { return k.shard.value == s; });
      if (!there) shards.push_back({{s}, 10 + 7 * s});
    }
    core_.tell(model_added{.model = {x},
                           .tenant = {x % 3},
                           .shards = shards,
                           .cost = {static_cast<duration_us>(random_.below(3000)),
                                    static_cast<duration_us>(1 + random_.below(3000))},
                           .cost_class = x % 2,
                           .home_host = x % 2},
               now_);
  }

  void join(uint32_t d) {
    std::vector<resident_set> resident;
    std::vector<uint64_t> offsets(8); // As many as a set can have shards, wherever they may lie.
    for (uint64_t& offset : offsets) offset = random_.below(300);
    while (one_in(2)) {
      const model_index x{static_cast<uint32_t>(random_.below(models_))};
      const auto is_same = [x](const resident_set& other) { return other.model == x; };
      if (std::any_of(resident.begin(), resident.end(), is_same)) continue;
      const auto& board = core_.core().state();
      const size_t shards = x.value < board.model_count() ? board.model(x).shards.size() : 0;
      resident.push_back({x, std::span(offsets).first(one_in(2) ? std::min(shards, offsets.size()) : 0)});
    }
    core_.tell(device_joined{.device = {d},
                             .arena_bytes = 60 + random_.below(250),
                             .lanes = static_cast<uint32_t>(1 + random_.below(3)),
                             .copy_engines = static_cast<uint32_t>(1 + random_.below(2)),
                             .host = d % 2,
                             .kind = d % 2,
                             .resident = resident},
               now_);
  }

  void step() {
    now_ += static_cast<time_us>(random_.below(one_in(10) ? 40'000 : 1'500));
    const uint64_t dice = random_.below(100);
    if (dice < 45) {
      arrive();
    } else if (dice < 65) {
      finish_a_batch();
    } else if (dice < 82) {
      finish_a_load();
    } else if (dice < 92) {
      fire_timer();
    } else if (dice < 97) {
      tell_nonsense();
    } else {
      disturb();
    }
  }

  void arrive() {
    const uint32_t slot = next_slot();
    const duration_us given_us =
        one_in(20) ? -5'000 : static_cast<duration_us>(random_.below(one_in(5) ? 500 : 150'000));
    const auto x = static_cast<uint32_t>(random_.below(one_in(2) ? models_ : (models_ + 3) / 4));
    core_.tell(arrival{{slot, generations_[slot]}, {x}, now_ + given_us}, now_);
  }

  // The lowest that is free: slots are used again at once.
  uint32_t next_slot() {
    uint32_t slot = 0;
    while (core_.holds_slot(slot)) ++slot;
    if (generations_.size() <= slot) generations_.resize(slot + 1);
    ++generations_[slot];
    return slot;
  }

  void finish_a_batch() {
    if (core_.batches().empty()) return;
    const auto b = any(core_.batches());
    if (one_in(15)) {
      core_.tell(batch_failed{b.device, b.id}, now_);
    } else if (core_.can_finish(b)) {
      core_.tell(batch_done{b.device, b.id, static_cast<duration_us>(random_.below(20'000))}, now_);
    }
  }

  void finish_a_load() {
    const auto all = core_.startable_loads();
    if (all.empty()) return;
    const auto l = any(all);
    if (one_in(8)) {
      core_.tell(load_failed{l.device, l.id, one_in(2) ? load_error::failed : load_error::does_not_fit}, now_);
    } else {
      core_.tell(load_done{l.device, l.id, random_.below(1'000'000), static_cast<duration_us>(random_.below(50'000))},
                 now_);
    }
  }

  void fire_timer() {
    if (core_.timer_us() > now_ && !one_in(3)) now_ = core_.timer_us();
    core_.tell(timer{}, now_);
  }

  // Reports that cannot be true, and a clock that goes back.
  void tell_nonsense() {
    const device_index d{static_cast<uint32_t>(random_.below(devices_ + 2))};
    switch (random_.below(8)) {
      case 0:
        core_.tell(batch_done{d, {random_.below(1000) + 1'000'000}, 5}, now_);
        break;
      case 1:
        core_.tell(load_done{d, {random_.below(1000) + 1'000'000}}, now_);
        break;
      case 2:
        core_.tell(load_failed{d, {0}}, now_);
        break;
      case 3:
        core_.tell(cancelled{{static_cast<uint32_t>(random_.below(1000)), 77'777}}, now_);
        break;
      case 4:
        core_.tell(arrival{{next_slot(), 1}, {models_ + 5}, now_}, now_);
        break;
      case 5:
        core_.tell(device_joined{.device = {0}, .arena_bytes = 0}, now_);
        break;
      case 6:
        core_.tell(timer{}, now_ - 1'000'000);
        break;
      default:
        core_.tell(set_evicted{d, {models_ + 1}}, now_);
        break;
    }
  }

  // Things that do happen in a cluster.
  void disturb() {
    const device_index d{static_cast<uint32_t>(random_.below(devices_))};
    switch (random_.below(6)) {
      case 0:
        core_.tell(device_lost{d}, now_);
        break;
      case 1:
        join(d.value);
        break;
      case 2:
        core_.tell(device_cordoned{d, one_in(2)}, now_);
        break;
      case 3: {
        const auto held = core_.held_slots();
        if (!held.empty()) {
          const uint32_t slot = any(held);
          core_.tell(cancelled{{slot, generations_[slot]}}, now_);
        }
        break;
      }
      case 4:
        core_.tell(set_evicted{d, {static_cast<uint32_t>(random_.below(models_))}}, now_);
        break;
      default: {
        const auto x = static_cast<uint32_t>(random_.below(models_));
        if (one_in(3)) core_.tell(model_removed{{x}}, now_);
        add_model(x); // Refused where the old one is still there.
        break;
      }
    }
  }

  // No more disturbance: all that is under way ends well, and time passes.
  void drain() {
    for (uint32_t d = 0; d < devices_; ++d) core_.tell(device_cordoned{{d}, false}, now_);
    constexpr int most_rounds = 20'000;
    for (int round = 0; round < most_rounds && core_.held() > 0 && core_.problems().empty(); ++round) {
      now_ += 500;
      const auto loads = core_.startable_loads();
      const auto batches = core_.batches();
      if (!loads.empty()) {
        core_.tell(load_done{loads[0].device, loads[0].id}, now_);
      } else if (const auto b = std::find_if(batches.begin(), batches.end(),
                                             [&](const auto& one) { return core_.can_finish(one); });
                 b != batches.end()) {
        core_.tell(batch_done{b->device, b->id}, now_);
      } else {
        now_ = std::max(now_ + 1, core_.timer_us());
        core_.tell(timer{}, now_);
      }
    }
    if (core_.held() > 0 && core_.problems().empty()) starved_ = true;
  }

public:
  bool starved() const { return starved_; }

private:
  core::prng random_;
  bool large_ = false;
  watched_core core_;
  uint32_t devices_, models_;
  time_us now_ = 1'000'000;
  std::vector<uint32_t> generations_; // By slot.
  bool starved_ = false;
};

} // namespace

case_result run_case(std::string_view strategy, uint64_t seed, uint32_t steps,
                     std::function<commands(const commands&)> corrupt) {
  random_cluster cluster(strategy, seed, std::move(corrupt));
  case_result r = cluster.run(steps);
  if (cluster.starved()) r.problems.push_back("seed " + std::to_string(seed) + ": requests are never answered");
  return r;
}

} // namespace fastptm::policy::scheduling
