// Which chunk comes from where: order, windows, preference, failure.
#include "policy/fetch_plan.hpp"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/policy/simulated_links.hpp"

namespace fastptm::policy {

namespace {

constexpr uint64_t chunk = 4ull << 20;
constexpr uint64_t gigabyte_per_s = 1'000'000'000;

std::vector<chunk_fetch> take_all(fetch_plan& plan, core::time_us now = 0) {
  std::vector<chunk_fetch> taken;
  while (auto next = plan.next(now)) taken.push_back(*next);
  return taken;
}

uint32_t add_full_source(fetch_plan& plan, uint32_t shards, source_kind kind, uint64_t rate_bps) {
  const auto source = plan.add_source(kind, rate_bps);
  for (uint32_t i = 0; i < shards; ++i) plan.add_holding(source, i);
  return source;
}

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

// -- shared links -----------------------------------------------------------------------------------------------------

// 30 receivers on one gigabit link: each has a thirtieth of what the plan assumes, a chunk takes a second.
TEST(FetchPlan, FinishesInTheTimeThatTheBytesNeedHoweverManyShareASource) {
  for (const size_t holders : {1, 2}) {
    SCOPED_TRACE(holders);
    constexpr uint64_t link_bps = 125'000'000, set_bytes = 26 * chunk;
    std::vector<tests::simulated_source> sources(holders, {link_bps, false});
    std::deque<tests::simulated_load> loads;
    const std::vector<uint64_t> shards{6 * chunk, 10 * chunk, 10 * chunk};
    for (int i = 0; i < 30; ++i) loads.emplace_back(fetch_plan_options(), shards, holders);
    tests::run(sources, loads, 60'000'000);
    const auto needed_us = static_cast<core::time_us>(30 * set_bytes * 1'000'000 / (link_bps * holders));
    for (const auto& load : loads) {
      ASSERT_TRUE(load.done_us);
      EXPECT_LT(*load.done_us, needed_us * 106 / 100) << "bytes alone need " << needed_us;
      EXPECT_EQ(load.late, 0u);
      EXPECT_EQ(load.brought_bytes, set_bytes) << "bytes were thrown away";
    }
  }
}

TEST(FetchPlan, TakesElsewhereWhatAHungSourceHasAmongManyReceivers) {
  constexpr uint64_t link_bps = 125'000'000;
  std::vector<tests::simulated_source> sources{{link_bps, false}, {link_bps, true}};
  std::deque<tests::simulated_load> loads;
  for (int i = 0; i < 30; ++i) loads.emplace_back(fetch_plan_options(), std::vector<uint64_t>{26 * chunk}, 2);
  tests::run(sources, loads, 60'000'000);
  for (const auto& load : loads) {
    ASSERT_TRUE(load.done_us);
    EXPECT_LT(*load.done_us, 28'500'000) << "bytes alone need 26.2 s";
  }
}

// The time that one load takes from these sources, alone.
core::time_us time_of_load(std::vector<tests::simulated_source> sources, uint64_t chunks) {
  std::deque<tests::simulated_load> loads;
  loads.emplace_back(fetch_plan_options(), std::vector<uint64_t>{chunks * chunk}, sources.size());
  tests::run(sources, loads, 60'000'000, 100);
  EXPECT_TRUE(loads[0].done_us);
  return loads[0].done_us.value_or(0);
}

TEST(FetchPlan, AddsUpTheRatesOfUnequalSources) {
  const auto alone = time_of_load({{gigabyte_per_s, false}}, 200);
  const auto together = time_of_load({{gigabyte_per_s, false}, {gigabyte_per_s / 2, false}}, 200);
  EXPECT_GE(static_cast<double>(alone) / static_cast<double>(together), 1.45);
}

// Two copy threads for each source: what they copy ends together.
TEST(FetchPlan, AddsUpTheRatesOfSourcesWhoseChunksLandInPairs) {
  const auto take_from = [](const std::vector<uint64_t>& rates_bps) {
    fetch_plan plan({}, std::vector<uint64_t>{200 * chunk});
    std::vector<std::deque<chunk_fetch>> queues(rates_bps.size());
    std::vector<core::time_us> ends(rates_bps.size());
    for (size_t i = 0; i < rates_bps.size(); ++i) add_full_source(plan, 1, source_kind::peer_device, 0);
    core::time_us now = 0;
    int pairs = 0;
    std::vector<std::vector<chunk_fetch>> under_way(rates_bps.size());
    const auto begin_some = [&] {
      while (const auto next = plan.next(now)) queues[next->source].push_back(*next);
      for (size_t i = 0; i < queues.size(); ++i) {
        if (!under_way[i].empty() || queues[i].empty()) continue;
        while (under_way[i].size() < 2 && !queues[i].empty()) {
          under_way[i].push_back(queues[i].front());
          queues[i].pop_front();
        }
        ends[i] = now + static_cast<core::time_us>(under_way[i].size() * chunk * 1'000'000 / rates_bps[i]);
      }
    };
    while (!plan.done()) {
      begin_some();
      size_t first = queues.size();
      for (size_t i = 0; i < queues.size(); ++i)
        if (!under_way[i].empty() && (first == queues.size() || ends[i] < ends[first])) first = i;
      now = ends[first];
      for (const auto& one : std::exchange(under_way[first], {})) {
        plan.on_landed(one, now);
        plan.on_verified(one);
      }
      EXPECT_TRUE(++pairs < 4 || plan.rate_bps(0) <= gigabyte_per_s * 11 / 10) << plan.rate_bps(0);
    }
    return now;
  };
  const auto alone = take_from({gigabyte_per_s}), together = take_from({gigabyte_per_s, gigabyte_per_s / 2});
  EXPECT_GE(static_cast<double>(alone) / static_cast<double>(together), 1.45);
}

// Random failures, lies and arrivals: every chunk ends verified exactly once, no window is exceeded,
// no liar is asked again.
TEST(FetchPlan, HoldsItsPromisesUnderRandomTrouble) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
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
      if (random.below(40) == 0 || !plan.starved_shards().empty())
        add_full_source(plan, static_cast<uint32_t>(sizes.size()),
                        static_cast<source_kind>(random.below(source_kind_count)), 0);
      if (random.below(4) == 0) plan.look(now * 1000);
      if (random.below(10) == 0) plan.give_second_chances();
      while (auto next = plan.next(now)) {
        EXPECT_FALSE(plan.is_lost(next->source));
        EXPECT_LE(++windows[next->source], 4u);
        flying.push_back(*next);
      }
      if (flying.empty()) continue;
      const auto pick = random.below(flying.size());
      const auto one = flying[pick];
      flying.erase(flying.begin() + static_cast<ptrdiff_t>(pick));
      --windows[one.source];
      const auto fate = random.below(25);
      if (fate < 6) {
        plan.on_failed(one, static_cast<fetch_failure>(fate), now);
        continue;
      }
      plan.on_landed(one, now);
      if (fate == 6) {
        plan.on_bad(one);
        continue;
      }
      plan.on_verified(one);
      EXPECT_TRUE(verified.emplace(one.shard, one.chunk).second);
    }
    EXPECT_TRUE(flying.empty());
    EXPECT_EQ(plan.in_flight(), 0u);
  }
}

} // namespace

} // namespace fastptm::policy
