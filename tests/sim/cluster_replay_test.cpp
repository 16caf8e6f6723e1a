// At cluster scale: no request is lost, bytes come from somewhere, and the same seed gives the same result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "sim/cluster_replay.hpp"

namespace fastptm::sim {

namespace {

constexpr std::array<const char*, 5> policies{"dxv", "affinity", "omls", "least_loaded", "round_robin"};

workload small_workload(uint64_t seed) {
  return *generate({.models = 60, .requests = 6000, .rate = 3000, .seed = seed});
}

cluster_options small_cluster(const char* policy) {
  return {.policy = policy, .gpus = 12, .gpus_per_node = 4, .pool_gb = 16};
}

// Everything but the measured times.
std::string without_times(const cluster_result& r) {
  const std::string all = to_json(r);
  return all.substr(0, all.find("\"requests_per_s_core\""));
}

class ClusterReplay : public testing::TestWithParam<const char*> {};

TEST_P(ClusterReplay, AnswersEveryRequestOnceAndAccountsForItsBytes) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const workload w = small_workload(seed);
    for (const double rate : {0.3, 1.0, 6.0}) {
      cluster_options chosen = small_cluster(GetParam());
      chosen.rate = rate;
      const auto r = replay_cluster(w, chosen);
      ASSERT_TRUE(r) << r.error().message;
      EXPECT_EQ(r->requests, w.requests.size()) << "seed " << seed;
      EXPECT_EQ(r->on_time + r->late + r->dropped, r->requests) << "seed " << seed;
      EXPECT_EQ(r->on_time_ppm, r->on_time * 1'000'000 / r->requests);
      const uint64_t moved = std::accumulate(r->bytes_by_source.begin(), r->bytes_by_source.end(), uint64_t{0});
      const auto [small, large] = std::minmax_element(w.classes.begin(), w.classes.end(),
                                                      [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
      EXPECT_GE(moved, r->loads * static_cast<uint64_t>(small->bytes)) << "seed " << seed;
      EXPECT_LE(moved, r->loads * static_cast<uint64_t>(large->bytes)) << "seed " << seed;
      EXPECT_LE(r->lane_use, 1.0);
      EXPECT_LE(r->engine_use, 1.0);
    }
  }
}

TEST_P(ClusterReplay, MovesExactlyTheBytesOfItsLoads) {
  workload w = small_workload(9);
  for (workload_class& c : w.classes) c.bytes = 1e9; // All alike: bytes say how many.
  const auto r = replay_cluster(w, small_cluster(GetParam()));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(std::accumulate(r->bytes_by_source.begin(), r->bytes_by_source.end(), uint64_t{0}),
            r->loads * 1'000'000'000);
}

TEST_P(ClusterReplay, DoesTheSameAgain) {
  const workload w = small_workload(4);
  const auto once = replay_cluster(w, small_cluster(GetParam())), again = replay_cluster(w, small_cluster(GetParam()));
  ASSERT_TRUE(once && again);
  EXPECT_EQ(without_times(*once), without_times(*again));
}

TEST_P(ClusterReplay, IsNeverFasterThanItsGpus) {
  // One GPU, every set at once in its memory: what it answers on time is bounded by its execution alone.
  const workload w = small_workload(5);
  cluster_options chosen = small_cluster(GetParam());
  chosen.gpus = 1;
  chosen.pool_gb = 1000;
  chosen.max_batch = 1;
  const auto r = replay_cluster(w, chosen);
  ASSERT_TRUE(r) << r.error().message;
  double cheapest_ms = 1e9;
  for (const workload_class& c : w.classes) cheapest_ms = std::min(cheapest_ms, c.base_ms + c.each_ms);
  const double longest_ms = static_cast<double>(w.requests.back().at_us) / 1000 + 1500; // The longest deadline.
  EXPECT_LE(static_cast<double>(r->on_time), longest_ms / cheapest_ms);
}

INSTANTIATE_TEST_SUITE_P(EveryPolicy, ClusterReplay, testing::ValuesIn(policies),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(ClusterReplayOptions, ThatCannotBeAreRefused) {
  const workload w = small_workload(1);
  const std::vector<std::pair<cluster_options, const char*>> wrong{{{.policy = "best"}, "best"},
                                                                   {{.gpus = 0}, "--gpus"},
                                                                   {{.gpus_per_node = 0}, "per-node"},
                                                                   {{.pool_gb = 0}, "--pool-gb"},
                                                                   {{.pool_gb = std::nan("")}, "--pool-gb"},
                                                                   {{.rate = -1}, "--rate"},
                                                                   {{.max_batch = 0}, "--max-batch"},
                                                                   {{.copy_engines = 0}, "--copy-engines"},
                                                                   {{.links_gb = {1, 0, 1}}, "--links"}};
  for (const auto& [chosen, named] : wrong) {
    const auto r = replay_cluster(w, chosen);
    ASSERT_FALSE(r) << named;
    EXPECT_THAT(r.error().message, testing::HasSubstr(named));
  }
}

TEST(ClusterReplayOfDxv, ServesWhatFits) {
  cluster_options chosen = small_cluster("dxv");
  chosen.rate = 0.5;
  const auto r = replay_cluster(small_workload(2), chosen);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_GE(r->on_time_ppm, 950'000u);
}

} // namespace

} // namespace fastptm::sim
