// Prometheus' text format.
#include "core/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastptm::core {

using testing::HasSubstr;

TEST(Metrics, TheSameNameAndLabelsAreTheSameCounter) {
  metrics_registry registry;
  registry.make_counter("fastptm_loads_total", "Loads.", "kind=\"disk\"").add(2);
  registry.make_counter("fastptm_loads_total", "Loads.", "kind=\"disk\"").add(1);
  EXPECT_THAT(registry.exposition(), HasSubstr("fastptm_loads_total{kind=\"disk\"} 3\n"));
}

TEST(Metrics, SeriesOfOneNameShareOneBlockWhateverTheOrder) {
  metrics_registry registry;
  registry.make_counter("fastptm_a_total", "A.", "k=\"1\"");
  registry.make_counter("fastptm_b_total", "B.");
  registry.make_counter("fastptm_a_total", "A.", "k=\"2\"");
  const auto page = registry.exposition();
  EXPECT_EQ(page.find("# TYPE fastptm_a_total"), page.rfind("# TYPE fastptm_a_total"));
  EXPECT_LT(page.find("k=\"2\""), page.find("fastptm_b_total"));
}

TEST(Metrics, BucketsAreCumulativeAndInSeconds) {
  metrics_registry registry;
  auto& h = registry.make_histogram("fastptm_wait_seconds", "Wait.");
  for (const int64_t us : {int64_t{-5}, int64_t{1}, int64_t{2}, int64_t{3}, int64_t{1} << 40}) h.observe_us(us);
  const auto page = registry.exposition();
  EXPECT_THAT(page, HasSubstr("fastptm_wait_seconds_bucket{le=\"1e-06\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("fastptm_wait_seconds_bucket{le=\"2e-06\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("fastptm_wait_seconds_bucket{le=\"4e-06\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("fastptm_wait_seconds_bucket{le=\"+Inf\"} 5\n"));
  EXPECT_THAT(page, HasSubstr("fastptm_wait_seconds_count 5\n"));
}

TEST(Metrics, ShortDurationsHaveFinerBuckets) {
  metrics_registry registry;
  auto& h = registry.make_histogram("fastptm_decision_seconds", "Decision.", {}, deciding_buckets);
  for (const int64_t ns : {1, 250, 251, 500, 501, 1'024'000, 1'024'001}) h.observe_ns(ns);
  const auto page = registry.exposition();
  EXPECT_THAT(page, HasSubstr("fastptm_decision_seconds_bucket{le=\"2.5e-07\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("fastptm_decision_seconds_bucket{le=\"5e-07\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("fastptm_decision_seconds_bucket{le=\"1e-06\"} 5\n"));
  EXPECT_THAT(page, HasSubstr("fastptm_decision_seconds_bucket{le=\"0.001024\"} 6\n"));
  EXPECT_THAT(page, HasSubstr("fastptm_decision_seconds_bucket{le=\"+Inf\"} 7\n"));
}

TEST(Metrics, AQuantileLiesInTheBucketThatHoldsIt) {
  histogram h(deciding_buckets);
  EXPECT_EQ(h.quantile_ns(0.99), 0u);
  for (int i = 0; i < 99; ++i) h.observe_ns(400);
  h.observe_ns(900);
  EXPECT_EQ(h.quantile_ns(0.99), 500u);
  EXPECT_GT(h.quantile_ns(0.5), 250u);
  EXPECT_EQ(h.quantile_ns(1.0), 1000u);
  h.observe_ns(1'000'000'000);
  EXPECT_EQ(h.quantile_ns(1.0), 1'024'000u) << "beyond the last bound";
}

} // namespace fastptm::core
