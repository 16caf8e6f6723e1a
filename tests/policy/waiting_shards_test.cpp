// Groups of shards by who has them, against a plain search.
#include "policy/waiting_shards.hpp"

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace fastptm::policy {

namespace {

TEST(WaitingShards, KnowsThoseThatWaitAndHaveNoHolder) {
  waiting_shards shards(3);
  EXPECT_TRUE(shards.without_holder().empty());
  shards.set_waiting(1, true);
  shards.set_waiting(2, true);
  EXPECT_EQ(shards.without_holder(), (std::set<uint32_t>{1, 2}));
  shards.set_holders(1, {7});
  EXPECT_EQ(shards.without_holder(), std::set<uint32_t>{2});
  EXPECT_EQ(shards.holders_of(1), waiting_shards::holders{7});
  shards.set_holders(1, {});
  EXPECT_EQ(shards.without_holder(), (std::set<uint32_t>{1, 2}));
}

TEST(WaitingShards, KeepsOneGroupForShardsThatTheSameSourcesHave) {
  waiting_shards shards(1000);
  for (uint32_t i = 0; i < 1000; ++i) {
    shards.set_waiting(i, true);
    shards.set_holders(i, {1, 4});
  }
  EXPECT_EQ(shards.by_holders().size(), 2u); // and the one of those that nobody has
  shards.set_waiting(0, false);
  EXPECT_EQ(*shards.by_holders().at({1, 4}).waiting.begin(), 1u);
}

TEST(WaitingShards, AgreesWithAPlainSearchUnderRandomChanges) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    core::prng random(seed);
    const auto count = static_cast<uint32_t>(1 + random.below(12));
    waiting_shards shards(count);
    std::vector<bool> waits(count);
    std::vector<waiting_shards::holders> who(count);
    for (int step = 0; step < 300; ++step) {
      const auto one = static_cast<uint32_t>(random.below(count));
      if (random.below(2) == 0) {
        waits[one] = random.below(2) == 0;
        shards.set_waiting(one, waits[one]);
      } else {
        who[one].clear();
        for (uint32_t source = 0; source < 3; ++source)
          if (random.below(2) == 0) who[one].push_back(source);
        shards.set_holders(one, who[one]);
      }
      waiting_shards::groups expected;
      expected[{}];
      for (uint32_t i = 0; i < count; ++i) {
        auto& group = expected[who[i]];
        ++group.members;
        if (waits[i]) group.waiting.insert(i);
      }
      ASSERT_EQ(shards.by_holders().size(), expected.size());
      for (const auto& [holders, group] : expected) {
        ASSERT_EQ(shards.by_holders().at(holders).waiting, group.waiting);
        ASSERT_EQ(shards.by_holders().at(holders).members, group.members);
      }
    }
  }
}

} // namespace

} // namespace fastptm::policy
