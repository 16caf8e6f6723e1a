// Sharing of shards by content, reference counts, and loads that failed.
#include "gpu/shard_table.hpp"

#include <gtest/gtest.h>

namespace fastptm::gpu {
namespace {

core::digest named(uint8_t n) {
  core::digest d;
  d.bytes[0] = n;
  return d;
}

class ShardTable : public testing::Test {
protected:
  arena memory_{{reinterpret_cast<std::byte*>(uintptr_t{1} << 30), 16 * arena::granule_bytes, core::memory_kind::host}};
  shard_table shards_{memory_};
};

TEST_F(ShardTable, SharesOneLeaseBetweenEqualShards) {
  const auto first = shards_.acquire(named(1), 5000, 8192), second = shards_.acquire(named(1), 5000, 8192);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->must_load);
  EXPECT_FALSE(second->must_load);
  EXPECT_EQ(first->region.address, second->region.address);
  EXPECT_EQ(first->region.size_bytes, 5000u);
  EXPECT_EQ(first->verified, second->verified);
  EXPECT_EQ(memory_.used_bytes(), 8192u);
  EXPECT_FALSE(shards_.release(named(1)));
  EXPECT_EQ(shards_.references(named(1)), 1u);
  EXPECT_TRUE(shards_.release(named(1)));
  EXPECT_EQ(memory_.used_bytes(), 0u);
  EXPECT_FALSE(shards_.find(named(1)));
}

TEST_F(ShardTable, PutsAShardWhereItIsPlannedOrSaysThatThePlanIsNotOfThisMemory) {
  const auto first = shards_.acquire(named(1), 5000, 4096);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->offset_bytes, 4096u);
  EXPECT_EQ(first->region.address, memory_.slab().address + 4096);
  EXPECT_EQ(shards_.acquire(named(2), 100, 8192).error().code, core::errc::does_not_fit) << "the first lies there";
  EXPECT_EQ(shards_.acquire(named(1), 5000, 0).error().code, core::errc::does_not_fit) << "it lies elsewhere";
  EXPECT_EQ(shards_.references(named(1)), 1u) << "what is refused counts nothing";
  EXPECT_TRUE(shards_.acquire(named(2), 100, 0));
  shards_.release(named(1));
  shards_.release(named(2));
}

TEST_F(ShardTable, LoadsAShardAgainWhoseLoadFailed) {
  const auto first = shards_.acquire(named(1), 100, 0);
  first->verified->set_failed({core::errc::corrupt, "bad checksum"});
  const auto second = shards_.acquire(named(1), 100, 0);
  EXPECT_TRUE(second->must_load);
  EXPECT_NE(first->verified, second->verified);
  EXPECT_FALSE(second->verified->is_set());
  EXPECT_EQ(first->region.address, second->region.address);
  shards_.release(named(1));
  shards_.release(named(1));
}

TEST_F(ShardTable, LeavesNoTraceOfAShardThatDoesNotFit) {
  const auto refused = shards_.acquire(named(1), 17 * arena::granule_bytes, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::errc::does_not_fit);
  EXPECT_EQ(shards_.size(), 0u);
}

} // namespace
} // namespace fastptm::gpu
