// Chunks that a slow source has and another holder is asked for, too: one writer for every target.
#include <gtest/gtest.h>

#include "tests/weights/load/breakable_load.hpp"

namespace fastptm::weights {

namespace {

using namespace tests;

struct HedgedLoad : breakable_load {};

// Both holders are asked; one of them hangs from the beginning on, with a part of the first shard.
TEST_F(HedgedLoad, AsksAnotherHolderForWhatASlowSourceHas) {
  for (const bool sums : {false, true}) {
    SCOPED_TRACE(sums);
    nodes.clear();
    verified.clear();
    outcome.reset();
    add_node("slow", {.hung = true});
    add_node("other", {.rate_bps = slow_bps});
    summing_fetcher summing(fetcher);
    make();
    for (const auto* name : {"slow", "other"}) {
      auto from = source(name);
      if (sums) from.via = &summing;
      load->add_source(std::move(from));
    }
    const auto begin_us = clock.now_us();
    load->start();
    run();
    expect_all_right();
    EXPECT_TRUE(failures.empty());
    EXPECT_EQ(report_of("other").chunks, 9u);
    EXPECT_EQ(report.refetched_chunks, 0u);
    EXPECT_LT(clock.now_us() - begin_us, 120'000) << "27 ms of bytes, and the time until it was slow";
  }
}

TEST_F(HedgedLoad, WritesAHedgeIntoItsPlaceOnlyWhenTheOriginalHasEnded) {
  add_node("slow", {.hung = true});
  add_node("other", {.rate_bps = slow_bps});
  summing_fetcher keeping(fetcher);
  keeping.keeps_from = "slow";
  make();
  for (const auto* name : {"slow", "other"}) {
    auto from = source(name);
    from.via = &keeping;
    load->add_source(std::move(from));
  }
  load->start();
  while (clock.now_us() < 200'000) {
    if (step()) continue;
    const auto due_us = std::min(network.next_due_us().value_or(never_us), look_us);
    clock.advance(std::max<core::duration_us>(due_us - clock.now_us(), 1));
  }
  ASSERT_FALSE(keeping.kept.empty());
  EXPECT_FALSE(outcome) << "its fetches could still write";
  EXPECT_TRUE(std::any_of(targets.begin(), targets.end(), [](const auto& target) {
    return std::all_of(target.begin(), target.begin() + 4096, [](auto each) { return each == std::byte{0xee}; });
  })) << "nothing may be written where they might write";
  run();
  expect_all_right();
}

TEST_F(HedgedLoad, KeepsWaitingForASlowSourceWhenWhoeverWasAskedInsteadLies) {
  for (const bool sums : {false, true}) {
    SCOPED_TRACE(sums);
    nodes.clear();
    verified.clear();
    failures.clear();
    outcome.reset();
    add_node("slow", {.rate_bps = slow_bps, .latency_us = 150'000});
    add_node("liar", {.rate_bps = slow_bps, .corrupt_every = 1});
    summing_fetcher summing(fetcher);
    make();
    load->add_source(source("slow"));
    load->start();
    auto from = source("liar");
    if (sums) from.via = &summing;
    load->add_source(std::move(from));
    run();
    expect_all_right();
    EXPECT_EQ(report_of("liar").bytes, 0u);
    EXPECT_EQ(failures.front(), (std::pair<std::string, core::errc>{"liar", core::errc::corrupt}));
  }
}

TEST_F(HedgedLoad, GivesUpWhileAHedgeIsUnderWay) {
  add_node("slow", {.hung = true});
  add_node("other", {.rate_bps = slow_bps / 1000});
  make();
  for (const auto* name : {"slow", "other"}) load->add_source(source(name));
  load->start();
  while (clock.now_us() < 100'000) {
    if (step()) continue;
    const auto due_us = std::min(network.next_due_us().value_or(never_us), look_us);
    clock.advance(std::max<core::duration_us>(due_us - clock.now_us(), 1));
  }
  load->give_up({core::errc::cancelled, "not wanted any more"});
  run();
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(network.next_due_us()) << "fetches are still under way";
}

} // namespace

} // namespace fastptm::weights
