// One device and the orders it gets: where sets lie, what waits for what, what is left when something fails.
#include "tests/actors/device/gpu_worker_rig.hpp"

namespace fastptm::actors {
namespace {

using namespace rig;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class GpuWorker : public gpu_worker_rig {};

TEST_F(GpuWorker, LoadsASetToThePlacesOfItsOrder) {
  const auto places = places_from(12 * gap_bytes, a_);
  order_load(1, 5, a_, places);
  ASSERT_EQ(fetcher_.asked.size(), a_.shards.size());
  for (size_t i = 0; i < places.size(); ++i)
    EXPECT_EQ(fetcher_.asked[i].request.target.address, device_->memory().slab().address + places[i]) << "shard " << i;
  EXPECT_FALSE(answers_.contains(1));
  land_all();
  ASSERT_TRUE(answers_.contains(1));
  EXPECT_TRUE(*answers_[1]);
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  EXPECT_THAT(rows_.back().second.offsets_bytes, ElementsAre(places));
  EXPECT_EQ(used_bytes(), bytes_of(a_));
}

TEST_F(GpuWorker, FetchesOnlyWhatNoSetThatItHasBrought) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  order_load(2, 6, a_, places);
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  ASSERT_TRUE(answers_.contains(2));
  EXPECT_EQ(used_bytes(), bytes_of(a_));
  order_evict(5);
  EXPECT_THAT(freed_, ElementsAre(0u)) << "the other one has all of it";
  order_evict(6);
  EXPECT_THAT(freed_, ElementsAre(0u, bytes_of(a_)));
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, TellsTheFirstShardAtOnceAndWhatFollowsCloselyTogether) {
  const auto shards = a_.shards.size();
  ASSERT_GE(shards, 3u);
  order_load(1, 5, a_, places_from(0, a_));
  for (size_t i = 0; i + 1 < shards; ++i) land();
  EXPECT_EQ(held_.size(), 1u) << "a chain of loads waits for it";
  world_.advance(10'000);
  EXPECT_EQ(held_.size(), shards - 1);
  EXPECT_EQ(held_messages_, 2u);
  land();
  EXPECT_EQ(held_.size(), shards) << "the load has ended";
}

TEST_F(GpuWorker, LetsOthersReadTheFirstChunksOfAShardUnderTheNameThatAllOfItWillHave) {
  auto shape = tests::tiny_shape;
  shape.vocabulary = 40 << 10; // its embeddings take three chunks
  const auto large = tests::set_of(shape, 1);
  ASSERT_EQ(large.shards[0].chunk_checksums.size(), 3u);
  order_load(1, 5, large, places_from(0, large));
  land();
  ASSERT_EQ(held_.size(), 1u);
  EXPECT_EQ(held_[0].chunks, 1u);
  const transport::remote_range range{held_[0].region, held_[0].generation, 0, 4 << 20};
  EXPECT_TRUE(exports_.pin(range));
  exports_.unpin(range);
  land();
  world_.advance(10'000);
  EXPECT_EQ(held_.back().chunks, 2u);
  land_all();
  world_.advance(10'000);
  const auto whole =
      std::ranges::find_if(held_, [&](const auto& one) { return one.shard == held_[0].shard && one.is_whole(); });
  ASSERT_NE(whole, held_.end());
  EXPECT_EQ(whole->region, held_[0].region);
  EXPECT_EQ(whole->generation, held_[0].generation);
}

TEST_F(GpuWorker, TakesBackThePartsOfALoadThatIsGivenUp) {
  auto shape = tests::tiny_shape;
  shape.vocabulary = 40 << 10;
  const auto large = tests::set_of(shape, 1);
  order_load(1, 5, large, places_from(0, large));
  land();
  ASSERT_EQ(held_.size(), 1u);
  caf::anon_send(worker_, cancel_atom_v, core::load_id{1});
  world_.run();
  EXPECT_THAT(dropped_, ElementsAre(held_[0].shard));
  EXPECT_FALSE(exports_.pin({held_[0].region, held_[0].generation, 0, 4096}));
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, TellsWhatIsSharedWithOtherTenantsApart) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  order_load(2, 6, a_, places, "globex");
  order_load(3, 7, a_, places, "globex");
  ASSERT_EQ(reports_.size(), 3u);
  ASSERT_EQ(reports_[1].sources.size(), 1u);
  EXPECT_EQ(reports_[1].sources[0].path, "others");
  EXPECT_EQ(reports_[1].sources[0].bytes, bytes_of(a_));
  EXPECT_GT(reports_[1].sources[0].chunks, 0u);
  ASSERT_EQ(reports_[2].sources.size(), 1u);
  EXPECT_EQ(reports_[2].sources[0].path, "") << "globex has one of its own there";
}

TEST_F(GpuWorker, TellsWhatALoadWaitedForAheadOfItsTransfer) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  const auto& read = held_.front();
  const transport::remote_range range{read.region, read.generation, 0, 4096};
  ASSERT_TRUE(exports_.pin(range));
  order_load(2, 6, b_, places_from(1 << 20, b_));
  order_evict(5);
  order_load(3, 5, a_, places);
  world_.advance(20'000);
  land_all(); // the load ahead of it
  world_.advance(30'000);
  exports_.unpin(range);
  world_.run();
  world_.advance(5'000);
  land_all();
  ASSERT_EQ(reports_.back().id.value, 3u);
  EXPECT_EQ(spent_on("queue"), 20'000);
  EXPECT_EQ(spent_on("evict"), 30'000);
  EXPECT_EQ(spent_on("fetch"), 5'000);
  EXPECT_EQ(reports_.back().wall_us, 55'000);
  EXPECT_EQ(reports_.back().critical, "evict");
}

TEST_F(GpuWorker, TellsHowMuchOfALoadWasHiddenBehindBatchesOfOthers) {
  load(1, 5, a_, places_from(0, a_));
  order_run(1, 5);
  const auto began_us = world_.clock().now_us();
  world_.advance(10'000);
  order_load(2, 6, b_, places_from(1 << 20, b_));
  world_.advance(30'000);
  end_run(began_us);
  world_.advance(50'000);
  order_run(2, 5); // which is not over when the load is
  world_.advance(20'000);
  land_all();
  ASSERT_EQ(reports_.back().id.value, 2u);
  EXPECT_EQ(reports_.back().wall_us, 100'000);
  EXPECT_EQ(reports_.back().hidden_ppm, 500'000u);
  end_run(world_.clock().now_us());
}

TEST_F(GpuWorker, TellsHowMuchOfALoadWasHiddenBehindItsOwnLayers) {
  order_load(1, 5, a_, places_from(0, a_));
  order_run(1, 5);
  const auto began_us = world_.clock().now_us();
  world_.advance(40'000);
  land_all();
  EXPECT_TRUE(reports_.empty()) << "its first result is the end of the story";
  world_.advance(10'000);
  end_run(began_us, 30'000);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_EQ(reports_.back().wall_us, 40'000);
  EXPECT_EQ(reports_.back().hidden_ppm, 250'000u);
  EXPECT_EQ(reports_.back().stages.back().name, "first_result");
  EXPECT_EQ(reports_.back().stages.back().start_us, 50'000);
}

TEST_F(GpuWorker, RefusesAPlaceThatIsNotFreeAndKeepsNothingOfTheSet) {
  load(1, 5, a_, places_from(0, a_));
  auto places = places_from(bytes_of(a_) + a_.shards.size() * gap_bytes, b_);
  places.back() = 0;
  order_load(2, 6, b_, places);
  EXPECT_EQ(code_of(2), core::errc::does_not_fit);
  EXPECT_EQ(used_bytes(), bytes_of(a_));
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
}

TEST_F(GpuWorker, RefusesASharedShardThatIsPlannedElsewhere) {
  load(1, 5, a_, places_from(0, a_));
  order_load(2, 6, a_, places_from(gap_bytes, a_));
  EXPECT_EQ(code_of(2), core::errc::does_not_fit);
  EXPECT_EQ(used_bytes(), bytes_of(a_));
}

TEST_F(GpuWorker, RefusesAnOrderWithoutAPlaceForEveryShard) {
  auto places = places_from(0, a_);
  places.pop_back();
  order_load(1, 5, a_, places);
  ASSERT_TRUE(answers_.contains(1));
  ASSERT_FALSE(*answers_[1]);
  EXPECT_THAT(answers_[1]->error().message, HasSubstr("one place for every shard"));
}

TEST_F(GpuWorker, LoadsNothingByAManifestThatIsNotTheOneThatWasPublished) {
  published_ = weights::digest_of(b_);
  order_load(1, 5, a_, places_from(0, a_));
  EXPECT_EQ(code_of(1), core::errc::corrupt);
  EXPECT_THAT(answers_[1]->error().message, HasSubstr("acme/m@5: the manifest that came"));
  EXPECT_TRUE(fetcher_.asked.empty());
  EXPECT_EQ(used_bytes(), 0u);
  published_ = weights::digest_of(a_);
  load(2, 5, a_, places_from(0, a_));
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
}

// The scheduler orders both at once and needs no answer in between.
TEST_F(GpuWorker, BeginsALoadWhenWhatLeavesHasBeenReadByEverybody) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  const auto& read = held_.front();
  const transport::remote_range range{read.region, read.generation, 0, 4096};
  ASSERT_TRUE(exports_.pin(range));
  order_evict(5);
  order_load(2, 6, b_, places);
  EXPECT_THAT(fetcher_.asked, IsEmpty()) << "a peer still reads there";
  exports_.unpin(range);
  world_.run();
  EXPECT_THAT(freed_, ElementsAre(bytes_of(a_)));
  land_all();
  ASSERT_TRUE(answers_.contains(2));
  EXPECT_TRUE(*answers_[2]);
}

TEST_F(GpuWorker, LoadsOneSetAfterTheOther) {
  order_load(1, 5, a_, places_from(0, a_));
  order_load(2, 6, b_, places_from(1 << 20, b_));
  EXPECT_EQ(fetcher_.asked.size(), a_.shards.size());
  for (size_t i = 0; i < a_.shards.size(); ++i) land();
  EXPECT_TRUE(answers_.contains(1));
  EXPECT_EQ(fetcher_.asked.size(), b_.shards.size());
  land_all();
  EXPECT_THAT(resident(), ElementsAre("acme/m@5", "acme/m@6"));
}

TEST_F(GpuWorker, FreesTheBytesOfALoadThatIsCancelled) {
  order_load(1, 5, a_, places_from(0, a_));
  land();
  caf::anon_send(worker_, cancel_atom_v, core::load_id{1});
  world_.run();
  EXPECT_EQ(code_of(1), core::errc::cancelled);
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, DropsACancelledLoadThatHasNotBegun) {
  order_load(1, 5, a_, places_from(0, a_));
  order_load(2, 6, b_, places_from(1 << 20, b_));
  caf::anon_send(worker_, cancel_atom_v, core::load_id{2});
  world_.run();
  EXPECT_EQ(code_of(2), core::errc::cancelled);
  land_all();
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
}

// Its answer and the cancel have crossed: nobody plans with the set.
TEST_F(GpuWorker, GivesUpASetWhoseLoadIsCancelledAfterItsEnd) {
  load(1, 5, a_, places_from(0, a_));
  caf::anon_send(worker_, cancel_atom_v, core::load_id{1});
  world_.run();
  EXPECT_THAT(resident(), IsEmpty());
  EXPECT_EQ(used_bytes(), 0u);
}

// A head that has died counts its loads from one again, and knows this set from the device's own report.
TEST_F(GpuWorker, KeepsASetOfAnEarlierRegistrationWhenALoadOfThatNumberIsCancelled) {
  load(1, 5, a_, places_from(0, a_));
  attach({8});
  caf::anon_send(worker_, cancel_atom_v, core::load_id{1});
  world_.run();
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  EXPECT_EQ(used_bytes(), bytes_of(a_));
}

TEST_F(GpuWorker, LoadsASetAnewThatItsSchedulerDoesNotKnowItHas) {
  load(1, 5, a_, places_from(0, a_));
  const auto elsewhere = places_from(1 << 20, a_);
  order_load(2, 5, a_, elsewhere);
  EXPECT_EQ(fetcher_.asked.size(), a_.shards.size());
  land_all();
  ASSERT_TRUE(answers_.contains(2));
  EXPECT_TRUE(*answers_[2]);
  EXPECT_THAT(rows_.back().second.offsets_bytes, ElementsAre(elsewhere));
  EXPECT_EQ(used_bytes(), bytes_of(a_));
}

TEST_F(GpuWorker, SaysWhyALoadFailedAndFreesItsBytes) {
  order_load(1, 5, a_, places_from(0, a_));
  for (int i = 0; i < 1100 && !answers_.contains(1); ++i) world_.advance(1000);
  EXPECT_EQ(code_of(1), core::errc::deadline_exceeded);
  EXPECT_EQ(used_bytes(), 0u);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_FALSE(reports_[0].ok());
}

TEST_F(GpuWorker, TellsWhereItsSetsLieWhenItsNodeJoinsAgain) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  order_load(2, 6, b_, places_from(1 << 20, b_));
  held_.clear();
  attach({8});
  EXPECT_EQ(code_of(2), core::errc::cancelled) << "of the life before";
  EXPECT_EQ(rows_.back().first.value, 8u);
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  EXPECT_THAT(rows_.back().second.offsets_bytes, ElementsAre(places));
  EXPECT_EQ(held_.size(), a_.shards.size());
  order_load(3, 6, b_, places_from(1 << 20, b_));
  EXPECT_EQ(code_of(3), core::errc::unavailable) << "an order of the life before";
}

TEST_F(GpuWorker, RefusesARunOnASetThatItDoesNotHave) {
  caf::scoped_actor asker(world_.system());
  auto answer = asker->request(worker_, caf::infinite, run_order{first_life, {1}, {5}, 0, 1'000'000});
  world_.run();
  answer.receive([](const run_reply&) { ADD_FAILURE(); },
                 [](const caf::error& why) { EXPECT_EQ(from_caf(why).code, core::errc::unavailable); });
}

TEST_F(GpuWorker, EndsWhenItHasGivenEverythingBack) {
  load(1, 5, a_, places_from(0, a_));
  order_load(2, 6, b_, places_from(1 << 20, b_));
  caf::anon_send(worker_, stop_atom_v);
  world_.run();
  EXPECT_EQ(code_of(2), core::errc::unavailable);
  EXPECT_EQ(used_bytes(), 0u);
}

} // namespace
} // namespace fastptm::actors
