// What is believed of a link: the newest measurement, until it has not been repeated for long.
#include "policy/link_rates.hpp"

#include <gtest/gtest.h>

namespace fastptm::policy {
namespace {

constexpr uint64_t gigabyte = 1'000'000'000;

link_sight whole(uint64_t rate_bps) {
  return {64 << 20, rate_bps, rate_bps};
}

TEST(LinkRates, AssumesByKindUntilSomethingIsMeasured) {
  const link_rates rates;
  EXPECT_EQ(rates.rate_bps(source_kind::disk, "head", "io_uring"), assumed_rate_bps(source_kind::disk));
  EXPECT_EQ(rates.limit_bps("head", "io_uring", true), 0u);
}

TEST(LinkRates, BeginsWithWhatThePathCarriedAtTheStart) {
  link_rates rates;
  rates.calibrated("tcp", 3 * gigabyte);
  rates.calibrated("map", 0); // could not be measured
  EXPECT_EQ(rates.rate_bps(source_kind::peer_device, "worker-1", "tcp"), 3 * gigabyte);
  EXPECT_EQ(rates.limit_bps("worker-1", "tcp", true), 3 * gigabyte);
  EXPECT_EQ(rates.limit_bps("worker-1", "tcp", false), 0u) << "the path was measured on another machine";
  EXPECT_EQ(rates.rate_bps(source_kind::host_cache, "head", "map"), assumed_rate_bps(source_kind::host_cache));
}

TEST(LinkRates, BelievesTheLoadBeforeMoreThanTheStart) {
  link_rates rates;
  rates.calibrated("tcp", 3 * gigabyte);
  rates.seen(source_kind::peer_device, "worker-1", "tcp", whole(gigabyte));
  EXPECT_EQ(rates.rate_bps(source_kind::peer_device, "worker-1", "tcp"), gigabyte);
  EXPECT_EQ(rates.rate_bps(source_kind::peer_device, "worker-2", "tcp"), 3 * gigabyte) << "another node";
}

TEST(LinkRates, TriesASourceAgainThatWasSlowOnce) {
  link_rates rates;
  rates.calibrated("tcp", 8 * gigabyte);
  const auto now = [&] { return rates.rate_bps(source_kind::peer_device, "worker-1", "tcp"); };
  rates.seen(source_kind::peer_device, "worker-1", "tcp", whole(gigabyte));
  rates.fade();
  EXPECT_EQ(now(), gigabyte) << "this load has seen it";
  rates.fade();
  EXPECT_EQ(now(), gigabyte + 7 * gigabyte / 8);
  for (int i = 0; i < 100; ++i) rates.fade();
  EXPECT_NEAR(static_cast<double>(now()), 8.0 * gigabyte, 1e5);
  rates.seen(source_kind::peer_device, "worker-1", "tcp", whole(80 * gigabyte));
  rates.fade();
  rates.fade();
  EXPECT_EQ(now(), 71 * gigabyte) << "too fast fades, too";
}

TEST(LinkRates, TakesTheHigherOfTwoLowFigures) {
  link_rates rates;
  rates.seen(source_kind::disk, "head", "io_uring", {64 << 20, gigabyte, 3 * gigabyte});
  EXPECT_EQ(rates.rate_bps(source_kind::disk, "head", "io_uring"), 3 * gigabyte);
  rates.seen(source_kind::disk, "head", "io_uring", {64 << 20, 2 * gigabyte, gigabyte});
  EXPECT_EQ(rates.rate_bps(source_kind::disk, "head", "io_uring"), 2 * gigabyte);
}

TEST(LinkRates, LearnsNothingFromLessThanAChunk) {
  link_rates rates;
  rates.seen(source_kind::disk, "head", "io_uring", {(4 << 20) - 1, gigabyte, gigabyte});
  EXPECT_EQ(rates.rate_bps(source_kind::disk, "head", "io_uring"), assumed_rate_bps(source_kind::disk));
  rates.seen(source_kind::disk, "head", "io_uring", {4 << 20, gigabyte, gigabyte});
  EXPECT_EQ(rates.rate_bps(source_kind::disk, "head", "io_uring"), gigabyte);
}

link_use use_of(uint64_t rate_bps, bool was_limit, bool is_where_calibrated = false) {
  return {64 << 20, rate_bps, was_limit, is_where_calibrated};
}

TEST(LinkRates, HoldsLoadsAgainstTheBestThatALinkHasCarried) {
  link_rates rates;
  const auto limit = [&] { return rates.limit_bps("worker-1", "tcp", false); };
  EXPECT_FALSE(rates.is_measured("worker-1", "tcp"));
  rates.used("worker-1", "tcp", use_of(gigabyte, false));
  EXPECT_EQ(limit(), gigabyte);
  EXPECT_TRUE(rates.is_measured("worker-1", "tcp"));
  rates.used("worker-1", "tcp", use_of(3 * gigabyte, false));
  EXPECT_EQ(limit(), 3 * gigabyte) << "it can do that";
  rates.used("worker-1", "tcp", use_of(gigabyte, false));
  EXPECT_EQ(limit(), 3 * gigabyte) << "it was not asked for more";
  EXPECT_EQ(rates.limit_bps("worker-2", "tcp", false), 0u) << "another link";
  EXPECT_EQ(rates.limit_bps("worker-1", "cma", false), 0u) << "another link";
}

TEST(LinkRates, BelievesByAndByThatALinkHasBecomeSlower) {
  link_rates rates;
  rates.used("worker-1", "tcp", use_of(9 * gigabyte, true));
  rates.used("worker-1", "tcp", use_of(gigabyte, true));
  EXPECT_EQ(rates.limit_bps("worker-1", "tcp", false), 8 * gigabyte);
  for (int i = 0; i < 100; ++i) rates.used("worker-1", "tcp", use_of(gigabyte, true));
  EXPECT_NEAR(static_cast<double>(rates.limit_bps("worker-1", "tcp", false)), 1.0 * gigabyte, 1e5);
}

TEST(LinkRates, BeginsALinkWithTheStartWhereThatWasMeasured) {
  link_rates rates;
  rates.calibrated("cma", 9 * gigabyte);
  rates.used("worker-1", "cma", use_of(gigabyte, false, true));
  EXPECT_EQ(rates.limit_bps("worker-1", "cma", true), 9 * gigabyte);
  rates.used("worker-1", "cma", use_of(gigabyte, true, true));
  EXPECT_EQ(rates.limit_bps("worker-1", "cma", true), 8 * gigabyte);
}

TEST(LinkRates, ForgetsANode) {
  link_rates rates;
  rates.seen(source_kind::peer_device, "worker-1", "tcp", whole(1));
  rates.seen(source_kind::host_cache, "worker-1", "tcp", whole(1));
  rates.seen(source_kind::host_cache, "head", "tcp", whole(1));
  rates.used("worker-1", "tcp", use_of(gigabyte, true));
  rates.forget("worker-1");
  EXPECT_FALSE(rates.is_measured("worker-1", "tcp"));
  EXPECT_EQ(rates.rate_bps(source_kind::peer_device, "worker-1", "tcp"), assumed_rate_bps(source_kind::peer_device));
  EXPECT_EQ(rates.rate_bps(source_kind::host_cache, "head", "tcp"), 1u);
}

} // namespace
} // namespace fastptm::policy
