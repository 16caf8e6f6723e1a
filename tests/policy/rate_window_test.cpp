// Rates of sources whose chunks land one by one, in pairs, after pauses, and slower than before.
#include "policy/rate_window.hpp"

#include <gtest/gtest.h>

namespace fastptm::policy {

namespace {

constexpr uint64_t chunk = 4'000'000; // 4 ms at 1 GB/s
constexpr uint64_t gigabyte_per_s = 1'000'000'000;

TEST(RateWindow, BelievesThePriorUntilSomethingHasLanded) {
  rate_window rate(gigabyte_per_s, chunk);
  EXPECT_EQ(rate.bps(), gigabyte_per_s);
  rate.begin(0);
  rate.landed(chunk, 40'000); // a tenth: prior and measurement count alike
  EXPECT_NEAR(static_cast<double>(rate.bps()), 2.0 * chunk / 44e-3, 1e6);
}

TEST(RateWindow, SeesTheRateOfASourceAfterAFewChunksWhateverThePriorWas) {
  for (const uint64_t prior : {gigabyte_per_s / 1000, gigabyte_per_s * 1000}) {
    rate_window rate(prior, chunk);
    rate.begin(0);
    for (int i = 1; i <= 4; ++i) rate.landed(chunk, i * 4000);
    EXPECT_NEAR(static_cast<double>(rate.bps()), 1e9, 1e7);
  }
}

// Two threads copy, each at half the rate: the mean of what single chunks took would say 2,000 GB/s.
TEST(RateWindow, DoesNotOverestimateWhatLandsInPairs) {
  rate_window rate(gigabyte_per_s, chunk);
  rate.begin(0);
  for (int pair = 1; pair <= 50; ++pair) {
    rate.landed(chunk, pair * 8000);
    EXPECT_LE(rate.bps(), gigabyte_per_s * 11 / 10) << "pair " << pair;
    rate.landed(chunk, pair * 8000 + 2);
    EXPECT_LE(rate.bps(), gigabyte_per_s * 11 / 10) << "pair " << pair;
  }
  EXPECT_NEAR(static_cast<double>(rate.bps()), 1e9, 1e8);
}

TEST(RateWindow, DoesNotCountTheTimeInWhichNothingWasAskedFor) {
  rate_window rate(gigabyte_per_s, chunk);
  core::time_us now = 0;
  for (int i = 0; i < 20; ++i) {
    rate.begin(now);
    rate.landed(chunk, now += 4000);
    rate.end(now);
    now += 100'000;
  }
  EXPECT_NEAR(static_cast<double>(rate.bps()), 1e9, 1e7);
}

TEST(RateWindow, FollowsASourceThatHasBecomeSlow) {
  rate_window rate(gigabyte_per_s, chunk);
  core::time_us now = 0;
  rate.begin(now);
  for (int i = 0; i < 100; ++i) rate.landed(chunk, now += 4000);
  for (int i = 0; i < 4; ++i) rate.landed(chunk, now += 400'000);
  EXPECT_LT(rate.bps(), gigabyte_per_s / 50);
}

TEST(RateWindow, ForgetsWhatItSawWhenItStartsAgain) {
  rate_window rate(gigabyte_per_s, chunk);
  rate.begin(0);
  for (int i = 1; i <= 10; ++i) rate.landed(chunk, i * 4000);
  rate.end(40'000);
  rate.restart(rate.bps() / 4);
  EXPECT_NEAR(static_cast<double>(rate.bps()), 0.25e9, 1e7);
  rate.begin(1'000'000);
  for (int i = 1; i <= 4; ++i) rate.landed(chunk, 1'000'000 + i * 2000);
  EXPECT_NEAR(static_cast<double>(rate.bps()), 2e9, 1e8);
}

} // namespace

} // namespace fastptm::policy
