// The scheduler with the real core and devices whose orders end as the test says.
#include "actors/serving/scheduler.hpp"

#include <gtest/gtest.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "core/slab.hpp"
#include "tests/support/recording_actors.hpp"
#include "tests/support/weight_sets.hpp"

namespace fastptm::actors {
namespace {

constexpr core::duration_us second_us = 1'000'000;

class Scheduler : public testing::Test {
protected:
  explicit Scheduler(uint32_t held_by_core = 1u << 24) {
    scheduler_options options;
    options.core.max_requests = held_by_core;
    options.metrics = &metrics_;
    options.tenants = {{{0}, "acme", 1}};
    options.queued = 4;
    options.clock = &world_.clock();
    scheduler_ = world_.system().spawn<actor_from_state<scheduler>>(options);
    for (auto& record : devices_)
      workers_.push_back(world_.system().spawn<actor_from_state<tests::recording_worker>>(&record));
    publish(1);
  }
  ~Scheduler() override {
    caf::anon_send(scheduler_, protocol::stop_atom_v); // Answers what it holds: a promise keeps its actor alive.
    for (const auto& worker : workers_) caf::anon_send_exit(worker, caf::exit_reason::kill);
    world_.run();
  }

  void publish(uint8_t id) { publish(id, id); }
  void publish(uint8_t id, uint8_t seed) {
    protocol::model_added added;
    added.row.id = {id};
    added.row.name = "acme/m@" + std::to_string(id);
    added.row.tenant = "acme";
    added.row.architecture = "tiny";
    added.manifest = protocol::to_payload(weights::encode(tests::set_of(tests::tiny_shape, seed)));
    caf::anon_send(scheduler_, added);
    world_.run();
  }

  void join(size_t device, uint64_t registration) {
    protocol::device_row row;
    row.name = "worker-" + std::to_string(device) + "/host0";
    row.arena_bytes = 64 << 20;
    caf::anon_send(scheduler_, protocol::device_joined{
                                   {registration}, "worker-" + std::to_string(device), "host", row, workers_[device]});
    world_.run();
  }
  void lose(size_t device, uint64_t registration) {
    caf::anon_send(scheduler_, protocol::device_lost{{registration}, "worker-" + std::to_string(device) + "/host0"});
    world_.run();
  }

  // Sends a request whose answer is collected later.
  void ask(core::duration_us deadline_us = 10 * second_us, uint64_t model = 1) {
    send_request(deadline_us, model);
    world_.run();
  }
  void send_request(core::duration_us deadline_us = 10 * second_us, uint64_t model = 1) {
    client_.emplace_back(std::make_unique<caf::scoped_actor>(world_.system()));
    const auto input = protocol::encode_input(std::vector<int32_t>{1, 2, 3}, {});
    pending_.push_back((*client_.back())
                           ->request(scheduler_, std::chrono::minutes(10),
                                     protocol::schedule_request{++ticket_, {0}, {model}, deadline_us, input}));
  }
  // Takes a model back, once a test.
  void remove(uint64_t model) {
    (void)remover_->request(scheduler_, std::chrono::minutes(10),
                            protocol::model_removed{{model}, "acme/m@" + std::to_string(model)});
    world_.run();
  }
  bool is_unused() { return remover_->has_next_message(); }
  // The value of a counter or a gauge.
  uint64_t metric(const std::string& name) {
    const auto page = metrics_.exposition();
    const auto at = page.find("\n" + name + " ");
    return at == std::string::npos ? 0 : std::stoull(page.substr(at + name.size() + 2));
  }
  bool answered(size_t i) { return (*client_[i])->has_next_message(); }
  protocol::infer_reply answer(size_t i) {
    protocol::infer_reply result;
    pending_[i].receive([&](const protocol::infer_reply& reply) { result = reply; },
                        [](const caf::error& failure) { ADD_FAILURE() << caf::to_string(failure); });
    return result;
  }

  void finish_load(size_t device) {
    end_load(device, [](auto& promise) { promise.deliver(protocol::load_reply{1000, 1000}); });
  }
  void fail_load(size_t device, core::errc code, const std::string& why) {
    end_load(device, [&](auto& promise) { promise.deliver(protocol::to_caf(code, why)); });
  }
  template <class F> void end_load(size_t device, F how) {
    auto promise = devices_[device].loads.front().second;
    devices_[device].loads.pop_front();
    tests::inside(workers_[device], [&] { how(promise); });
    world_.run();
  }
  void finish_run(size_t device) {
    auto [order, promise] = devices_[device].runs.front();
    devices_[device].runs.pop_front();
    std::vector<protocol::payload> outputs(order.inputs, protocol::encode_output(std::vector<float>{7}));
    caf::anon_send(scheduler_, protocol::batch_outputs{order.batch, outputs});
    answer_run(device, order, promise);
  }
  void answer_run(size_t device, const protocol::run_order& order,
                  caf::typed_response_promise<protocol::run_reply> promise) {
    tests::inside(workers_[device], [&] { promise.deliver(protocol::run_reply{order.batch, order.inputs, 1000, 0}); });
    world_.run();
  }

  using pending = decltype(std::declval<caf::scoped_actor&>()->request(
      std::declval<protocol::scheduler_actor>(), std::chrono::minutes(10), protocol::schedule_request{}));

  core::metrics_registry metrics_;
  actors::deterministic_system world_;
  std::array<tests::worker_record, 2> devices_;
  std::vector<protocol::gpu_worker_actor> workers_;
  protocol::scheduler_actor scheduler_;
  std::vector<std::unique_ptr<caf::scoped_actor>> client_;
  std::vector<pending> pending_;
  uint64_t ticket_ = 0;
  caf::scoped_actor remover_{world_.system()};
};

TEST_F(Scheduler, LoadsRunsAndAnswers) {
  join(0, 1);
  ask();
  ASSERT_EQ(devices_[0].loads.size(), 1u);
  EXPECT_EQ(devices_[0].loads.front().first.registration.value, 1u);
  finish_load(0);
  ASSERT_EQ(devices_[0].runs.size(), 1u);
  ASSERT_EQ(devices_[0].inputs.size(), 1u);
  EXPECT_EQ(devices_[0].inputs[0].inputs.size(), devices_[0].runs.front().first.inputs);
  finish_run(0);
  ASSERT_TRUE(answered(0));
  const auto reply = answer(0);
  EXPECT_EQ(reply.end, protocol::status::ok);
  EXPECT_EQ(reply.spent.node, "worker-0");
  EXPECT_EQ(protocol::decode_output(reply.output), std::vector<float>{7});
}

TEST_F(Scheduler, SaysThatARequestWaitedForWeightsOnlyUntilTheyHaveServedOne) {
  join(0, 1);
  ask();
  ASSERT_EQ(devices_[0].runs.size(), 1u) << "it runs while its load is under way";
  world_.advance(1000);
  finish_run(0);
  EXPECT_TRUE(answer(0).spent.loaded);
  world_.advance(1000);
  ask();
  ASSERT_EQ(devices_[0].runs.size(), 1u);
  world_.advance(1000);
  finish_run(0);
  const auto second = answer(1);
  EXPECT_FALSE(second.spent.loaded) << "what still comes is nothing that a batch waits for";
  EXPECT_EQ(second.spent.switch_us, 0);
}

TEST_F(Scheduler, QueuesTheRequestsOfALostDeviceAgainAtOnce) {
  join(0, 1);
  ask();
  finish_load(0);
  join(1, 2);
  ASSERT_EQ(devices_[0].runs.size(), 1u);
  lose(0, 1);
  EXPECT_FALSE(answered(0));
  ASSERT_EQ(devices_[1].loads.size(), 1u) << "nothing happened although a device is free";
  finish_load(1);
  finish_run(1);
  EXPECT_EQ(answer(0).spent.node, "worker-1");
}

TEST_F(Scheduler, GivesUpARequestWhoseDevicesKeepDying) {
  ask();
  uint64_t registration = 0;
  for (int life = 0; life < 5 && !answered(0); ++life) {
    join(0, ++registration);
    if (!devices_[0].loads.empty()) finish_load(0);
    EXPECT_FALSE(devices_[0].runs.empty());
    devices_[0].runs.clear();
    lose(0, registration);
  }
  ASSERT_TRUE(answered(0));
  EXPECT_EQ(answer(0).end, protocol::status::unavailable);
  EXPECT_EQ(registration, 3u) << "queued again at most twice";
}

TEST_F(Scheduler, IgnoresAnAnswerFromALifeThatIsOver) {
  join(0, 1);
  ask();
  finish_load(0);
  auto [order, promise] = devices_[0].runs.front();
  devices_[0].runs.clear();
  lose(0, 1);
  join(0, 2);
  answer_run(0, order, promise);
  EXPECT_FALSE(answered(0));
  if (!devices_[0].loads.empty()) finish_load(0);
  finish_run(0);
  EXPECT_EQ(answer(0).end, protocol::status::ok);
}

TEST_F(Scheduler, TriesAFailedLoadAgain) {
  join(0, 1);
  ask();
  fail_load(0, core::errc::unavailable, "no source left");
  devices_[0].runs.clear();
  world_.advance(second_us);
  ASSERT_EQ(devices_[0].loads.size(), 1u);
  ASSERT_EQ(devices_[0].cancelled.size(), 1u) << "the device was not told that the load is over";
  finish_load(0);
  finish_run(0);
  EXPECT_EQ(answer(0).end, protocol::status::ok);
}

TEST_F(Scheduler, SaysWhyNothingCouldBeLoaded) {
  join(0, 1);
  ask(second_us);
  for (int i = 0; i < 40 && !answered(0); ++i) {
    while (!devices_[0].loads.empty()) fail_load(0, core::errc::corrupt, "shard 12ab is damaged");
    devices_[0].runs.clear();
    world_.advance(100'000);
  }
  ASSERT_TRUE(answered(0));
  const auto reply = answer(0);
  EXPECT_NE(reply.error.find("shard 12ab is damaged"), std::string::npos) << reply.error;
}

TEST_F(Scheduler, RefusesWhatIsBeyondItsQueue) {
  for (int i = 0; i < 5; ++i) ask();
  ASSERT_TRUE(answered(4));
  const auto reply = answer(4);
  EXPECT_EQ(reply.end, protocol::status::refused);
  EXPECT_GT(reply.retry_after_us, 0);
}

TEST_F(Scheduler, EvictsASetThatTheClusterDoesNotKnow) {
  protocol::device_row row;
  row.name = "worker-0/host0";
  row.arena_bytes = 64 << 20;
  row.resident = {"gone/x@1"};
  row.resident_ids = {{99}};
  caf::anon_send(scheduler_, protocol::device_joined{{1}, "worker-0", "host", row, workers_[0]});
  world_.run();
  ASSERT_EQ(devices_[0].evicted.size(), 1u);
  EXPECT_EQ(devices_[0].evicted[0].model.value, 99u);
}

TEST_F(Scheduler, EvictsASetWhosePlacesADeviceDoesNotTell) {
  protocol::device_row row;
  row.name = "worker-0/host0";
  row.arena_bytes = 64 << 20;
  row.resident = {"acme/m@1"};
  row.resident_ids = {{1}};
  caf::anon_send(scheduler_, protocol::device_joined{{1}, "worker-0", "host", row, workers_[0]});
  world_.run();
  ASSERT_EQ(devices_[0].evicted.size(), 1u);
  EXPECT_EQ(devices_[0].evicted[0].model.value, 1u);
}

// A slab of the test's own says whether the places that the orders carry are free.
TEST_F(Scheduler, OrdersALoadToPlacesThatAreFreeAroundTheSetsOfADeviceThatJoins) {
  const auto set = tests::set_of(tests::tiny_shape, 1);
  core::slab device(64 << 20);
  std::vector<uint64_t> offsets;
  uint64_t next = 1 << 20;
  for (const auto& shard : set.shards) {
    ASSERT_TRUE(device.take_at(next, shard.size_bytes));
    offsets.push_back(next);
    next += shard.size_bytes + 4096; // holes between them
  }
  protocol::device_row row;
  row.name = "worker-0/host0";
  row.arena_bytes = 64 << 20;
  row.resident = {"acme/m@1"};
  row.resident_ids = {{1}};
  row.offsets_bytes = {offsets};
  caf::anon_send(scheduler_, protocol::device_joined{{1}, "worker-0", "host", row, workers_[0]});
  world_.run();
  EXPECT_TRUE(devices_[0].evicted.empty());
  publish(2);
  ask(10 * second_us, 2);
  ASSERT_EQ(devices_[0].loads.size(), 1u);
  const auto& order = devices_[0].loads.front().first;
  const auto other = tests::set_of(tests::tiny_shape, 2);
  ASSERT_EQ(order.offsets_bytes.size(), other.shards.size());
  for (size_t i = 0; i < other.shards.size(); ++i)
    EXPECT_TRUE(device.take_at(order.offsets_bytes[i], other.shards[i].size_bytes)) << "shard " << i;
}

TEST_F(Scheduler, AnswersWhatRunsOnAModelThatIsTakenBackAndNothingElse) {
  join(0, 1);
  ask(); // runs, on its load
  ask(); // waits
  remove(1);
  ASSERT_TRUE(answered(1));
  EXPECT_EQ(answer(1).end, protocol::status::not_found);
  ask();
  ASSERT_TRUE(answered(2));
  EXPECT_EQ(answer(2).end, protocol::status::not_found);
  finish_load(0);
  EXPECT_FALSE(is_unused()) << "its batch runs";
  EXPECT_TRUE(devices_[0].evicted.empty());
  finish_run(0);
  ASSERT_TRUE(answered(0));
  EXPECT_EQ(answer(0).end, protocol::status::ok);
  ASSERT_EQ(devices_[0].evicted.size(), 1u);
  EXPECT_EQ(devices_[0].evicted[0].model.value, 1u);
  EXPECT_TRUE(is_unused());
}

TEST_F(Scheduler, LetsGoOfAModelThatNobodyAsksForAtOnce) {
  remove(1);
  EXPECT_TRUE(is_unused());
  publish(2); // takes the place of the first in the tables
  join(0, 1);
  ask(10 * second_us, 2);
  ASSERT_EQ(devices_[0].loads.size(), 1u);
  EXPECT_EQ(devices_[0].loads.front().first.model.value, 2u);
  finish_load(0);
  finish_run(0);
  EXPECT_EQ(answer(0).end, protocol::status::ok);
}

TEST_F(Scheduler, AModelIsFreeWhenTheDeviceThatHasItIsLost) {
  join(0, 1);
  ask();
  finish_load(0);
  remove(1);
  EXPECT_FALSE(is_unused());
  lose(0, 1);
  ASSERT_TRUE(answered(0));
  EXPECT_EQ(answer(0).end, protocol::status::not_found);
  EXPECT_TRUE(is_unused());
}

TEST_F(Scheduler, ShardsOfAModelThatIsTakenBackStayWhereAnotherHasThem) {
  publish(2, 1); // the same bytes
  join(0, 1);
  ask();
  finish_load(0);
  finish_run(0);
  remove(1);
  EXPECT_TRUE(is_unused());
  ask(10 * second_us, 2);
  finish_load(0);
  finish_run(0);
  EXPECT_EQ(answer(1).end, protocol::status::ok);
}

TEST_F(Scheduler, DoesNotEvictWhatIsInUse) {
  join(0, 1);
  ask();
  finish_load(0);
  const auto name = std::string("worker-0/host0"), model = std::string("acme/m@1");
  const auto busy = world_.ask<uint64_t>(scheduler_, second_us, protocol::evict_atom_v, name, model);
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, core::errc::busy);
  finish_run(0);
  const auto freed = world_.ask<uint64_t>(scheduler_, second_us, protocol::evict_atom_v, name, model);
  ASSERT_TRUE(freed.has_value());
  EXPECT_EQ(*freed, 4096u);
}

TEST_F(Scheduler, DecidesOnceUponAllThatWaits) {
  join(0, 1);
  const auto before = metric("fastptm_scheduler_decisions_total");
  for (int i = 0; i < 3; ++i) send_request();
  world_.run();
  EXPECT_EQ(metric("fastptm_scheduler_decisions_total"), before + 1);
  EXPECT_EQ(metric("fastptm_scheduler_decision_seconds_count"), before + 1);
  EXPECT_EQ(metric("fastptm_scheduler_arrivals_total"), 3u);
  finish_load(0);
  ASSERT_FALSE(devices_[0].runs.empty());
  EXPECT_EQ(devices_[0].runs.front().first.inputs, 3u) << "one batch of all";
}

TEST_F(Scheduler, CountsWhatIsQueued) {
  for (int i = 0; i < 3; ++i) ask();
  EXPECT_EQ(metric("fastptm_requests_queued"), 3u);
  join(0, 1);
  EXPECT_EQ(metric("fastptm_requests_queued"), 0u);
  EXPECT_EQ(metric("fastptm_loads_total"), 1u);
  lose(0, 1);
  EXPECT_EQ(metric("fastptm_requests_queued"), 3u);
  EXPECT_EQ(metric("fastptm_requests_requeued_total"), 3u);
}

TEST_F(Scheduler, WhatIsCancelledLeavesTheQueueAndWhatRunsGoesOn) {
  join(0, 1);
  ask(); // runs
  finish_load(0);
  ask(); // waits
  ask();
  EXPECT_EQ(metric("fastptm_requests_queued"), 2u);
  for (const uint64_t ticket : {1, 2}) caf::anon_send(scheduler_, protocol::cancel_atom_v, core::tenant_id{0}, ticket);
  world_.run();
  EXPECT_EQ(metric("fastptm_requests_queued"), 1u);
  EXPECT_EQ(metric("fastptm_requests_cancelled_total"), 2u);
  EXPECT_TRUE(answered(1));
  EXPECT_FALSE(answered(2));
  finish_run(0); // of the first, cancelled while it ran
  ASSERT_EQ(devices_[0].runs.size(), 1u);
  EXPECT_EQ(devices_[0].runs.front().first.inputs, 1u);
  finish_run(0);
  EXPECT_EQ(answer(2).end, protocol::status::ok);
}

TEST_F(Scheduler, CountsEventsThatCannotBe) {
  join(0, 1);
  const auto freed = world_.ask<uint64_t>(scheduler_, second_us, protocol::evict_atom_v, std::string("worker-0/host0"),
                                          std::string("acme/m@1"));
  ASSERT_TRUE(freed) << "the device is asked although the core knows of no such set";
  EXPECT_EQ(metric("fastptm_scheduler_events_rejected_total{reason=\"stale\"}"), 1u);
}

TEST_F(Scheduler, ExplainsWhereAModelIs) {
  publish(2);
  join(0, 1);
  const auto why = [this](const std::string& model) {
    return world_.ask<protocol::explanation>(scheduler_, second_us, protocol::explain_atom_v, model);
  };
  EXPECT_EQ(why("acme/gone@1").error().code, core::errc::not_found);
  const auto idle = why("acme/m@1");
  ASSERT_TRUE(idle.has_value());
  ASSERT_EQ(idle->devices.size(), 1u);
  EXPECT_EQ(idle->strategy, "dxv");
  EXPECT_EQ(idle->tenant.name, "acme");
  EXPECT_EQ(idle->devices[0].device, "worker-0/host0");
  EXPECT_EQ(idle->devices[0].against, "nothing_waits");
  EXPECT_GT(idle->devices[0].missing_bytes, 0u);
  ask();
  const auto loading = why("acme/m@1");
  ASSERT_TRUE(loading.has_value());
  EXPECT_TRUE(loading->devices[0].is_loading);
  EXPECT_EQ(loading->devices[0].loading.reason, protocol::load_reason::request);
  EXPECT_GT(loading->devices[0].loading.remaining_us, 0);
  EXPECT_GT(loading->tenant.service_us, 0u);
  finish_load(0);
  ask();
  const auto waiting = why("acme/m@1");
  ASSERT_TRUE(waiting.has_value());
  EXPECT_TRUE(waiting->devices[0].resident);
  EXPECT_EQ(waiting->queued, 1u);
  EXPECT_EQ(waiting->head_remaining_us, 10 * second_us);
  EXPECT_TRUE(waiting->devices[0].has_value);
  EXPECT_EQ(waiting->devices[0].against, "lane_busy");
}

TEST_F(Scheduler, ListsQueuesLoadsAndLanes) {
  const auto plans = [this] {
    return world_.ask<protocol::plan_list>(scheduler_, second_us, protocol::plans_atom_v)
        .value_or(protocol::plan_list());
  };
  ask();
  const auto homeless = plans();
  ASSERT_EQ(homeless.queues.size(), 1u);
  EXPECT_EQ(homeless.queues[0].model, "acme/m@1");
  EXPECT_EQ(homeless.queues[0].queued, 1u);
  EXPECT_TRUE(homeless.devices.empty());
  join(0, 1);
  const auto loading = plans();
  EXPECT_TRUE(loading.queues.empty());
  ASSERT_EQ(loading.devices.size(), 1u);
  ASSERT_EQ(loading.devices[0].loads.size(), 1u);
  EXPECT_EQ(loading.devices[0].loads[0].model, "acme/m@1");
  EXPECT_EQ(loading.devices[0].loads[0].reason, protocol::load_reason::request);
  ASSERT_EQ(loading.devices[0].lanes.size(), 1u);
  EXPECT_EQ(loading.devices[0].lanes[0].model, "acme/m@1");
  EXPECT_EQ(loading.devices[0].lanes[0].requests, 1u);
  finish_load(0);
  finish_run(0);
  const auto idle = plans();
  EXPECT_TRUE(idle.devices[0].loads.empty());
  EXPECT_EQ(idle.devices[0].lanes[0].model, "");
}

class SmallScheduler : public Scheduler {
protected:
  SmallScheduler() : Scheduler(2) {}
};

TEST_F(SmallScheduler, AnswersWhatTheCoreRejectsAmongOthers) {
  for (int i = 0; i < 4; ++i) send_request();
  world_.run();
  EXPECT_FALSE(answered(0));
  EXPECT_FALSE(answered(1));
  ASSERT_TRUE(answered(2));
  ASSERT_TRUE(answered(3));
  EXPECT_NE(answer(2).end, protocol::status::ok);
  EXPECT_EQ(metric("fastptm_requests_queued"), 2u);
  join(0, 1);
  finish_load(0);
  finish_run(0);
  EXPECT_EQ(answer(0).end, protocol::status::ok);
  EXPECT_EQ(answer(1).end, protocol::status::ok);
}

TEST_F(Scheduler, AnswersEverybodyWhenItStops) {
  ask();
  caf::anon_send(scheduler_, protocol::stop_atom_v);
  world_.run();
  ASSERT_TRUE(answered(0));
  EXPECT_EQ(answer(0).end, protocol::status::unavailable);
}

} // namespace
} // namespace fastptm::actors
