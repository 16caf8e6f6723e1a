// Bounds of requests in flight.
#include "policy/admission.hpp"

#include <gtest/gtest.h>

namespace fastptm::policy {

TEST(Admission, RefusesBeyondTheTenantsBoundAndSaysWhenToComeBack) {
  admission a(100);
  const core::tenant_id t{3};
  a.set_limits(t, {.in_flight = 2, .longest_deadline_us = 1'000'000});
  EXPECT_TRUE(a.ask(t, 10, 500).accepted);
  EXPECT_TRUE(a.ask(t, 10, 500).accepted);
  const auto refused = a.ask(t, 10, 500);
  EXPECT_FALSE(refused.accepted);
  EXPECT_GT(refused.retry_after_us, 0);
  EXPECT_TRUE(a.ask(core::tenant_id{4}, 10, 500).accepted) << "another tenant has its own bound";
  a.answered(t, 20);
  EXPECT_TRUE(a.ask(t, 30, 500).accepted);
  EXPECT_EQ(a.in_flight(t), 2u);
  EXPECT_EQ(a.in_flight(), 3u);
}

TEST(Admission, BoundsAllTenantsTogetherAndDeadlines) {
  admission a(1);
  EXPECT_EQ(a.ask(core::tenant_id{0}, 5, 1'000'000'000'000).deadline_us, 5 + tenant_limits{}.longest_deadline_us);
  EXPECT_FALSE(a.ask(core::tenant_id{1}, 5, 100).accepted);
}

TEST(Admission, HintFollowsThePaceOfAnswers) {
  admission a(10);
  const core::tenant_id t{0};
  a.set_limits(t, {.in_flight = 1});
  core::time_us now = 1;
  for (int i = 0; i < 50; ++i, now += 20'000) {
    ASSERT_TRUE(a.ask(t, now, now + 1'000'000).accepted);
    a.answered(t, now + 20'000);
  }
  ASSERT_TRUE(a.ask(t, now, now + 1'000'000).accepted);
  EXPECT_NEAR(static_cast<double>(a.ask(t, now, now + 1'000'000).retry_after_us), 40'000, 2'000);
}

} // namespace fastptm::policy
