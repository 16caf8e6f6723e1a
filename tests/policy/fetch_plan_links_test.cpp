// Plans on links that many loads share, and on sources of unequal rates: how long loads take.
#include <deque>
#include <utility>

#include <gtest/gtest.h>

#include "policy/fetch_plan.hpp"
#include "tests/policy/plan_steps.hpp"
#include "tests/policy/simulated_links.hpp"

namespace fastptm::policy {

namespace {

using namespace tests;

// 30 receivers on one gigabit link: each has a thirtieth of what the plan assumes, a chunk takes a second.
TEST(FetchPlan, FinishesInTheTimeThatTheBytesNeedHoweverManyShareASource) {
  for (const size_t holders : {1, 2}) {
    SCOPED_TRACE(holders);
    constexpr uint64_t link_bps = 125'000'000, set_bytes = 26 * chunk;
    std::vector<simulated_source> sources(holders, {link_bps, false});
    std::deque<simulated_load> loads;
    const std::vector<uint64_t> shards{6 * chunk, 10 * chunk, 10 * chunk};
    for (int i = 0; i < 30; ++i) loads.emplace_back(fetch_plan_options(), shards, holders);
    run(sources, loads, 60'000'000);
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
  std::vector<simulated_source> sources{{link_bps, false}, {link_bps, true}};
  std::deque<simulated_load> loads;
  for (int i = 0; i < 30; ++i) loads.emplace_back(fetch_plan_options(), std::vector<uint64_t>{26 * chunk}, 2);
  run(sources, loads, 60'000'000);
  for (const auto& load : loads) {
    ASSERT_TRUE(load.done_us);
    EXPECT_LT(*load.done_us, 28'500'000) << "bytes alone need 26.2 s";
  }
}

// The time that one load takes from these sources, alone.
core::time_us time_of_load(std::vector<simulated_source> sources, uint64_t chunks) {
  std::deque<simulated_load> loads;
  loads.emplace_back(fetch_plan_options(), std::vector<uint64_t>{chunks * chunk}, sources.size());
  run(sources, loads, 60'000'000, 100);
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

} // namespace

} // namespace fastptm::policy
