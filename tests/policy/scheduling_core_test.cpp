// What every strategy gets from the core: events that cannot be true are refused, and nothing is ever lost.
#include "policy/scheduling/core.hpp"

#include <gtest/gtest.h>

#include "policy/scheduling/board.hpp"

namespace fastptm::policy::scheduling {

namespace {

// A core with one device of two sets, three models of one set each.
class Core : public testing::TestWithParam<std::string_view> {
protected:
  void SetUp() override {
    options o;
    o.strategy = GetParam();
    o.max_batch = 4;
    o.late_patience_us = 1'000'000;
    auto made = make_core(o);
    ASSERT_TRUE(made) << made.error().message;
    core = std::move(*made);
    for (uint32_t x = 0; x < 3; ++x) {
      const std::array shards{shard_size{{x}, 100}};
      ASSERT_EQ(on(model_added{.model = {x}, .shards = shards, .cost = {1000, 1000}}), rejection::none);
    }
    join(0);
  }
  rejection on(const event& e) {
    const rejection r = core->on(e, now, out);
    for (const command& c : out.all()) {
      if (const auto* l = std::get_if<load>(&c)) loads.push_back(*l);
      if (const auto* b = std::get_if<run>(&c)) runs.push_back(*b);
      if (const auto* f = std::get_if<refuse>(&c)) refusals.push_back(*f);
    }
    return r;
  }
  void join(uint32_t device) { ASSERT_EQ(on(device_joined{.device = {device}, .arena_bytes = 200}), rejection::none); }
  rejection ask(uint32_t slot, uint32_t model, uint32_t generation = 0) {
    return on(arrival{{slot, generation}, {model}, now + 10'000'000});
  }

  std::unique_ptr<scheduling_core> core;
  commands out;
  time_us now = 1000;
  std::vector<load> loads;
  std::vector<run> runs;
  std::vector<refuse> refusals;
};

TEST_P(Core, LoadsRunsAndFinishesARequest) {
  ASSERT_EQ(ask(0, 1), rejection::none);
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(loads[0].model, model_index{1});
  now += 100;
  ASSERT_EQ(on(load_done{loads[0].device, loads[0].id}), rejection::none);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_TRUE(core->holds({0, 0}));
  now += 100;
  ASSERT_EQ(on(batch_done{runs[0].device, runs[0].id, 50}), rejection::none);
  EXPECT_FALSE(core->holds({0, 0}));
  EXPECT_EQ(core->counters().finished, 1u);
  ASSERT_EQ(ask(0, 1, 1), rejection::none) << "the slot is free again";
  EXPECT_EQ(loads.size(), 1u) << "the set is resident";
  EXPECT_EQ(runs.size(), 2u);
}

TEST_P(Core, RejectsWhatCannotBe) {
  EXPECT_EQ(ask(0, 9), rejection::unknown_model);
  ASSERT_EQ(ask(0, 0), rejection::none);
  EXPECT_EQ(ask(0, 0), rejection::duplicate);
  EXPECT_EQ(ask(0, 0, 1), rejection::duplicate);
  EXPECT_EQ(on(cancelled{{0, 7}}), rejection::unknown_request);
  EXPECT_EQ(on(cancelled{{5, 0}}), rejection::unknown_request);
  EXPECT_EQ(on(load_done{{0}, {99}}), rejection::stale);
  EXPECT_EQ(on(load_done{{4}, {1}}), rejection::unknown_device);
  EXPECT_EQ(on(load_failed{{0}, {99}}), rejection::stale);
  EXPECT_EQ(on(batch_done{{0}, {0}}), rejection::stale);
  EXPECT_EQ(on(batch_done{{0}, {77}}), rejection::stale);
  EXPECT_EQ(on(batch_failed{{9}, {1}}), rejection::unknown_device);
  EXPECT_EQ(on(set_evicted{{0}, {2}}), rejection::stale);
  EXPECT_EQ(on(device_joined{.device = {0}, .arena_bytes = 5}), rejection::duplicate);
  EXPECT_EQ(on(device_joined{.device = {1}, .arena_bytes = 0}), rejection::absurd);
  EXPECT_EQ(on(device_joined{.device = {1}, .arena_bytes = 5, .kind = 1u << 20}), rejection::absurd);
  EXPECT_EQ(on(device_lost{{3}}), rejection::unknown_device);
  EXPECT_EQ(on(model_added{.model = {0}, .shards = std::array{shard_size{{0}, 1}}}), rejection::duplicate);
  EXPECT_EQ(on(model_added{.model = {5}}), rejection::absurd);
  EXPECT_EQ(on(model_added{.model = {5}, .shards = std::array{shard_size{{0}, 1}}, .cost = {0, 0}}), rejection::absurd);
  EXPECT_EQ(core->counters().rejected[static_cast<size_t>(rejection::stale)], 5u);
  now = 0;
  EXPECT_EQ(on(timer{}), rejection::none);
  EXPECT_EQ(core->counters().clock_went_back, 1u);
}

TEST_P(Core, CountsACompletionOnce) {
  ASSERT_EQ(ask(0, 0), rejection::none);
  ASSERT_EQ(on(load_done{{0}, loads[0].id}), rejection::none);
  EXPECT_EQ(on(load_done{{0}, loads[0].id}), rejection::stale);
  ASSERT_EQ(on(batch_done{{0}, runs[0].id}), rejection::none);
  EXPECT_EQ(on(batch_done{{0}, runs[0].id}), rejection::stale);
  EXPECT_EQ(core->counters().finished, 1u);
}

TEST_P(Core, TakesRequestsOfALostDeviceBackTwiceThenGivesUp) {
  ASSERT_EQ(ask(0, 0), rejection::none);
  for (int attempt = 0; attempt < 3; ++attempt) {
    ASSERT_EQ(on(load_done{{0}, loads.back().id}), rejection::none);
    ASSERT_EQ(runs.size(), static_cast<size_t>(attempt + 1));
    EXPECT_TRUE(refusals.empty());
    now += 10;
    const core::batch_id lost = runs.back().id;
    ASSERT_EQ(on(device_lost{{0}}), rejection::none);
    EXPECT_EQ(on(batch_done{{0}, lost}), rejection::unknown_device);
    join(0);
    EXPECT_EQ(on(batch_done{{0}, lost}), rejection::stale) << "a new life of the device";
  }
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_EQ(refusals[0].reason, refusal::unavailable);
  EXPECT_FALSE(core->holds({0, 0}));
}

TEST_P(Core, TriesAFailedLoadAgain) {
  ASSERT_EQ(ask(0, 0), rejection::none);
  ASSERT_EQ(loads.size(), 1u);
  ASSERT_EQ(on(load_failed{{0}, loads[0].id}), rejection::none);
  for (int i = 0; i < 20 && loads.size() < 2; ++i) {
    now += 50'000;
    ASSERT_EQ(on(timer{}), rejection::none);
  }
  ASSERT_EQ(loads.size(), 2u);
  ASSERT_EQ(on(load_done{{0}, loads[1].id}), rejection::none);
  ASSERT_FALSE(runs.empty());
  ASSERT_EQ(on(batch_done{{0}, runs.back().id}), rejection::none);
  EXPECT_EQ(core->counters().finished + core->counters().refused, 1u);
}

TEST_P(Core, SleepsWhenAllThatWaitedWasCancelled) {
  ASSERT_EQ(on(device_lost{{0}}), rejection::none);
  ASSERT_EQ(ask(0, 0), rejection::none);
  ASSERT_EQ(on(cancelled{{0, 0}}), rejection::none);
  now += 1'000'000;
  on(timer{});
  for (const command& c : out.all()) EXPECT_FALSE(std::holds_alternative<set_timer>(c)) << "nobody waits for anything";
}

TEST_P(Core, ForgetsACancelledRequest) {
  ASSERT_EQ(ask(0, 0), rejection::none);
  ASSERT_EQ(on(load_done{{0}, loads[0].id}), rejection::none);
  ASSERT_EQ(runs.size(), 1u);
  ASSERT_EQ(ask(1, 0), rejection::none);
  ASSERT_EQ(ask(2, 0), rejection::none);
  ASSERT_EQ(on(cancelled{{1, 0}}), rejection::none);
  EXPECT_FALSE(core->holds({1, 0}));
  ASSERT_EQ(on(cancelled{{0, 0}}), rejection::none);
  EXPECT_TRUE(core->holds({0, 0})) << "it runs: the slot is in use until its batch is over";
  ASSERT_EQ(on(batch_done{{0}, runs[0].id}), rejection::none);
  ASSERT_EQ(runs.size(), 2u);
  ASSERT_EQ(out.requests_of(runs[1]).size(), 1u);
  EXPECT_EQ(out.requests_of(runs[1])[0], (request_ref{2, 0}));
}

TEST_P(Core, RefusesWhatFitsNowhereAndWhatWaitsForADeviceThatNeverComes) {
  ASSERT_EQ(on(model_added{.model = {7}, .shards = std::array{shard_size{{7}, 500}}}), rejection::none);
  ASSERT_EQ(ask(0, 7), rejection::none);
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_EQ(refusals[0].reason, refusal::unservable);
  ASSERT_EQ(on(device_lost{{0}}), rejection::none);
  ASSERT_EQ(ask(0, 0, 1), rejection::none);
  for (int i = 0; i < 20; ++i) {
    now += 1'000'000;
    on(timer{});
  }
  ASSERT_EQ(refusals.size(), 2u);
  EXPECT_EQ(refusals[1].reason, refusal::unavailable);
}

TEST_P(Core, RefusesTheRequestsOfARemovedModelAndDropsItsSets) {
  ASSERT_EQ(ask(0, 0), rejection::none);
  ASSERT_EQ(on(load_done{{0}, loads[0].id}), rejection::none);
  ASSERT_EQ(ask(1, 0), rejection::none);
  ASSERT_EQ(on(model_removed{{0}}), rejection::none);
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_EQ(refusals[0].request.slot, 1u);
  EXPECT_EQ(on(model_added{.model = {0}, .shards = std::array{shard_size{{0}, 1}}}), rejection::duplicate);
  ASSERT_EQ(on(batch_done{{0}, runs[0].id}), rejection::none);
  bool evicted = false;
  for (const command& c : out.all()) evicted |= std::holds_alternative<evict>(c);
  EXPECT_TRUE(evicted);
  EXPECT_EQ(on(model_added{.model = {0}, .shards = std::array{shard_size{{0}, 1}}}), rejection::none);
}

INSTANTIATE_TEST_SUITE_P(EveryStrategy, Core, testing::ValuesIn(strategy_names()),
                         [](const auto& tested) { return std::string(tested.param); });

} // namespace

// The size of a batch where eight requests wait, by what running them takes.
uint32_t batch_of_eight(const execution_cost& cost, core::duration_us max_batch_us) {
  options o;
  o.max_batch_us = max_batch_us;
  auto core = std::move(*make_core(o));
  commands out;
  const std::array shards{shard_size{{0}, 100}};
  core->on(model_added{.model = {0}, .shards = shards, .cost = cost}, 1, out);
  core->on(device_joined{.device = {0}, .arena_bytes = 200}, 1, out);
  for (uint32_t slot = 0; slot < 8; ++slot) core->on(arrival{{slot, 0}, {0}, 10'000'000}, 1, out);
  core->on(load_done{{0}, core::load_id{1}}, 100, out);
  const auto lane = core->state().lane(lane_index{0});
  // Whatever runs first was decided before the last one came.
  core->on(batch_done{{0}, lane.batch, cost.base_us + lane.count * cost.each_us}, 20'000, out);
  EXPECT_EQ(core->state().lane(lane_index{0}).count, std::min(core->state().batch_of({0}, {0}, 8), 8 - lane.count));
  return core->state().batch_of({0}, {0}, 8);
}

TEST(Batches, AreAsLargeAsCanBeWhereTheirTimeHasNoBound) {
  EXPECT_EQ(batch_of_eight({1'000, 15'000}, 0), 8u);
}

TEST(Batches, ThatPayMayTakeTheirWholeTime) {
  EXPECT_EQ(batch_of_eight({9'000, 500}, 100'000), 8u) << "13 ms instead of 76";
  EXPECT_EQ(batch_of_eight({90'000, 2'000}, 100'000), 5u) << "eight would take 106 ms";
}

TEST(Batches, ThatGainLittleAreShort) {
  EXPECT_EQ(batch_of_eight({0, 12'000}, 100'000), 1u) << "two would take 24 ms";
  EXPECT_EQ(batch_of_eight({1'000, 2'000}, 100'000), 8u) << "they are short anyway";
  EXPECT_EQ(batch_of_eight({0, 5'000}, 100'000), 4u) << "four take a fifth of what a batch may take";
}

TEST(Batches, HaveARequestHoweverLongItTakes) {
  EXPECT_EQ(batch_of_eight({0, 400'000}, 100'000), 1u);
}

TEST(MakeCore, NamesTheKnobThatIsWrong) {
  options o;
  o.strategy = "fastest";
  EXPECT_NE(make_core(o).error().message.find("affinity"), std::string::npos);
  o.strategy = "affinity";
  o.max_batch = 0;
  EXPECT_NE(make_core(o).error().message.find("max_batch"), std::string::npos);
}

} // namespace fastptm::policy::scheduling
