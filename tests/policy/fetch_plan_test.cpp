// Which chunk comes from where: order, windows, preference, failure.
#include "policy/fetch_plan.hpp"

#include <deque>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/policy/plan_steps.hpp"

namespace fastptm::policy {

namespace {

using namespace tests;

TEST(FetchPlan, AsksInLayerOrderAndFillsTheWindow) {
  fetch_plan plan({}, std::vector<uint64_t>{chunk + 1, 2 * chunk, 3 * chunk});
  add_full_source(plan, 3, source_kind::peer_device, gigabyte_per_s);
  const auto taken = take_all(plan);
  ASSERT_EQ(taken.size(), 4u);
  EXPECT_EQ(taken[0].shard, 0u);
  EXPECT_EQ(taken[1].shard, 0u);
  EXPECT_EQ(taken[1].length_bytes, 1u);
  EXPECT_EQ(taken[1].offset_bytes, chunk);
  EXPECT_EQ(taken[2].shard, 1u);
  EXPECT_EQ(taken[3].shard, 1u);
  plan.on_landed(taken[0], 1000);
  EXPECT_EQ(take_all(plan).size(), 1u);
}

TEST(FetchPlan, SharesEquallyAmongEqualSources) {
  fetch_plan plan({}, std::vector<uint64_t>{8 * chunk});
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  std::map<uint32_t, int> by_source;
  for (const auto& fetch : take_all(plan)) ++by_source[fetch.source];
  EXPECT_EQ(by_source[0], 4);
  EXPECT_EQ(by_source[1], 4);
}

TEST(FetchPlan, WaitsForTheFastSourceRatherThanAskASlowOne) {
  fetch_plan plan({}, std::vector<uint64_t>{20 * chunk});
  add_full_source(plan, 1, source_kind::disk, gigabyte_per_s / 100);
  const auto fast = add_full_source(plan, 1, source_kind::peer_device, 10 * gigabyte_per_s);
  for (const auto& fetch : take_all(plan)) EXPECT_EQ(fetch.source, fast);
}

TEST(FetchPlan, PrefersAPeerDeviceWithinAQuarterOfAHost) {
  for (const auto& [device_percent, device_wins] : {std::pair{85, true}, {70, false}}) {
    fetch_plan plan({}, std::vector<uint64_t>{chunk});
    add_full_source(plan, 1, source_kind::host_cache, gigabyte_per_s);
    const auto device = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s * device_percent / 100);
    EXPECT_EQ(plan.next(0)->source == device, device_wins);
  }
}

TEST(FetchPlan, TakesElsewhereWhatALostSourceDidNotDeliver) {
  fetch_plan plan({}, std::vector<uint64_t>{6 * chunk});
  const auto dying = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  auto taken = take_all(plan);
  plan.on_landed(taken[0], 100);
  EXPECT_FALSE(plan.on_verified(taken[0]));
  plan.lose_source(dying);
  const auto other = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  for (size_t i = 1; i < taken.size(); ++i) plan.on_failed(taken[i], fetch_failure::source, 200);
  std::set<uint32_t> chunks;
  while (!plan.done()) {
    const auto more = take_all(plan, 300);
    ASSERT_FALSE(more.empty());
    for (const auto& fetch : more) {
      EXPECT_EQ(fetch.source, other);
      chunks.insert(fetch.chunk);
      plan.on_landed(fetch, 400);
      plan.on_verified(fetch);
    }
  }
  EXPECT_EQ(chunks, (std::set<uint32_t>{1, 2, 3, 4, 5})); // chunk 0 stayed
}

TEST(FetchPlan, AsksALiarNothingMore) {
  fetch_plan plan({}, std::vector<uint64_t>{2 * chunk});
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto first = *plan.next(0);
  plan.on_landed(first, 10);
  plan.on_bad(first);
  EXPECT_TRUE(plan.is_lost(first.source));
  EXPECT_FALSE(plan.next(20));
  const auto honest = add_full_source(plan, 1, source_kind::disk, 0);
  EXPECT_EQ(plan.next(20)->source, honest);
}

TEST(FetchPlan, KeepsASourceThatOnlyLacksOneShard) {
  fetch_plan plan({}, std::vector<uint64_t>{chunk, chunk});
  const auto source = add_full_source(plan, 2, source_kind::peer_device, gigabyte_per_s);
  auto taken = take_all(plan);
  plan.on_failed(taken[0], fetch_failure::range, 10);
  EXPECT_FALSE(plan.is_lost(source));
  EXPECT_EQ(plan.starved_shards(), std::vector<uint32_t>{0});
  plan.on_landed(taken[1], 20);
  EXPECT_TRUE(plan.on_verified(taken[1]));
  EXPECT_TRUE(plan.shard_done(1));
  EXPECT_FALSE(plan.done());
}

TEST(FetchPlan, FetchesLaterShardsWhileAnEarlierOneHasNoSource) {
  fetch_plan plan({}, std::vector<uint64_t>{chunk, chunk});
  const auto source = plan.add_source(source_kind::disk, 0);
  plan.add_holding(source, 1);
  EXPECT_EQ(plan.next(0)->shard, 1u);
  EXPECT_EQ(plan.starved_shards(), std::vector<uint32_t>{0});
  plan.add_holding(source, 0);
  EXPECT_EQ(plan.next(0)->shard, 0u);
}

TEST(FetchPlan, AsksForTheFirstChunksOfAShardThatIsStillComingToItsSource) {
  fetch_plan plan({}, std::vector<uint64_t>{6 * chunk, chunk});
  const auto store = plan.add_source(source_kind::disk, 0);
  plan.add_holding(store, 0, 2);
  auto taken = take_all(plan);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(plan.starved_shards(), (std::vector<uint32_t>{0, 1})) << "nobody has the next chunk yet";
  plan.add_holding(store, 0, 3);
  EXPECT_EQ(plan.starved_shards(), std::vector<uint32_t>{1});
  EXPECT_EQ(plan.next(0)->chunk, 2u);
  EXPECT_FALSE(plan.next(0));
  plan.add_holding(store, 0);
  for (const auto& fetch : taken) {
    plan.on_landed(fetch, 10);
    plan.on_verified(fetch);
  }
  taken = take_all(plan);
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(taken[0].chunk, 3u);
}

TEST(FetchPlan, TakesTheRestElsewhereOfAShardThatASourceHasAPartOf) {
  fetch_plan plan({}, std::vector<uint64_t>{8 * chunk});
  const auto part = plan.add_source(source_kind::peer_device, 100 * gigabyte_per_s);
  plan.add_holding(part, 0, 2);
  const auto whole = add_full_source(plan, 1, source_kind::disk, gigabyte_per_s / 10);
  for (const auto& fetch : take_all(plan)) EXPECT_EQ(fetch.source, fetch.chunk < 2 ? part : whole);
  EXPECT_EQ(plan.in_flight(), 6u);
}

TEST(FetchPlan, AsksAgainWhoHasAPartForAChunkOfItThatCameBack) {
  fetch_plan plan({}, std::vector<uint64_t>{8 * chunk});
  const auto part = plan.add_source(source_kind::disk, 0);
  plan.add_holding(part, 0, 3);
  const auto taken = take_all(plan);
  ASSERT_EQ(taken.size(), 3u);
  plan.on_failed(taken[1], fetch_failure::cancelled, 10);
  EXPECT_TRUE(plan.starved_shards().empty());
  EXPECT_EQ(plan.next(20)->chunk, 1u);
  EXPECT_EQ(plan.starved_shards(), std::vector<uint32_t>{0});
}

TEST(FetchPlan, GivesTimeInProportionToWhatIsQueued) {
  fetch_plan_options options;
  options.lone_late_us = 1000;
  fetch_plan plan(options, std::vector<uint64_t>{4 * chunk});
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto taken = take_all(plan);
  const auto one_us = static_cast<core::duration_us>(chunk * 1'000'000 / gigabyte_per_s);
  EXPECT_NEAR(static_cast<double>(taken[0].timeout_us), 8.0 * one_us, 16);
  EXPECT_NEAR(static_cast<double>(taken[3].timeout_us), 32.0 * one_us, 16);
}

TEST(FetchPlan, IsMorePatientWithALoneSource) {
  fetch_plan plan({}, std::vector<uint64_t>{2 * chunk});
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  EXPECT_EQ(plan.next(0)->timeout_us, fetch_plan_options().lone_late_us);
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  EXPECT_EQ(plan.next(0)->timeout_us, fetch_plan_options().late_us);
}

TEST(FetchPlan, AsksWhoWasLateLastAndWithMorePatience) {
  fetch_plan plan({}, std::vector<uint64_t>{2 * chunk});
  const auto late = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto other = add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s / 2);
  const auto first = *plan.next(0);
  EXPECT_EQ(first.source, late);
  plan.on_failed(first, fetch_failure::silent, 10);
  EXPECT_TRUE(plan.give_second_chances());
  EXPECT_EQ(plan.next(20)->source, other);
  plan.lose_source(other);
  const auto again = *plan.next(30);
  EXPECT_EQ(again.source, late);
  EXPECT_GE(again.timeout_us, fetch_plan_options().lone_late_us);
}

TEST(FetchPlan, StopsFetchingWhileVerificationIsBehind) {
  fetch_plan_options options;
  options.unverified_chunks = 2;
  fetch_plan plan(options, std::vector<uint64_t>{10 * chunk});
  add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s);
  const auto taken = take_all(plan);
  plan.on_landed(taken[0], 1);
  plan.on_landed(taken[1], 2);
  EXPECT_FALSE(plan.next(3));
  plan.on_verified(taken[0]);
  EXPECT_TRUE(plan.next(4));
}

// -- who is asked -----------------------------------------------------------------------------------------------------

TEST(FetchPlan, AsksTheFastestFewOfManySourcesAndOthersWhenOneIsLost) {
  fetch_plan_options options;
  fetch_plan plan(options, std::vector<uint64_t>{100 * chunk});
  for (uint32_t i = 0; i < 100; ++i) // the later the faster
    add_full_source(plan, 1, source_kind::peer_device, gigabyte_per_s + i * 1'000'000);
  std::set<uint32_t> asked;
  auto taken = take_all(plan);
  for (const auto& one : taken) asked.insert(one.source);
  EXPECT_EQ(asked, (std::set<uint32_t>{92, 93, 94, 95, 96, 97, 98, 99}));
  plan.lose_source(95);
  for (const auto& one : taken)
    if (one.source == 95) plan.on_failed(one, fetch_failure::cancelled, 1);
  for (const auto& one : take_all(plan, 1)) EXPECT_EQ(one.source, 91u);
}

TEST(FetchPlan, AsksMoreSourcesForWhatTheFastestFewDoNotHave) {
  fetch_plan plan({}, std::vector<uint64_t>{chunk, 100 * chunk});
  for (int i = 0; i < 10; ++i) plan.add_holding(plan.add_source(source_kind::peer_device, gigabyte_per_s), 1);
  const auto only = plan.add_source(source_kind::disk, gigabyte_per_s / 100);
  plan.add_holding(only, 0);
  EXPECT_TRUE(plan.starved_shards().empty());
  std::set<uint32_t> asked;
  for (const auto& one : take_all(plan)) {
    EXPECT_EQ(one.shard == 0, one.source == only);
    asked.insert(one.source);
  }
  EXPECT_EQ(asked.size(), 9u);
}

// 140 GB in 80 shards from 100 holders, one of which begins to hold them one after the other: what planning looks at
// grows with the chunks, not with their product with shards or sources.
TEST(FetchPlan, PlansALargeSetWithoutLookingAtAllOfItForEveryChunk) {
  const uint64_t chunks_of_shard = 437, shards = 80;
  fetch_plan plan({}, std::vector<uint64_t>(shards, chunks_of_shard * chunk));
  for (int i = 0; i < 100; ++i) add_full_source(plan, shards, source_kind::peer_device, gigabyte_per_s);
  const auto late = plan.add_source(source_kind::peer_device, 2 * gigabyte_per_s);
  std::deque<chunk_fetch> flying;
  uint64_t taken = 0;
  for (core::time_us now = 0; !plan.done(); now += 500) {
    plan.look(now);
    while (const auto next = plan.next(now)) {
      if (taken++ % chunks_of_shard == 0) plan.add_holding(late, next->shard);
      flying.push_back(*next);
    }
    plan.on_landed(flying.front(), now);
    plan.on_verified(flying.front());
    flying.pop_front();
  }
  EXPECT_EQ(taken, chunks_of_shard * shards);
  EXPECT_LT(plan.considered(), taken * 40) << "two looks at eight sources, in a group or two";
}

// -- all of it --------------------------------------------------------------------------------------------------------

// Random failures, lies and arrivals: every chunk ends verified exactly once, no window is exceeded,
// no liar is asked again.
TEST(FetchPlan, HoldsItsPromisesUnderRandomTrouble) {
  uint64_t hedges = 0;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE(seed);
    core::prng random(seed);
    std::vector<uint64_t> sizes(1 + random.below(6));
    for (auto& size : sizes) size = 1 + random.below(5 * chunk);
    fetch_plan plan({}, sizes);
    std::vector<chunk_fetch> flying;
    std::map<uint32_t, uint32_t> windows;
    std::set<std::pair<uint32_t, uint32_t>> verified;
    for (core::time_us now = 0; !plan.done(); ++now) {
      ASSERT_LT(now, 100'000);
      const auto at_us = now * 20'000;
      if (random.below(40) == 0 || !plan.starved_shards().empty())
        add_full_source(plan, static_cast<uint32_t>(sizes.size()),
                        static_cast<source_kind>(random.below(source_kind_count)), 0);
      if (random.below(4) == 0) plan.look(at_us);
      if (random.below(10) == 0) plan.give_second_chances();
      while (auto next = plan.next(at_us)) {
        EXPECT_FALSE(plan.is_lost(next->source));
        EXPECT_LE(++windows[next->source], 4u);
        hedges += next->hedge ? 1 : 0;
        flying.push_back(*next);
      }
      if (flying.empty()) continue;
      const auto pick = random.below(flying.size());
      const auto one = flying[pick];
      flying.erase(flying.begin() + static_cast<ptrdiff_t>(pick));
      --windows[one.source];
      const auto fate = random.below(25);
      const auto place =
          fate < 6 ? plan.on_failed(one, static_cast<fetch_failure>(fate), at_us) : plan.on_landed(one, at_us);
      if (place != chunk_place::target && place != chunk_place::buffer) continue;
      const auto landed = place == chunk_place::buffer && !one.hedge ? plan.hedge_of(one) : one;
      if (fate == 6) {
        plan.on_bad(landed);
        continue;
      }
      plan.on_verified(landed);
      EXPECT_TRUE(verified.emplace(one.shard, one.chunk).second);
    }
    // What came twice may still be under way.
    for (const auto& one : flying)
      EXPECT_EQ(plan.on_failed(one, fetch_failure::cancelled, 10'000'000'000), chunk_place::elsewhere);
    EXPECT_EQ(plan.in_flight(), 0u);
  }
  EXPECT_GT(hedges, 100u) << "of 1000 loads";
}

} // namespace

} // namespace fastptm::policy
