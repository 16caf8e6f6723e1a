// Silence is judged by the time that the keeper really watched.
#include "policy/lease.hpp"

#include <gtest/gtest.h>

namespace fastptm::policy {
namespace {

constexpr lease_rules rules{.heartbeat_us = 250'000, .lease_us = 1'000'000};

TEST(Lease, IsSuspectedAfterTwoBeatsAndOverAfterItsTerm) {
  EXPECT_EQ(rules.judge(500'000), lease_verdict::held);
  EXPECT_EQ(rules.judge(500'001), lease_verdict::suspect);
  EXPECT_EQ(rules.judge(1'000'000), lease_verdict::suspect);
  EXPECT_EQ(rules.judge(1'000'001), lease_verdict::over);
}

TEST(Lease, ANodeBearsASilentHeadForFourTerms) {
  EXPECT_FALSE(rules.gives_up(4'000'000));
  EXPECT_TRUE(rules.gives_up(4'000'001));
}

TEST(LeaseWatch, ExcusesNothingWhileItLooksInTime) {
  lease_watch watch(rules, 1'000'000);
  for (core::time_us now = 1'125'000; now < 3'000'000; now += 125'000) EXPECT_EQ(watch.look(now), 0);
}

TEST(LeaseWatch, ASmallDelayIsNoExcuse) {
  lease_watch watch(rules, 1'000'000);
  EXPECT_EQ(watch.look(1'250'000), 0);
}

TEST(LeaseWatch, ExcusesNoMoreThanItsKeeperWants) {
  lease_watch watch({.heartbeat_us = 250'000, .lease_us = 1'000'000, .late_look_us = 2'000'000}, 1'000'000);
  EXPECT_EQ(watch.look(2'425'000), 0);
  EXPECT_EQ(watch.look(4'675'000), 2'125'000);
}

TEST(LeaseWatch, ExcusesTheTimeInWhichItDidNotLook) {
  lease_watch watch(rules, 1'000'000);
  EXPECT_EQ(watch.look(2'425'000), 1'300'000);
  EXPECT_EQ(watch.look(2'550'000), 0) << "once";
}

} // namespace
} // namespace fastptm::policy
