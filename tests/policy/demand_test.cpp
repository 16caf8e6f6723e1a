// How often models are asked for, and which of many devices has most room.
#include "policy/demand.hpp"

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "policy/scheduling/free_room.hpp"

namespace fastptm::policy {
namespace {

TEST(Demand, IsTheShareOfTheRequests) {
  demand d;
  d.reserve({2});
  core::prng random{1};
  for (int i = 0; i < 20'000; ++i) d.requested({random.unit() < 0.7 ? 0u : 1u}, 10);
  EXPECT_NEAR(d.share({0}), 0.7, 0.1);
  EXPECT_NEAR(d.share({1}), 0.3, 0.1);
  EXPECT_EQ(d.share({2}), 0.0);
}

TEST(Demand, ForgetsWhatIsNotAskedForAnyMore) {
  demand d;
  d.reserve({1});
  for (int i = 0; i < 1'000; ++i) d.requested({0}, 4);
  const double before = d.share({0});
  for (int i = 0; i < 4 * 4 * static_cast<int>(demand::requests_per_set); ++i) d.requested({1}, 4);
  EXPECT_LT(d.share({0}), 0.05 * before);
  EXPECT_GT(d.share({1}), d.share({0}));
}

TEST(Demand, StaysFiniteForEver) {
  demand d;
  d.reserve({1});
  for (int i = 0; i < 100'000; ++i) d.requested({static_cast<uint32_t>(i % 2)}, 1);
  EXPECT_NEAR(d.share({0}), 0.5, 0.05);
  EXPECT_NEAR(d.share({1}), 0.5, 0.05);
}

TEST(FreeRoom, KnowsTheRoomiestOfManyDevices) {
  scheduling::free_room room;
  EXPECT_EQ(room.most(), no_device);
  core::prng random{7};
  std::vector<uint64_t> bytes(37, 0);
  for (int i = 0; i < 2'000; ++i) {
    const auto d = static_cast<uint32_t>(random.below(bytes.size()));
    bytes[d] = random.below(4) == 0 ? 0 : random.below(1'000);
    room.set({d}, bytes[d]);
    const uint64_t most = *std::max_element(bytes.begin(), bytes.end());
    if (most == 0)
      ASSERT_EQ(room.most(), no_device);
    else
      ASSERT_EQ(bytes[room.most().value], most);
  }
}

} // namespace
} // namespace fastptm::policy
