// What people are told about a decision is what the decision itself saw.
#include "policy/scheduling/explain.hpp"

#include <array>

#include <gtest/gtest.h>

#include "policy/scheduling/strategies/dxv_value.hpp"

namespace fastptm::policy::scheduling {
namespace {

constexpr uint64_t mib = 1 << 20;
constexpr duration_us second_us = 1'000'000;

// Models of 10 MiB, of the tenant with their own index; devices with room for one set each.
class Explain : public testing::Test {
protected:
  void make(options o = {}) {
    o.max_batch = 4;
    auto made = make_core(o);
    ASSERT_TRUE(made) << made.error().message;
    core = std::move(*made);
    for (uint32_t x = 0; x < 3; ++x) {
      on(tenant_added{.tenant = {x}, .share = x + 1});
      const std::array shards{shard_size{{x}, 10 * mib}};
      on(model_added{.model = {x}, .tenant = {x}, .shards = shards, .cost = {1000, 1000}});
    }
  }
  void on(const event& e) {
    ASSERT_EQ(core->on(e, now, out), rejection::none);
    for (const command& c : out.all()) {
      if (const auto* l = std::get_if<load>(&c)) loads.push_back(*l);
      if (const auto* r = std::get_if<run>(&c)) runs.push_back(*r);
    }
  }
  void join(uint32_t device, uint64_t arena_bytes = 15 * mib) {
    on(device_joined{.device = {device}, .arena_bytes = arena_bytes});
  }
  void ask(uint32_t model, duration_us within_us = second_us) {
    on(arrival{{slots, 0}, {model}, now + within_us});
    ++slots;
  }
  void finish_load(size_t i) { on(load_done{loads[i].device, loads[i].id}); }
  explanation why(uint32_t model) { return explain(*core, {model}); }
  objection_kind against(uint32_t model, size_t device = 0) { return why(model).devices[device].against.why; }

  std::unique_ptr<scheduling_core> core;
  commands out;
  time_us now = second_us;
  uint32_t slots = 0;
  std::vector<load> loads;
  std::vector<run> runs;
};

TEST_F(Explain, SaysWhatALoadWouldTakeWhereNothingWaits) {
  make();
  join(0);
  const auto told = why(1);
  ASSERT_EQ(told.devices.size(), 1u);
  const auto& terms = told.devices[0];
  EXPECT_FALSE(terms.resident);
  EXPECT_EQ(terms.missing_bytes, 10 * mib);
  EXPECT_EQ(terms.source, source_kind::host_cache);
  EXPECT_EQ(terms.load_us, core->state().load_us({1}, {0}));
  EXPECT_EQ(terms.against.why, objection_kind::nothing_waits);
  EXPECT_FALSE(terms.value);
  EXPECT_FALSE(told.head_left_us);
  EXPECT_EQ(told.tenant_share, 2u);
}

TEST_F(Explain, ShowsALoadOnItsWayAndTheTimeLeft) {
  make();
  join(0);
  ask(1);
  ASSERT_EQ(loads.size(), 1u);
  const auto whole_us = why(1).devices[0].loading_left_us;
  EXPECT_GT(whole_us, 0);
  now += 500;
  on(timer{});
  const auto terms = why(1).devices[0];
  ASSERT_TRUE(terms.loading);
  EXPECT_EQ(terms.loading->id, loads[0].id);
  EXPECT_EQ(terms.loading->reason, load_reason::request);
  EXPECT_EQ(terms.loading_left_us, whole_us - 500);
  finish_load(0);
  EXPECT_TRUE(why(1).devices[0].resident);
  EXPECT_FALSE(why(1).devices[0].loading);
}

TEST_F(Explain, ValuesAVisitAsTheDecisionDoes) {
  make();
  join(0);
  ask(1);
  finish_load(0);
  ask(1);
  ask(1);
  const auto told = why(1);
  EXPECT_EQ(told.queue.queued, 2u);
  EXPECT_EQ(told.head_left_us, second_us);
  const auto& terms = told.devices[0];
  EXPECT_EQ(terms.batch, 2u);
  EXPECT_EQ(terms.run_batch_us, core->state().execution_us({1}, {0}, 2));
  EXPECT_EQ(terms.value, visit_value(core->state(), {1}, {0}, 2, 0));
  EXPECT_EQ(terms.against.why, objection_kind::lane_busy);
  EXPECT_EQ(terms.against.for_us, terms.lane_wait_us);
}

TEST_F(Explain, NamesWhatStandsAgainstALoad) {
  make();
  join(0);
  join(1, 5 * mib);
  ask(1, 60 * second_us);
  ask(2, 60 * second_us);
  EXPECT_EQ(against(2, 0), objection_kind::no_room) << "the set of the running batch is in use";
  EXPECT_EQ(against(2, 1), objection_kind::too_large);
  on(device_cordoned{{0}, true});
  EXPECT_EQ(against(1, 0), objection_kind::cordoned);
  EXPECT_EQ(against(2, 0), objection_kind::cordoned);
}

TEST_F(Explain, CountsDownToTheNextTryOfALoad) {
  make();
  join(0);
  join(1);
  ask(1, 60 * second_us);
  on(load_failed{loads[0].device, loads[0].id, load_error::does_not_fit});
  const auto barred = why(1).devices[loads[0].device.value].against;
  EXPECT_EQ(barred.why, objection_kind::did_not_fit);
  EXPECT_GT(barred.for_us, 0);
  ASSERT_EQ(loads.size(), 2u) << "the other device was not tried";
  on(load_failed{loads[1].device, loads[1].id, load_error::failed});
  const auto failed = why(1).devices[loads[1].device.value].against;
  EXPECT_EQ(failed.why, objection_kind::load_failed);
  now += failed.for_us;
  on(timer{});
  EXPECT_EQ(loads.size(), 3u) << "the time told was not the time";
}

TEST_F(Explain, ShowsThatAHolderIsSooner) {
  make();
  join(0);
  ask(1, 60 * second_us);
  finish_load(0);
  now += 5000; // The batch ends soon.
  join(1);
  ask(1, 60 * second_us);
  EXPECT_EQ(runs.size(), 1u);
  EXPECT_EQ(against(1, 0), objection_kind::lane_busy);
  EXPECT_EQ(against(1, 1), objection_kind::holder_is_sooner);
  EXPECT_EQ(why(1).devices[1].source, source_kind::peer_device);
}

TEST_F(Explain, ShowsUntilWhenALoadIsHeld) {
  options o;
  o.hold = 1.0;
  make(o);
  join(0);
  ask(1, 60 * second_us);
  EXPECT_TRUE(loads.empty());
  const auto held = why(1).devices[0].against;
  ASSERT_EQ(held.why, objection_kind::load_held);
  now += held.for_us;
  on(timer{});
  EXPECT_EQ(loads.size(), 1u) << "the time told was not the time";
}

TEST_F(Explain, ShowsATenantAheadOfItsShare) {
  options o;
  o.fair_window_us = 0;
  make(o);
  join(0);
  for (int i = 0; i < 9; ++i) ask(1, 60 * second_us);
  ask(2, 60 * second_us);
  finish_load(0);
  on(batch_done{runs[0].device, runs[0].id, 0}); // The lane stays with its model: its tenant pays.
  const auto told = why(1);
  EXPECT_TRUE(told.tenant_ahead);
  EXPECT_GT(told.tenant_service_us, 0);
  EXPECT_EQ(told.devices[0].against.why, objection_kind::tenant_ahead);
  EXPECT_FALSE(why(2).tenant_ahead);
}

TEST_F(Explain, ShowsThatWhatWaitsIsLateAlready) {
  make();
  join(0);
  ask(1, 60 * second_us);
  ask(2, 10);
  EXPECT_EQ(why(2).queue.late, 1u);
  on(device_lost{{0}});
  join(1);
  EXPECT_EQ(why(2).devices[0].device.value, 1u) << "a lost device has no terms";
}

TEST_F(Explain, LeavesOutTheValueWhereAStrategyHasNone) {
  for (const auto name : strategy_names()) {
    if (name == "dxv") continue;
    options o;
    o.strategy = name;
    slots = 0;
    loads.clear();
    make(o);
    join(0);
    for (int i = 0; i < 3; ++i) ask(1, 60 * second_us);
    const auto told = why(1);
    EXPECT_FALSE(told.devices[0].value) << name;
    EXPECT_GT(told.devices[0].run_one_us, 0) << name;
    const auto running = runs.empty() ? 0 : runs.back().count;
    EXPECT_EQ(told.queue.queued + running, 3u) << name << " hides requests";
    runs.clear();
  }
}

TEST_F(Explain, WorksAtADistanceToo) {
  make();
  for (uint32_t d = 0; d < 40; ++d) join(d);
  ask(1, 60 * second_us);
  ASSERT_EQ(loads.size(), 1u);
  for (int i = 0; i < 3; ++i) ask(1, 60 * second_us);
  const auto told = why(1);
  ASSERT_EQ(told.devices.size(), 40u);
  EXPECT_TRUE(told.devices[0].value);
  for (const auto& terms : told.devices)
    EXPECT_EQ(terms.against.why == objection_kind::holder_is_sooner, terms.device != loads[0].device);
}

} // namespace
} // namespace fastptm::policy::scheduling
