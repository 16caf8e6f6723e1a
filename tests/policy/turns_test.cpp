// Who is alone has the whole thread, who is not a part of it, and who comes seldom waits for nobody.
#include "policy/turns.hpp"

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace fastptm::policy {
namespace {

constexpr core::duration_us round_us = 2'000, cost_us = 40;
constexpr tenant_index greedy{0}, modest{1};

// A thread that only does the greedy tenant's work, in virtual time, until then; returns how much of it.
core::duration_us flood(turns& of, core::time_us& now, core::time_us until) {
  core::duration_us worked_us = 0;
  while (now < until) {
    if (!of.may_go(greedy)) {
      now = std::max(now, of.next_round_us(now));
      of.begin_round(now);
      continue;
    }
    of.charge(greedy, cost_us, now);
    now += cost_us;
    worked_us += cost_us;
  }
  return worked_us;
}

TEST(Turns, OneTenantAloneHasTheWholeThread) {
  turns of(round_us);
  core::time_us now = 1'000'000;
  EXPECT_GE(flood(of, now, now + 1'000'000), 999'000);
}

TEST(Turns, WithAnotherOneHasItsPartAndNoMore) {
  turns of(round_us);
  core::time_us now = 1'000'000;
  core::duration_us worked_us = 0;
  for (int i = 0; i < 20; ++i) {
    of.charge(modest, cost_us, now);
    worked_us += flood(of, now, now + 50'000);
  }
  EXPECT_LE(worked_us, 520'000);
  EXPECT_GE(worked_us, 400'000);
}

TEST(Turns, WhoComesSeldomMayAlwaysGo) {
  core::prng random(1);
  turns of(round_us);
  core::time_us now = 1'000'000;
  for (int i = 0; i < 1'000; ++i) {
    flood(of, now, now + static_cast<core::duration_us>(random.below(100'000)));
    ASSERT_TRUE(of.may_go(modest)) << i;
    of.charge(modest, cost_us, now);
  }
}

TEST(Turns, WhatCostMoreThanTheCreditIsPaidByTheRoundsThatFollow) {
  turns of(round_us);
  of.charge(modest, 1, 1'000'000);
  of.charge(greedy, 10 * round_us, 1'000'000);
  core::time_us now = 1'000'000;
  int rounds = 0;
  while (!of.may_go(greedy)) {
    now = std::max(now, of.next_round_us(now));
    of.begin_round(now);
    of.charge(modest, 1, now);
    ++rounds;
  }
  EXPECT_GE(rounds, 18); // it has half of each
}

TEST(Turns, OneWhoHasGoneLeavesItsPartToTheOthers) {
  turns of(round_us);
  core::time_us now = 1'000'000;
  of.charge(modest, cost_us, now);
  flood(of, now, now + 2'000'000);
  EXPECT_GE(flood(of, now, now + 1'000'000), 999'000);
}

} // namespace
} // namespace fastptm::policy
