// The loop: everything of one instant goes to the core together, and its commands to the lanes.
#include "sim/replay.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/check.hpp"
#include "policy/scheduling/board.hpp"
#include "sim/lane_world.hpp"

namespace fastptm::sim {

namespace {

using namespace policy::scheduling;
using policy::model_index;
using policy::shard_size;

constexpr uint64_t set_bytes = 1; // A pool of R sets has R bytes.

// Never shorter than said: a checker of the schedule compares with the exact value.
core::time_us to_us(double ms) {
  return static_cast<core::time_us>(std::ceil(ms * 1000.0 - 1e-6));
}

// One room for each set, and each set once.
core::result<void> check_start(const trace& t, uint32_t lanes, const replay_costs& c) {
  const auto bad = [](std::string what) { return core::fail(core::errc::invalid, "start: " + std::move(what)); };
  if (c.start.size() > (c.shared_pool ? 1 : lanes)) return bad("sets for more pools than there are");
  for (auto sets : c.start) {
    std::sort(sets.begin(), sets.end());
    if (sets.size() > c.resident) return bad("more sets than a pool holds");
    if (std::adjacent_find(sets.begin(), sets.end()) != sets.end()) return bad("a pool holds a set once");
    if (!sets.empty() && sets.back() >= t.models) return bad("a model that the trace does not have");
  }
  return {};
}

// The published scheduler always preloaded.
std::vector<std::vector<uint32_t>> sets_at_start(const trace& t, const std::string& policy, uint32_t lanes,
                                                 const replay_costs& c) {
  if (!c.start.empty() || (!c.preload && policy != "omls")) return c.start;
  std::vector<std::vector<uint32_t>> sets(c.shared_pool ? 1 : lanes);
  for (uint32_t x = 1; x < std::min(lanes, t.models); ++x)
    if (auto& pool = sets[c.shared_pool ? 0 : x]; pool.size() < c.resident) pool.push_back(x);
  return sets;
}

core::result<void> check(const replay_costs& c, uint32_t lanes) {
  const auto bad = [](const std::string& what) { return core::fail(core::errc::invalid, what); };
  const auto time = [](double ms) { return ms >= 0 && ms <= 1e9; };
  if (lanes < 1 || lanes > 256) return bad("--instances must be 1 to 256");
  if (!(c.exec_ms >= 0.001 && c.exec_ms <= 1e6)) return bad("--exec-ms must be 0.001 to 1e6");
  if (c.max_batch < 1 || c.max_batch > 4096) return bad("--max-batch must be 1 to 4096");
  if (c.resident < 1 || c.resident > 1'000'000) return bad("--resident must be 1 to 1000000 sets");
  if (c.copy_engines < 1 || c.copy_engines > 256) return bad("--copy-engines must be 1 to 256");
  if (c.layers < 1 || c.layers > 4096) return bad("--layers must be 1 to 4096");
  for (const auto& [name, value] : {std::pair{"--exec-base-ms", c.exec_base_ms},
                                    {"--switch-ms", c.switch_ms},
                                    {"--full-switch-ms", c.full_switch_ms},
                                    {"--resident-ms", c.resident_ms},
                                    {"--cold-ms", c.cold_ms},
                                    {"--poll-ms", c.poll_ms},
                                    {"--urgent-ms", c.urgent_ms},
                                    {"--hold-guard-ms", c.hold_guard_ms},
                                    {"--K-ms", c.K_ms}})
    if (!time(value)) return bad(std::string(name) + " must be 0 to 1e9 ms");
  return {};
}

options core_options(const std::string& policy, const replay_costs& c) {
  options o;
  o.strategy = policy == "fcfs_full" ? "fcfs" : policy;
  o.max_batch = c.max_batch;
  o.layers = c.layers;
  o.slack_scale_us = to_us(c.K_ms);
  o.doom = c.doom && policy == "dxv";
  o.prefetch = c.prefetch && c.resident > 1;
  o.hold = c.hold;
  o.hold_guard_us = to_us(c.hold_guard_ms);
  o.load_base_us = to_us(policy == "fcfs_full" ? c.full_switch_ms : c.switch_ms);
  o.peer_bytes_per_s = o.home_bytes_per_s = o.remote_bytes_per_s = 0;
  o.activate_us = to_us(c.resident_ms);
  o.poll_us = policy == "omls" || o.strategy == "fcfs" ? to_us(c.poll_ms) : 0;
  o.urgent_us = to_us(c.urgent_ms);
  o.late_patience_us = 0; // Every request of a trace is served, however late.
  return o;
}

class replayer {
public:
  replayer(const trace& t, const std::string& policy, uint32_t lanes, const replay_costs& c,
           std::unique_ptr<scheduling_core> core)
      : trace_(t), core_(std::move(core)), world_(lanes, c, world_times(policy, c)) {
    set_up(policy, lanes, c);
  }

  void run() {
    size_t next = 0;
    const auto& all = trace_.requests;
    for (;;) {
      core::time_us at_us = next < all.size() ? to_us(all[next].arrival_ms) : never_us;
      if (world_.anything_coming()) at_us = std::min(at_us, world_.next_us());
      if (timer_us_ > 0) at_us = std::min(at_us, timer_us_);
      if (at_us == never_us) return;
      due_.clear();
      world_.take_due(at_us, due_);
      for (; next < all.size() && to_us(all[next].arrival_ms) <= at_us; ++next)
        due_.push_back(arrival{{static_cast<uint32_t>(next), 0},
                               {all[next].model},
                               static_cast<core::time_us>(std::floor(all[next].deadline_ms * 1000.0 + 1e-6))});
      if (timer_us_ > 0 && timer_us_ <= at_us) {
        timer_us_ = 0;
        due_.push_back(timer{});
      }
      decide(at_us);
    }
  }

  const schedule& log() const { return world_.log(); }
  const core_counters& counters() const { return core_->counters(); }
  const decision_clock& clock() const { return clock_; }

private:
  static constexpr core::time_us never_us = std::numeric_limits<core::time_us>::max();

  static lane_world::times_us world_times(const std::string& policy, const replay_costs& c) {
    return {.exec = to_us(c.exec_ms),
            .exec_base = to_us(c.exec_base_ms),
            .load = to_us(policy == "fcfs_full" ? c.full_switch_ms : c.switch_ms),
            .activate = to_us(c.resident_ms),
            .cold = to_us(c.cold_ms),
            .dispatch = policy == "omls" ? 500 : 0}; // The published scheduler's way to a worker.
  }

  void set_up(const std::string& policy, uint32_t lanes, const replay_costs& c) {
    for (uint32_t x = 0; x < trace_.models; ++x) {
      const std::array shards{shard_size{{x}, set_bytes}};
      core_->on(model_added{.model = {x}, .shards = shards, .cost = {to_us(c.exec_base_ms), to_us(c.exec_ms)}}, 0,
                out_);
    }
    const auto start = sets_at_start(trace_, policy, lanes, c);
    for (uint32_t d = 0; d < world_.pools(); ++d) {
      std::vector<policy::scheduling::resident_set> resident;
      for (const uint32_t x : d < start.size() ? start[d] : std::vector<uint32_t>()) {
        resident.push_back({{x}});
        world_.preload(d, x);
      }
      core_->on(device_joined{.device = {d},
                              .arena_bytes = c.resident * set_bytes,
                              .lanes = world_.lanes_per_pool(),
                              .copy_engines = c.copy_engines,
                              .resident = resident},
                0, out_);
    }
  }

  void decide(core::time_us at_us) {
    const auto begin = std::chrono::steady_clock::now();
    const size_t rejected = core_->on(due_, at_us, out_);
    const auto end = std::chrono::steady_clock::now();
    core::check(rejected == 0, "the core rejects what its own world reports");
    clock_.add(static_cast<uint64_t>(std::chrono::nanoseconds(end - begin).count()));
    for (const command& c : out_.all())
      if (const auto* t = std::get_if<set_timer>(&c)) timer_us_ = t->at_us;
    world_.carry_out(at_us, out_);
  }

  const trace& trace_;
  std::unique_ptr<scheduling_core> core_;
  lane_world world_;
  commands out_;
  std::vector<event> due_;
  core::time_us timer_us_ = 0;
  decision_clock clock_;
};

} // namespace

core::result<replay_result> replay(const trace& t, const std::string& policy, uint32_t lanes,
                                   const replay_costs& costs) {
  if (const auto good = check(costs, lanes); !good) return core::fail(good.error());
  if (const auto good = check_start(t, lanes, costs); !good) return core::fail(good.error());
  auto core = make_core(core_options(policy, costs));
  if (!core) return core::fail(core.error());
  const auto begin = std::chrono::steady_clock::now();
  replayer r(t, policy, lanes, costs, std::move(*core));
  r.run();
  const auto end = std::chrono::steady_clock::now();
  replay_result result;
  result.log = r.log();
  result.metrics = measure(t, result.log, lanes, result.start_ms, result.end_ms);
  result.decisions = r.clock().summary(r.counters().decisions);
  result.wall_ns_per_request =
      static_cast<double>(std::chrono::nanoseconds(end - begin).count()) / static_cast<double>(t.requests.size());
  if (r.counters().finished != t.requests.size())
    return core::fail(core::errc::internal, policy + " left " +
                                                std::to_string(t.requests.size() - r.counters().finished) +
                                                " requests of the trace unserved: report this trace");
  return result;
}

} // namespace fastptm::sim
