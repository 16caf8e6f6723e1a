// One outcome, seen by every waiter, and a bound on waiting.
#include "gpu/verified_event.hpp"

#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace fastptm::gpu {
namespace {

constexpr core::time_us never_us = INT64_MAX;

TEST(VerifiedEvent, ReleasesEveryWaiter) {
  auto event = std::make_shared<verified_event>();
  std::atomic<int> released{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([event, &released] { released += event->wait_until(never_us).has_value(); });
  }
  event->set_ok();
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(released, 4);
}

TEST(VerifiedEvent, GivesWaitersTheReasonOfAFailure) {
  verified_event event;
  std::thread setter([&] { event.set_failed({core::errc::corrupt, "chunk 3: bad checksum"}); });
  const auto outcome = event.wait_until(never_us);
  setter.join();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, core::errc::corrupt);
  EXPECT_TRUE(event.has_failed());
}

TEST(VerifiedEvent, KeepsItsFirstOutcome) {
  verified_event event;
  event.set_ok();
  event.set_failed({core::errc::corrupt, "late"});
  EXPECT_TRUE(event.is_ok());
  EXPECT_TRUE(event.wait_until(0));
}

TEST(VerifiedEvent, StopsWaitingAtTheBound) {
  const verified_event event;
  const auto past = event.wait_until(core::monotonic_now_us() - 1);
  ASSERT_FALSE(past);
  EXPECT_EQ(past.error().code, core::errc::deadline_exceeded);
  const core::time_us give_up_at_us = core::monotonic_now_us() + 2'000;
  EXPECT_FALSE(event.wait_until(give_up_at_us));
  EXPECT_GE(core::monotonic_now_us(), give_up_at_us);
}

} // namespace
} // namespace fastptm::gpu
