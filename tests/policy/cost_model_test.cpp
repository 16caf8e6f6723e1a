// Estimates: priors first, then what was measured, shared by devices of a kind.
#include "policy/cost_model.hpp"

#include <gtest/gtest.h>

namespace fastptm::policy {
namespace {

constexpr device_index a{0}, b{1}, other{2};
constexpr load_prior links{.base_us = 0, .bytes_per_s = {10'000'000, 5'000'000, 1'000'000}};

class CostModel : public testing::Test {
protected:
  void SetUp() override {
    costs.set_class(0, {.base_us = 0, .each_us = 27'700});
    costs.set_device(a, 0);
    costs.set_device(b, 0);
    costs.set_device(other, 1);
  }
  void measure(device_index d, core::duration_us took_us, int times = 1) {
    for (int i = 0; i < times; ++i) costs.measured_execution(0, d, 1, took_us);
  }
  core::duration_us one_us(device_index d) const { return costs.execution_us(0, d, 1); }

  cost_model costs{links};
};

TEST_F(CostModel, TakesThePriorUntilSomethingIsMeasured) {
  EXPECT_EQ(one_us(a), 27'700);
  EXPECT_EQ(one_us(other), 27'700);
}

TEST(AssumedExecution, GrowsWithTheOperationsOfAToken) {
  const auto small = assumed_execution(10'000'000), large = assumed_execution(170'000'000); // BERT base: 170 MFLOP
  EXPECT_EQ(large.each_us, 217'600);
  EXPECT_EQ(large.base_us, small.base_us);
  EXPECT_EQ(small.each_us, 12'800);
  EXPECT_EQ(assumed_execution(1).each_us, 50) << "nothing is free";
  EXPECT_GT(assumed_execution(UINT64_MAX / 2).each_us, 0) << "nothing overflows";
}

TEST_F(CostModel, LetsTheFirstMeasurementOfAKindSetTheHeight) {
  measure(a, 9'900);
  EXPECT_NEAR(static_cast<double>(one_us(a)), 9'900, 2);
}

TEST_F(CostModel, TakesAnUnmeasuredDeviceToBeAsFastAsTheFastestOfItsKind) {
  measure(a, 9'900);
  EXPECT_EQ(one_us(b), one_us(a));
  measure(b, 30'000, 50);
  EXPECT_GT(one_us(b), 25'000);
  costs.set_device({3}, 0);
  EXPECT_EQ(one_us({3}), one_us(a));
}

TEST_F(CostModel, NeverMakesAnUnmeasuredDeviceWorseThanAMeasuredOneOfItsKind) {
  for (const core::duration_us took_us : {9'900, 30'000, 5'000, 40'000, 8'000, 8'000, 60'000, 7'000}) {
    measure(a, took_us);
    EXPECT_LE(one_us(b), one_us(a)) << "after " << took_us;
  }
}

TEST_F(CostModel, TellsAnotherKindNothing) {
  measure(a, 9'900, 20);
  EXPECT_EQ(one_us(other), 27'700);
}

TEST_F(CostModel, KeepsWhatAKindHasLearnedWhenItsDevicesAreReplaced) {
  measure(a, 9'900, 20);
  costs.set_device(a, 0);
  EXPECT_NEAR(static_cast<double>(one_us(a)), 9'900, 10);
}

TEST_F(CostModel, ForgetsADeviceThatIsOfAnotherKindNow) {
  measure(a, 9'900, 20);
  costs.set_device(a, 1);
  EXPECT_EQ(one_us(a), 27'700);
  measure(b, 12'000, 20);
  EXPECT_EQ(one_us(a), 27'700);
}

TEST_F(CostModel, MovesByABoundedFactorForAnOutlier) {
  measure(a, 10'000, 30);
  measure(a, 10'000'000);
  EXPECT_LT(one_us(a), 20'000);
}

TEST_F(CostModel, LearnsTheShapeFromBatchesOfDifferentSize) {
  for (int i = 0; i < 60; ++i)
    for (const uint32_t batch : {1u, 8u}) costs.measured_execution(0, a, batch, 1'000 + 500 * batch);
  EXPECT_NEAR(static_cast<double>(costs.execution_us(0, a, 4)), 3'000, 60);
  EXPECT_NEAR(static_cast<double>(costs.execution_us(0, b, 8)), 5'000, 60);
}

TEST_F(CostModel, LetsTheFirstLoadOverALinkSetItsRate) {
  costs.measured_load(source_kind::host_cache, 10'000'000, 1'000'000); // Half of what was assumed.
  EXPECT_NEAR(static_cast<double>(costs.load_us(source_kind::host_cache, 10'000'000)), 1'000'000, 10);
  costs.measured_load(source_kind::host_cache, 10'000'000, 2'000'000);
  EXPECT_LT(costs.load_us(source_kind::host_cache, 10'000'000), 1'100'000);
}

} // namespace
} // namespace fastptm::policy
