// States of a plan's sources, and chunks that a slow one has and a good one is asked for, too.
#include <deque>

#include <gtest/gtest.h>

#include "policy/fetch_plan.hpp"
#include "tests/policy/plan_steps.hpp"
#include "tests/policy/simulated_links.hpp"

namespace fastptm::policy {

namespace {

using namespace tests;

// -- states of sources ------------------------------------------------------------------------------------------------

TEST(FetchPlan, WaitsForABusySourceUntilItsTimeOrACompletion) {
  fetch_plan plan({}, std::vector<uint64_t>{8 * chunk});
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto taken = take_all(plan);
  ASSERT_EQ(taken.size(), 4u);
  plan.on_failed(taken[3], fetch_failure::busy, 100);
  EXPECT_EQ(plan.state(0), source_state::busy);
  EXPECT_FALSE(plan.next(100)) << "it was just refused";
  EXPECT_TRUE(plan.starved_shards().empty()) << "who is busy is no reason to look for others";
  plan.on_landed(taken[0], 200);
  EXPECT_EQ(plan.state(0), source_state::good);
  const auto again = *plan.next(200);
  EXPECT_EQ(again.chunk, 3u) << "in layer order";
  plan.on_failed(again, fetch_failure::busy, 300);
  const auto at_us = plan.next_look_us();
  EXPECT_GT(at_us, 300);
  EXPECT_TRUE(plan.look(at_us - 1).empty());
  EXPECT_FALSE(plan.next(at_us - 1));
  plan.look(at_us);
  EXPECT_EQ(plan.next(at_us)->chunk, 3u);
}

TEST(FetchPlan, AsksABusySourceLessAndLessOften) {
  fetch_plan plan({}, std::vector<uint64_t>{chunk});
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  core::time_us now = 0;
  int asked = 0;
  while (now < 1'000'000) {
    while (const auto next = plan.next(now)) {
      ++asked;
      plan.on_failed(*next, fetch_failure::busy, now);
    }
    ASSERT_GT(plan.next_look_us(), now);
    now = plan.next_look_us();
    plan.look(now);
  }
  EXPECT_LE(asked, 20);
  EXPECT_EQ(plan.state(0), source_state::good) << "it is asked for as long as the load has time";
}

TEST(FetchPlan, AsksAgainWhenTheTransportHasRoomWhoeverMadeIt) {
  fetch_plan plan({}, std::vector<uint64_t>{8 * chunk});
  const auto first = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto second = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto taken = take_all(plan);
  ASSERT_EQ(taken.size(), 8u);
  for (const auto& one : taken)
    if (one.source == second) plan.on_failed(one, fetch_failure::busy_here, 10);
  EXPECT_FALSE(plan.next(10));
  for (const auto& one : taken)
    if (one.source == first) {
      plan.on_landed(one, 20);
      break;
    }
  EXPECT_EQ(plan.state(second), source_state::good);
}

TEST(FetchPlan, AsksASlowSourceOnlyForWhatNoGoodOneHas) {
  fetch_plan plan({}, std::vector<uint64_t>{chunk, chunk, 8 * chunk});
  const auto slow = plan.add_source(source_kind::peer_device, gigabyte_per_s);
  plan.add_holding(slow, 0);
  const auto first = *plan.next(0);
  plan.look(plan.next_look_us());
  EXPECT_EQ(plan.state(slow), source_state::slow);
  plan.add_holding(slow, 1);
  plan.add_holding(slow, 2);
  const auto good = plan.add_source(source_kind::peer_device, gigabyte_per_s / 10);
  plan.add_holding(good, 2);
  const auto taken = take_all(plan, 60'000);
  ASSERT_EQ(taken.size(), 5u);
  for (const auto& one : taken) EXPECT_EQ(one.source, one.shard == 1 ? slow : good);
  plan.on_landed(first, 61'000);
  EXPECT_EQ(plan.state(slow), source_state::good);
  EXPECT_EQ(plan.next(61'000)->source, slow);
}

TEST(FetchPlan, TriesAHungSourceAgainAfterAWhileWithOneChunkAtATime) {
  fetch_plan_options options;
  fetch_plan plan(options, std::vector<uint64_t>{100 * chunk});
  const auto hung = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto taken = take_all(plan);
  for (const auto& one : taken)
    if (one.source == hung) plan.on_failed(one, fetch_failure::silent, 1000);
  EXPECT_EQ(plan.state(hung), source_state::hung);
  EXPECT_FALSE(plan.next(1000)) << "the window of the other is full";
  EXPECT_EQ(plan.next_look_us(), 50'000) << "when the other would have become slow";
  plan.look(1000 + options.rest_us);
  const auto tried = take_all(plan, 1000 + options.rest_us);
  ASSERT_EQ(tried.size(), 1u);
  EXPECT_EQ(tried[0].source, hung);
  plan.on_landed(tried[0], 1005 + options.rest_us);
  EXPECT_EQ(take_all(plan, 1005 + options.rest_us).size(), 4u) << "it has shown that it is well";
}

TEST(FetchPlan, GivesUpASourceThatHangsAgainAndAgain) {
  fetch_plan plan({}, std::vector<uint64_t>{8 * chunk});
  const auto hung = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  core::time_us now = 0;
  for (int chance = 0; chance < 3; ++chance) {
    EXPECT_EQ(plan.starved_shards().empty(), chance == 0);
    EXPECT_EQ(plan.give_second_chances(), chance > 0);
    for (const auto& one : take_all(plan, ++now)) plan.on_failed(one, fetch_failure::silent, ++now);
  }
  EXPECT_FALSE(plan.give_second_chances());
  EXPECT_TRUE(plan.is_lost(hung));
  plan.look(now + 100'000'000);
  EXPECT_TRUE(plan.is_lost(hung));
}

TEST(FetchPlan, LeavesASourceThatCrawls) {
  fetch_plan_options options;
  fetch_plan plan(options, std::vector<uint64_t>{8 * chunk});
  const auto source = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto taken = take_all(plan);
  plan.on_landed(taken[0], 1000);
  EXPECT_TRUE(plan.look(1000 + options.crawl_us - 1).empty());
  EXPECT_EQ(plan.look(1000 + options.crawl_us), std::vector<uint32_t>{source});
  EXPECT_EQ(plan.state(source), source_state::out);
  for (size_t i = 1; i < taken.size(); ++i) plan.on_failed(taken[i], fetch_failure::cancelled, 20'000'000);
  EXPECT_FALSE(plan.next(20'000'000));
  EXPECT_FALSE(plan.give_second_chances());
  EXPECT_EQ(plan.starved_shards(), std::vector<uint32_t>{0});
}

TEST(FetchPlan, BlamesASourceForTornChunksOnlyAfterAFewOfThem) {
  fetch_plan plan({}, std::vector<uint64_t>{chunk});
  const auto source = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  for (int i = 0; i < 4; ++i) {
    const auto one = plan.next(i);
    ASSERT_TRUE(one);
    plan.on_landed(*one, i);
    plan.on_bad(*one, fetch_failure::torn);
    EXPECT_FALSE(plan.is_lost(source));
  }
  const auto last = *plan.next(10);
  plan.on_landed(last, 10);
  plan.on_bad(last, fetch_failure::torn);
  EXPECT_EQ(plan.state(source), source_state::liar);
}

TEST(FetchPlan, ForgetsNeitherALieNorAnEnd) {
  for (const auto last : {source_state::liar, source_state::out}) {
    fetch_plan plan({}, std::vector<uint64_t>{4 * chunk});
    const auto source = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
    const auto taken = take_all(plan);
    plan.on_landed(taken[0], 1);
    if (last == source_state::liar)
      plan.on_bad(taken[0]);
    else
      plan.on_failed(taken[1], fetch_failure::source, 1);
    plan.on_failed(taken[2], fetch_failure::silent, 2);
    plan.on_failed(taken[3], fetch_failure::busy, 3);
    EXPECT_EQ(plan.state(source), last);
    plan.look(100'000'000);
    plan.give_second_chances();
    EXPECT_EQ(plan.state(source), last);
  }
}

// -- hedges -----------------------------------------------------------------------------------------------------------

// Two holders of one shard; the first one has become slow with the last chunk of it.
struct HedgedPlan : testing::Test {
  HedgedPlan() {
    add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
    original = *plan.next(0);
    EXPECT_FALSE(plan.next(0));
    add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
    plan.look(slow_at_us);
    EXPECT_EQ(plan.state(0), source_state::slow);
    hedge = *plan.next(slow_at_us);
    EXPECT_EQ(plan.in_flight(), 2u);
  }
  static constexpr core::time_us slow_at_us = 50'000;
  fetch_plan plan{{}, std::vector<uint64_t>{chunk}};
  chunk_fetch original, hedge;
};

TEST_F(HedgedPlan, AsksAnotherForWhatASlowSourceHasIntoABuffer) {
  EXPECT_FALSE(original.hedge);
  EXPECT_EQ(hedge.hedge, 0u);
  EXPECT_EQ(hedge.source, 1u);
  EXPECT_EQ(hedge.chunk, original.chunk);
  EXPECT_FALSE(plan.next(slow_at_us)) << "once is enough";
}

TEST_F(HedgedPlan, TakesTheOriginalWhenItLandsFirst) {
  EXPECT_TRUE(plan.is_hedged(original));
  EXPECT_EQ(plan.on_landed(original, 60'000), chunk_place::target);
  EXPECT_EQ(plan.on_failed(hedge, fetch_failure::cancelled, 60'000), chunk_place::elsewhere);
  EXPECT_TRUE(plan.on_verified(original));
  EXPECT_TRUE(plan.done());
  EXPECT_EQ(plan.in_flight(), 0u);
}

TEST_F(HedgedPlan, HasNoUseForAHedgeThatLandsAfterTheOriginal) {
  plan.on_landed(original, 60'000);
  EXPECT_EQ(plan.on_landed(hedge, 60'000), chunk_place::elsewhere);
  EXPECT_TRUE(plan.on_verified(original));
}

TEST_F(HedgedPlan, TakesTheHedgeWhenNobodyWritesIntoTheTargetAnyMore) {
  EXPECT_EQ(plan.on_landed(hedge, 60'000), chunk_place::elsewhere);
  EXPECT_EQ(plan.on_failed(original, fetch_failure::cancelled, 61'000), chunk_place::buffer);
  EXPECT_EQ(plan.hedge_of(original).source, hedge.source);
  EXPECT_EQ(plan.state(0), source_state::good) << "nothing is left that it would have to bring";
  EXPECT_TRUE(plan.on_verified(hedge));
  EXPECT_TRUE(plan.done());
}

TEST_F(HedgedPlan, TakesTheOriginalWhenItLandsAfterAllBeforeTheHedgeWasUsed) {
  plan.on_landed(hedge, 60'000);
  EXPECT_EQ(plan.on_landed(original, 61'000), chunk_place::target);
  EXPECT_TRUE(plan.on_verified(original));
}

TEST_F(HedgedPlan, GoesOnWithTheHedgeWhenTheOriginalHasFailed) {
  EXPECT_EQ(plan.on_failed(original, fetch_failure::source, 60'000), chunk_place::elsewhere);
  EXPECT_TRUE(plan.starved_shards().empty());
  EXPECT_FALSE(plan.next(60'000));
  EXPECT_EQ(plan.on_landed(hedge, 61'000), chunk_place::buffer);
  EXPECT_TRUE(plan.on_verified(hedge));
}

TEST_F(HedgedPlan, AsksAgainOnlyWhenBothHaveFailed) {
  EXPECT_EQ(plan.on_failed(hedge, fetch_failure::silent, 60'000), chunk_place::elsewhere);
  EXPECT_FALSE(plan.next(60'000));
  EXPECT_EQ(plan.on_failed(original, fetch_failure::cancelled, 61'000), chunk_place::queue);
  EXPECT_EQ(plan.next(61'000)->chunk, original.chunk);
}

TEST_F(HedgedPlan, KeepsTheOriginalWhenTheHedgeIsALie) {
  EXPECT_EQ(plan.on_failed(hedge, fetch_failure::lie, 60'000), chunk_place::elsewhere);
  EXPECT_EQ(plan.state(1), source_state::liar);
  EXPECT_EQ(plan.on_landed(original, 61'000), chunk_place::target);
  EXPECT_TRUE(plan.on_verified(original));
}

TEST_F(HedgedPlan, FetchesAnewWhatIsWrongInTheBuffer) {
  plan.on_failed(original, fetch_failure::source, 60'000);
  plan.on_landed(hedge, 61'000);
  plan.on_bad(hedge);
  EXPECT_EQ(plan.state(1), source_state::liar);
  EXPECT_EQ(plan.starved_shards(), std::vector<uint32_t>{0});
}

TEST_F(HedgedPlan, FetchesAnewWhatIsWrongInTheTargetWhileAHedgeStillEnds) {
  plan.on_landed(original, 60'000);
  plan.on_bad(original);
  const auto again = *plan.next(60'000);
  EXPECT_EQ(again.source, 1u);
  EXPECT_FALSE(again.hedge);
  EXPECT_EQ(plan.on_failed(hedge, fetch_failure::cancelled, 61'000), chunk_place::elsewhere);
  EXPECT_EQ(plan.on_landed(again, 62'000), chunk_place::target);
  EXPECT_TRUE(plan.on_verified(again));
}

TEST(FetchPlan, HedgesOnlyWhatIsWantedNextAndAsManyAsThereAreBuffers) {
  fetch_plan plan({}, std::vector<uint64_t>{3 * chunk, 100 * chunk});
  const auto slow = plan.add_source(source_kind::peer_device, gigabyte_per_s);
  plan.add_holding(slow, 0);
  plan.add_holding(slow, 1);
  ASSERT_EQ(take_all(plan).size(), 4u); // the last one is of the second shard
  plan.look(50'000);
  add_full_source(plan, 2, source_kind::peer_device, gigabyte_per_s);
  const auto taken = take_all(plan, 50'000);
  ASSERT_EQ(taken.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(taken[i].hedge.has_value(), i < 2) << i;
    EXPECT_EQ(taken[i].shard, i < 2 ? 0u : 1u) << i;
  }
}

TEST(FetchPlan, DoesNotHedgeWithAHolderThatWouldNeedAsLong) {
  fetch_plan plan({}, std::vector<uint64_t>{chunk});
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  ASSERT_TRUE(plan.next(0));
  plan.look(50'000);
  add_full_source(plan, 1, source_kind::host_cache, chunk * 10); // 100 ms
  EXPECT_FALSE(plan.next(50'000));
  plan.look(60'000);
  EXPECT_EQ(plan.next_look_us(), 100'000);
  plan.look(100'000);
  EXPECT_TRUE(plan.next(100'000)->hedge);
}

// The second source hangs for a while with the last chunks of the load.
TEST(FetchPlan, EndsALoadByHedgesLongBeforeAHungSourceIsGivenUp) {
  std::vector<simulated_source> sources{{gigabyte_per_s, false}, {gigabyte_per_s, true}};
  std::deque<simulated_load> loads;
  loads.emplace_back(fetch_plan_options(), std::vector<uint64_t>{40 * chunk}, 2);
  run(sources, loads, 60'000'000);
  ASSERT_TRUE(loads[0].done_us);
  EXPECT_LT(*loads[0].done_us, 230'000) << "bytes alone need 168 ms";
  EXPECT_EQ(loads[0].late, 0u);
}

} // namespace

} // namespace fastptm::policy
