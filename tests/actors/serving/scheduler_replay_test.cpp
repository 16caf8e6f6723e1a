// The live scheduler in virtual time beside the replay: the same trace on devices that take the same times.
#include <array>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "actors/serving/scheduler.hpp"
#include "core/random.hpp"
#include "sim/lane_world.hpp"
#include "sim/replay.hpp"
#include "tests/support/recording_actors.hpp"
#include "tests/support/weight_sets.hpp"

namespace fastptm::actors {
namespace {

namespace scheduling = policy::scheduling;

constexpr core::duration_us step_us = 1000; // Of virtual time; all times of the trace and of the costs are multiples.
constexpr uint32_t devices = 3, models = 8, resident = 2;
constexpr core::duration_us exec_base_us = 4'000, exec_us = 2'000, load_us = 40'000;

// A scheduler that does not know what anything costs, and workers whose orders take the times of the replay's world.
class live_world {
public:
  explicit live_world(const sim::replay_costs& costs)
      : lanes_(devices, costs, {.exec = exec_us, .exec_base = exec_base_us, .load = load_us}) {
    scheduler_options options;
    options.core.max_batch = costs.max_batch;
    options.core.layers = costs.layers;
    options.tenants = {{{0}, "acme", 1}};
    options.clock = &world_.clock();
    scheduler_ = world_.system().spawn<actor_from_state<scheduler>>(options);
    for (uint32_t x = 0; x < models; ++x) publish(x);
    for (uint32_t d = 0; d < devices; ++d) join(d);
  }
  ~live_world() {
    caf::anon_send(scheduler_, protocol::stop_atom_v);
    for (const auto& worker : workers_) caf::anon_send_exit(worker, caf::exit_reason::kill);
    world_.run();
  }

  // Every model alone, as `fastptm play` begins; then the trace. Returns how many were answered in time.
  uint64_t play(const sim::trace& trace) {
    for (uint32_t x = 0; x < models; ++x) play_all({{{0, x, 10'000}}, 0, models});
    start_ = held_;
    loads_ = 0;
    return play_all(trace);
  }
  uint64_t loads() const { return loads_; }
  // What the devices had when the trace began.
  std::vector<std::vector<uint32_t>> start() const {
    std::vector<std::vector<uint32_t>> sets;
    for (const auto& one : start_) sets.emplace_back(one.begin(), one.end());
    return sets;
  }

private:
  void publish(uint32_t x) {
    protocol::model_added added;
    added.row.id = {x};
    added.row.name = "acme/m" + std::to_string(x) + "@1";
    added.row.tenant = "acme";
    added.row.architecture = "minilm";
    const auto set = tests::set_of(tests::minilm_shape, static_cast<uint8_t>(x + 1));
    added.manifest = protocol::to_payload(weights::encode(set));
    set_bytes_ = 0;
    for (const auto& shard : set.shards) set_bytes_ += shard.size_bytes;
    caf::anon_send(scheduler_, added);
    world_.run();
  }

  void join(uint32_t d) {
    workers_.push_back(world_.system().spawn<actor_from_state<tests::recording_worker>>(&orders_[d]));
    protocol::device_row row;
    row.name = "worker-" + std::to_string(d) + "/host0";
    row.arena_bytes = resident * set_bytes_;
    caf::anon_send(scheduler_,
                   protocol::device_joined{{d + 1}, "worker-" + std::to_string(d), "host", row, workers_[d]});
    world_.run();
  }

  using pending = decltype(std::declval<caf::scoped_actor&>()->request(
      std::declval<protocol::scheduler_actor>(), std::chrono::minutes(10), protocol::schedule_request{}));
  struct asked {
    std::unique_ptr<caf::scoped_actor> client;
    pending answer;
    bool done = false;
  };

  uint64_t play_all(const sim::trace& trace) {
    const auto begin_us = world_.clock().now_us();
    std::vector<asked> all;
    size_t answered = 0;
    uint64_t on_time = 0;
    while (answered < trace.requests.size()) {
      const auto now_ms = static_cast<double>(world_.clock().now_us() - begin_us) / 1000;
      finish_due();
      while (all.size() < trace.requests.size() && trace.requests[all.size()].arrival_ms <= now_ms)
        all.push_back(ask(trace.requests[all.size()]));
      world_.run();
      take_orders();
      for (auto& one : all) {
        if (one.done || !(*one.client)->has_next_message()) continue;
        one.done = true;
        ++answered;
        one.answer.receive([&](const protocol::infer_reply& reply) { on_time += reply.end == protocol::status::ok; },
                           [](const caf::error& failure) { ADD_FAILURE() << caf::to_string(failure); });
      }
      world_.advance(step_us);
    }
    return on_time;
  }

  asked ask(const sim::trace_request& of) {
    auto client = std::make_unique<caf::scoped_actor>(world_.system());
    const auto deadline_us = static_cast<core::duration_us>((of.deadline_ms - of.arrival_ms) * 1000);
    auto answer = (*client)->request(
        scheduler_, std::chrono::minutes(10),
        protocol::schedule_request{
            ++ticket_, {0}, {of.model}, deadline_us, protocol::encode_input(std::vector<int32_t>{1, 2, 3}, {})});
    return {std::move(client), std::move(answer)};
  }

  void take_orders() {
    scheduling::commands what;
    for (uint32_t d = 0; d < devices; ++d) {
      for (const auto& gone : orders_[d].evicted) held_[d].erase(static_cast<uint32_t>(gone.model.value));
      orders_[d].evicted.clear();
      for (const auto& [order, promise] : orders_[d].loads) {
        const auto model = static_cast<uint32_t>(order.model.value);
        held_[d].insert(model);
        ++loads_;
        what.add(scheduling::load{{d}, {model}, order.load});
        loading_[order.load.value] = promise;
      }
      orders_[d].loads.clear();
      for (const auto& [order, promise] : orders_[d].runs) {
        what.add(scheduling::run{
            {d}, 0, {static_cast<uint32_t>(order.model.value)}, order.batch, {}, what.request_count(), order.inputs});
        for (uint32_t i = 0; i < order.inputs; ++i) what.add_request({});
        running_[order.batch.value] = {order, promise};
      }
      orders_[d].runs.clear();
    }
    lanes_.carry_out(world_.clock().now_us(), what);
  }

  void finish_due() {
    std::vector<scheduling::event> due;
    lanes_.take_due(world_.clock().now_us(), due);
    for (const auto& event : due) {
      if (const auto* load = std::get_if<scheduling::load_done>(&event)) finish(*load);
      if (const auto* batch = std::get_if<scheduling::batch_done>(&event)) finish(*batch);
    }
  }
  void finish(const scheduling::load_done& done) {
    auto promise = loading_.extract(done.load.value).mapped();
    tests::inside(workers_[done.device.value], [=, this]() mutable {
      promise.deliver(protocol::load_reply{set_bytes_, load_us});
    });
  }
  void finish(const scheduling::batch_done& done) {
    auto [order, promise] = running_.extract(done.batch.value).mapped();
    std::vector<protocol::payload> outputs(order.inputs, protocol::encode_output(std::vector<float>{7}));
    caf::anon_send(scheduler_, protocol::batch_outputs{order.batch, outputs});
    const protocol::run_reply reply{order.batch, order.inputs, exec_base_us + exec_us * order.inputs, 0};
    tests::inside(workers_[done.device.value], [promise = promise, reply]() mutable { promise.deliver(reply); });
  }

  actors::deterministic_system world_;
  sim::lane_world lanes_;
  std::array<tests::worker_record, devices> orders_;
  std::vector<protocol::gpu_worker_actor> workers_;
  protocol::scheduler_actor scheduler_;
  std::map<uint64_t, caf::typed_response_promise<protocol::load_reply>> loading_;
  std::map<uint64_t, std::pair<protocol::run_order, caf::typed_response_promise<protocol::run_reply>>> running_;
  std::array<std::set<uint32_t>, devices> held_, start_;
  uint64_t set_bytes_ = 0, ticket_ = 0, loads_ = 0;
};

struct demand {
  const char* name;
  int requests;
  double rps;
  double deadline_ms;
  bool popular; // The first models are asked more often than the last.
};

sim::trace draw(const demand& of, uint64_t seed) {
  core::prng random(seed);
  sim::trace trace{{}, 0, models};
  double at_ms = 0;
  for (int i = 0; i < of.requests; ++i) {
    at_ms += -std::log(1 - random.unit()) * 1000 / of.rps;
    const double among = of.popular ? random.unit() * models : models;
    const auto model = static_cast<uint32_t>(random.unit() * among);
    trace.requests.push_back({std::floor(at_ms), model, std::floor(at_ms) + of.deadline_ms});
  }
  trace.end_ms = at_ms;
  return trace;
}

class LifeAndReplay : public testing::TestWithParam<demand> {};

TEST_P(LifeAndReplay, AreAlike) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const auto trace = draw(GetParam(), seed);
    sim::replay_costs costs;
    costs.exec_ms = exec_us / 1000.0;
    costs.exec_base_ms = exec_base_us / 1000.0;
    costs.max_batch = 8;
    costs.switch_ms = load_us / 1000.0;
    costs.resident = resident;
    costs.layers = 8; // Parts of the set: embeddings, six layers, the head.
    costs.prefetch = true;
    costs.K_ms = 0;
    live_world life(costs);
    const auto on_time = life.play(trace);
    costs.start = life.start();
    const auto replay = sim::replay(trace, "dxv", devices, costs);
    ASSERT_TRUE(replay) << replay.error().message;
    const auto& said = replay->metrics;
    const auto told = testing::Message() << "seed " << seed << ": " << life.loads() << " loads, " << on_time
                                         << " on time; the replay says " << said.loads << " and "
                                         << said.n - said.overtime;
    const auto less = std::min(life.loads(), said.loads), more = std::max(life.loads(), said.loads);
    EXPECT_TRUE(static_cast<double>(more) <= 1.2 * static_cast<double>(less) || more - less <= 2) << told;
    EXPECT_NEAR(static_cast<double>(on_time), static_cast<double>(said.n - said.overtime),
                0.02 * static_cast<double>(said.n))
        << told;
  }
}

INSTANTIATE_TEST_SUITE_P(Scheduler, LifeAndReplay,
                         testing::Values(demand{"Seldom", 400, 5, 1000, false}, demand{"Often", 400, 40, 1000, false},
                                         demand{"Popular", 400, 60, 1000, true}, demand{"Tight", 400, 60, 50, true},
                                         demand{"TooMuch", 4000, 1500, 300, false}),
                         [](const auto& tested) { return std::string(tested.param.name); });

} // namespace
} // namespace fastptm::actors
