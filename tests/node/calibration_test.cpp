// What the scheduler expects of links before the first load: what the head has measured.
#include "node/calibration.hpp"

#include <gtest/gtest.h>

namespace fastptm::node {
namespace {

constexpr uint64_t gigabyte = 1'000'000'000;

TEST(Calibration, TellsTheSchedulerWhatPeersAndTheHostsMemoryCarry) {
  policy::scheduling::options expected;
  begin_with({{"map", 9 * gigabyte}, {"cma", 7 * gigabyte}, {"tcp", 3 * gigabyte}, {"io_uring", 2 * gigabyte}},
             expected);
  EXPECT_EQ(expected.peer_bytes_per_s, 7 * gigabyte);
  EXPECT_EQ(expected.home_bytes_per_s, 9 * gigabyte);
}

TEST(Calibration, LeavesTheAssumptionWhereNothingCouldBeMeasured) {
  policy::scheduling::options expected;
  const auto assumed = expected;
  begin_with({{"tcp", 3 * gigabyte}}, expected);
  EXPECT_EQ(expected.peer_bytes_per_s, assumed.peer_bytes_per_s);
  EXPECT_EQ(expected.home_bytes_per_s, assumed.home_bytes_per_s);
}

} // namespace
} // namespace fastptm::node
