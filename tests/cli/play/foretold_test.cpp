// From what ran to typical costs, and from these to what a replay says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/play/foretold.hpp"

namespace fastptm::cli {

namespace {

using testing::ElementsAre;

constexpr core::time_us start_us = 5'000'000'000;

// Batches one after the other, each on its own set that is there since before the start.
class Foretold : public testing::Test {
protected:
  void ran(const std::string& device, uint32_t model, uint32_t size, core::duration_us run_us) {
    ran_after(900'000, device, model, size, run_us); // After the batch before had ended.
  }
  void ran_after(core::duration_us waited_us, const std::string& device, uint32_t model, uint32_t size,
                 core::duration_us run_us) {
    const auto end_us = start_us + static_cast<core::time_us>(++batch_) * 1'000'000;
    for (uint32_t i = 0; i < size; ++i)
      requests_.push_back({request_++, model, end_us - waited_us, end_us + 100, device, batch_, end_us, run_us});
  }
  void had(const std::string& device, uint32_t model) { loaded(device, model, -9'000'000, 90'000, 0); }
  // `left_us` since the start too; 0: still there.
  void loaded(const std::string& device, uint32_t model, core::time_us at_us, core::duration_us took_us,
              core::time_us left_us) {
    loads_.push_back(
        {device, model, start_us + at_us, start_us + at_us + took_us, left_us == 0 ? 0 : start_us + left_us});
  }
  typical_run typical(uint32_t models) {
    const auto drawn = draw_up(requests_, loads_, start_us);
    EXPECT_TRUE(drawn) << drawn.error().message;
    return drawn ? typical_of(requests_, *drawn, start_us, models) : typical_run();
  }

  std::vector<ran_request> requests_;
  std::vector<ran_load> loads_;
  uint64_t batch_ = 0;
  uint32_t request_ = 0;
};

TEST_F(Foretold, ExecutionIsTheLineThroughAllBatches) {
  had("a/host0", 0);
  for (const core::duration_us off_us : {-300, 300}) { // About 4 ms + 2 ms each.
    ran("a/host0", 0, 1, 6'000 + off_us);
    ran("a/host0", 0, 2, 8'000 - off_us);
    ran("a/host0", 0, 4, 12'000 + off_us);
  }
  const auto costs = typical(1).costs;
  EXPECT_EQ(costs.exec_base_us, 4'000);
  EXPECT_EQ(costs.exec_us, 2'000);
  EXPECT_EQ(costs.max_batch, 4u);
}

TEST_F(Foretold, BatchesOfOneSizeTellNothingOfAFixedPart) {
  had("a/host0", 0);
  ran("a/host0", 0, 2, 7'000);
  ran("a/host0", 0, 2, 9'000);
  const auto costs = typical(1).costs;
  EXPECT_EQ(costs.exec_base_us, 0);
  EXPECT_EQ(costs.exec_us, 4'000);
}

TEST_F(Foretold, NeitherPartOfAnExecutionIsBelowNothing) {
  had("a/host0", 0);
  ran("a/host0", 0, 1, 1'000);
  ran("a/host0", 0, 2, 8'000); // 7 ms more for one more: the best line through nothing is 17 / 5 ms each.
  auto costs = typical(1).costs;
  EXPECT_EQ(costs.exec_base_us, 0);
  EXPECT_EQ(costs.exec_us, 3'400);
  requests_.clear();
  ran("a/host0", 0, 1, 8'000);
  ran("a/host0", 0, 2, 6'000); // More cost less.
  costs = typical(1).costs;
  EXPECT_EQ(costs.exec_base_us, 6'999);
  EXPECT_EQ(costs.exec_us, 1);
}

TEST_F(Foretold, WhatALaneIdlesBeforeABatchThatWaitedIsAPartOfIt) {
  had("a/host0", 0);
  had("a/host0", 1);
  ran("a/host0", 0, 1, 5'000);
  ran_after(1'500'000, "a/host0", 0, 1, 995'000); // 5 ms after the end of the one before.
  ran_after(1'999'000, "a/host0", 0, 1, 997'000); // 3 ms
  ran_after(1'999'000, "a/host0", 1, 1, 900'000); // Of another model: the lane may have waited for that.
  const auto costs = typical(2).costs;
  EXPECT_EQ(costs.exec_us, 724'250); // (5 + 995 + 997 + 900) / 4
  EXPECT_EQ(costs.exec_base_us, 4'000);
}

TEST_F(Foretold, ALoadTakesTheMeanOfThoseOfTheRun) {
  had("a/host0", 0);
  loaded("a/host0", 1, 100'000, 30'000, 0);
  loaded("a/host0", 2, 200'000, 50'000, 0);
  ran("a/host0", 1, 1, 5'000);
  EXPECT_EQ(typical(3).costs.switch_us, 40'000);
}

TEST_F(Foretold, WithoutALoadInTheRunTheEarlierOnesCount) {
  had("a/host0", 0);
  loaded("a/host0", 1, -5'000'000, 30'000, 0);
  ran("a/host0", 1, 1, 5'000);
  EXPECT_EQ(typical(2).costs.switch_us, 60'000);
}

TEST_F(Foretold, TheStartIsWhatHadComeAndNotLeft) {
  loaded("a/host0", 3, -9'000'000, 90'000, -1'000'000); // Left before.
  loaded("a/host0", 2, -8'000'000, 90'000, 500'000);    // Left later.
  loaded("a/host0", 1, -7'000'000, 90'000, 0);
  loaded("a/host0", 0, 600'000, 90'000, 0); // Came later.
  loaded("b/host0", 1, -10'000, 90'000, 0); // Was on its way.
  ran("a/host0", 1, 1, 5'000);
  const auto made = typical(4);
  EXPECT_EQ(made.lanes, 2u);
  EXPECT_THAT(made.start, ElementsAre(ElementsAre(1, 2), ElementsAre(1)));
  EXPECT_EQ(made.costs.resident, 2u);
}

TEST_F(Foretold, WhereNothingEverLeftThereIsRoomForAll) {
  had("a/host0", 0);
  had("a/host0", 1);
  ran("a/host0", 1, 1, 5'000);
  EXPECT_EQ(typical(7).costs.resident, 7u);
}

TEST_F(Foretold, TheReplayStartsFromThereAndTakesTheseCosts) {
  loaded("a/host0", 1, -9'000'000, 90'000, -8'000'000); // There is room for one.
  had("a/host0", 0);
  ran("a/host0", 0, 1, 5'000);
  const auto costs = typical(2);
  const sim::trace trace{{{0, 0, 100}, {1, 1, 101}, {2, 1, 50}}, 2, 2};
  const auto said = foretell(trace, costs); // 5 ms, then a load of 90 and 5 ms for each; one has 48 ms.
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(said->loads, 1u);
  EXPECT_EQ(said->overtime, 1u);
  EXPECT_EQ(said->total_ms, 105);
  EXPECT_EQ(replay_options(costs, 2, 3'000'000),
            "-p dxv -m 1 --rate 2 --deadline-ms 3000 --K-ms 0 --prefetch 1 --exec-base-ms 0 --exec-ms 5 --switch-ms 90 "
            "--max-batch 1 --resident 1 --copy-engines 1 --layers 1");
}

} // namespace

} // namespace fastptm::cli
