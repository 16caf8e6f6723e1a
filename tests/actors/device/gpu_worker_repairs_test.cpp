// What a device does about shards that were found damaged.
#include "tests/actors/device/gpu_worker_rig.hpp"

namespace fastptm::actors {
namespace {

using namespace rig;
using testing::ElementsAre;
using testing::IsEmpty;

class GpuWorkerRepairs : public gpu_worker_rig {};

// The transports of this test write nothing: to the scrubber every shard is damaged as soon as it looks.
TEST_F(GpuWorkerRepairs, LoadsADamagedShardAnewToItsPlace) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  const auto damaged = held_.at(1);
  damage(damaged);
  EXPECT_THAT(dropped_, ElementsAre(damaged.shard)) << "nobody reads it any more";
  EXPECT_FALSE(exports_.pin({damaged.region, damaged.generation, 0, 4096}));
  ASSERT_EQ(fetcher_.asked.size(), 1u);
  EXPECT_EQ(fetcher_.asked[0].request.target.address, device_->memory().slab().address + places[1]);
  held_.clear();
  land();
  ASSERT_EQ(held_.size(), 1u) << "and now they may again";
  EXPECT_EQ(held_[0].shard, damaged.shard);
  EXPECT_NE(held_[0].region, damaged.region);
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  EXPECT_EQ(rows_.back().second.damaged_shards, 1u);
  EXPECT_EQ(rows_.back().second.repaired_shards, 1u);
  order_evict(5);
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorkerRepairs, LooksAtACopyThatAPeerDoubts) {
  load(1, 5, a_, places_from(0, a_));
  suspect doubted;
  doubted.copy = held_[0];
  ++doubted.copy.region;
  caf::anon_send(worker_, doubted);
  world_.run();
  scrubber_.check();
  world_.run();
  EXPECT_THAT(dropped_, IsEmpty()) << "it was another copy";
  --doubted.copy.region;
  caf::anon_send(worker_, doubted);
  world_.run();
  scrubber_.check();
  world_.run();
  EXPECT_THAT(dropped_, ElementsAre(doubted.copy.shard));
}

TEST_F(GpuWorkerRepairs, WritesNothingWhereAPeerStillReads) {
  load(1, 5, a_, places_from(0, a_));
  const transport::remote_range range{held_[0].region, held_[0].generation, 0, 4096};
  ASSERT_TRUE(exports_.pin(range));
  damage(held_[0]);
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  exports_.unpin(range);
  world_.run();
  EXPECT_EQ(fetcher_.asked.size(), 1u);
}

TEST_F(GpuWorkerRepairs, RepairsAllDamagedShardsOfASetAtOnceAndLoadsAfterwards) {
  load(1, 5, a_, places_from(0, a_));
  for (const auto& shard : std::vector(held_)) scrubber_.suspect({shard.region, shard.generation});
  for (size_t i = 0; i < a_.shards.size(); ++i) scrubber_.check();
  world_.run();
  order_load(2, 6, b_, places_from(1 << 20, b_));
  EXPECT_EQ(fetcher_.asked.size(), 1u) << "one shard was found first and is on its way";
  for (size_t landed = 0; landed < a_.shards.size(); ++landed) {
    EXPECT_FALSE(answers_.contains(2));
    land();
  }
  EXPECT_EQ(fetcher_.asked.size(), b_.shards.size());
  land_all();
  EXPECT_THAT(resident(), ElementsAre("acme/m@5", "acme/m@6"));
}

TEST_F(GpuWorkerRepairs, AsksAgainForAShardThatNobodyCouldGive) {
  load(1, 5, a_, places_from(0, a_));
  damage(held_[0]);
  ASSERT_EQ(fetcher_.asked.size(), 1u);
  for (int i = 0; i < 1200 && !fetcher_.asked.empty(); ++i) world_.advance(1000); // its patience is a second
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  for (int i = 0; i < 1000 && fetcher_.asked.empty(); ++i) world_.advance(1000);
  ASSERT_EQ(fetcher_.asked.size(), 1u);
  land();
  EXPECT_EQ(rows_.back().second.repaired_shards, 1u);
}

TEST_F(GpuWorkerRepairs, GivesUpARepairWhoseSetIsEvictedBeforeItsPlaceIsFree) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  damage(held_[0]);
  order_evict(5);
  EXPECT_THAT(fetcher_.asked, IsEmpty()) << "cancelled";
  EXPECT_EQ(used_bytes(), 0u);
  load(2, 6, b_, places);
  EXPECT_THAT(resident(), ElementsAre("acme/m@6"));
}

TEST_F(GpuWorkerRepairs, RepairsAShardOfTwoSetsForTheOneThatStays) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  order_load(2, 6, a_, places);
  damage(held_[0]);
  order_evict(5);
  land_all();
  EXPECT_THAT(resident(), ElementsAre("acme/m@6"));
  EXPECT_EQ(rows_.back().second.repaired_shards, 1u);
  order_evict(6);
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorkerRepairs, EndsInTheMiddleOfARepair) {
  load(1, 5, a_, places_from(0, a_));
  damage(held_[0]);
  caf::anon_send(worker_, stop_atom_v);
  world_.run();
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  EXPECT_EQ(used_bytes(), 0u);
}

} // namespace
} // namespace fastptm::actors
