// Benchmarks that need no quiet machine: they run, lose nothing, and say what their figures are of.
#include <gtest/gtest.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

TEST(BenchScheduler, AnswersEveryRequestAndSaysThatTheDevicesAreDoubles) {
  const workspace place;
  const auto run = place.run({"bench", "scheduler", "--requests", "3000", "--devices", "3", "--models", "7", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto figures = run.json();
  EXPECT_EQ(text_of(figures, "workers"), "loopback double");
  for (const auto* key : {"requests_per_s", "limit_rps", "decision_ns_p99"}) {
    const auto* value = figures.find(key);
    ASSERT_NE(value, nullptr) << key;
    EXPECT_GT(value->unsigned_integer().value_or(0), 0u) << key;
  }
  EXPECT_EQ(figures.find("failed")->unsigned_integer(), 0u);
}

TEST(BenchDirectory, LoadsASetOnManyDevicesAndLosesSome) {
  const workspace place;
  const auto run = place.run(
      {"bench", "directory", "--loads", "20", "--nodes", "50", "--lost", "5", "--holdings", "1000", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto figures = run.json();
  EXPECT_EQ(text_of(figures, "transfers"), "scripted double");
  EXPECT_LT(figures.find("messages")->unsigned_integer().value_or(1'000'000), 5'000u);
  EXPECT_EQ(figures.find("failed")->unsigned_integer(), 0u);
}

// Its cluster has no keeper that holds a lock: clients find it by its record alone.
TEST(BenchRpc, CallsThroughAClusterOfItsOwn) {
  const workspace place;
  const auto run = place.run({"bench", "rpc", "--in-flight", "64", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_GT(run.json().find("calls_per_s")->number().value_or(0), 0.0) << run.out;
}

} // namespace
} // namespace fastptm::integration
