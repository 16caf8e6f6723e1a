// From moments of a device and stages of a loader to one account that adds up.
#include "actors/device/load_account.hpp"

#include <gmock/gmock.h>

namespace fastptm::actors {
namespace {

using testing::ElementsAre;

using row = std::tuple<std::string, int64_t, int64_t>;

std::vector<row> rows_of(const std::vector<protocol::load_stage>& stages) {
  std::vector<row> rows;
  for (const auto& stage : stages) rows.emplace_back(stage.name, stage.start_us, stage.end_us);
  return rows;
}

TEST(LoadAccount, BeginsWithTheDecisionAndLeavesNothingBetweenTwoActors) {
  const load_times times{.decided_us = 5, .ordered_us = 1'000, .room_us = 1'020, .begun_us = 1'050, .bound_us = 1'060};
  weights::load_report report;
  report.stages = {{"plan", 1'064, 1'070}, {"fetch", 1'070, 1'200}};
  report.end_us = 1'203;
  EXPECT_THAT(rows_of(stages_of(times, report)),
              ElementsAre(row{"decide", 0, 5}, row{"queue", 5, 25}, row{"evict", 25, 55}, row{"bind", 55, 65},
                          row{"plan", 65, 75}, row{"fetch", 75, 205}, row{"done", 205, 208}));
}

TEST(LoadAccount, ALoadOfNothingIsDoneAtOnce) {
  const load_times times{.decided_us = 0, .ordered_us = 1'000, .room_us = 1'000, .begun_us = 1'000, .bound_us = 1'000};
  weights::load_report report;
  report.end_us = 1'000;
  EXPECT_THAT(rows_of(stages_of(times, report)), ElementsAre(row{"done", 0, 0}));
}

TEST(LoadAccount, ABatchHidesWhatItComputesWithinTheLoad) {
  const computing batch{100, 200, 0};
  EXPECT_EQ(computed_us(batch, 0, 1'000), 100);
  EXPECT_EQ(computed_us(batch, 150, 1'000), 50);
  EXPECT_EQ(computed_us(batch, 0, 130), 30);
  EXPECT_EQ(computed_us(batch, 120, 130), 10);
  EXPECT_EQ(computed_us(batch, 200, 1'000), 0);
  EXPECT_EQ(computed_us(batch, 0, 100), 0);
}

TEST(LoadAccount, ABatchThatWaitsForALayerHidesNothingMeanwhile) {
  EXPECT_EQ(computed_us({100, 200, 70}, 0, 1'000), 30);
  EXPECT_EQ(computed_us({100, 200, 70}, 150, 1'000), 0);
}

} // namespace
} // namespace fastptm::actors
