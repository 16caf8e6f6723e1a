// Exported regions: names, bounds, pins and withdrawal.
#include "transport/exporter.hpp"

#include <array>

#include <gtest/gtest.h>

namespace fastptm::transport {

namespace {

struct Exporter : testing::Test {
  std::array<std::byte, 4096> bytes{};
  exporter exports;
  exported add() { return exports.add({{bytes.data(), bytes.size()}, -1}); }
};

TEST_F(Exporter, NeverGivesANameTwice) {
  const auto first = add();
  exports.withdraw(first, [] {});
  const auto second = add();
  EXPECT_NE(first.region, second.region);
  EXPECT_NE(first.generation, second.generation);
}

TEST_F(Exporter, PinsOnlyWhatLiesInside) {
  const auto name = add();
  EXPECT_TRUE(exports.pin({name.region, name.generation, 0, 4096}));
  EXPECT_EQ(exports.pin({name.region, name.generation, 1, 4096}).error().code, core::errc::invalid);
  EXPECT_EQ(exports.pin({name.region, name.generation, ~uint64_t{0}, 2}).error().code, core::errc::invalid);
  EXPECT_EQ(exports.pin({name.region, name.generation, 0, 0}).error().code, core::errc::invalid);
  EXPECT_EQ(exports.pin({name.region, name.generation + 1, 0, 1}).error().code, core::errc::not_found);
}

TEST_F(Exporter, WithdrawalWaitsForTheLastPinAndRefusesNewOnes) {
  const auto name = add();
  const remote_range range{name.region, name.generation, 0, 16};
  ASSERT_TRUE(exports.pin(range));
  ASSERT_TRUE(exports.pin(range));
  int done = 0;
  exports.withdraw(name, [&] { ++done; });
  EXPECT_EQ(exports.pin(range).error().code, core::errc::not_found);
  exports.unpin(range);
  EXPECT_EQ(done, 0);
  exports.unpin(range);
  EXPECT_EQ(done, 1);
}

TEST_F(Exporter, WithdrawingAnUnknownNameIsDoneAtOnce) {
  bool done = false;
  exports.withdraw({99, 99}, [&] { done = true; });
  EXPECT_TRUE(done);
}

TEST_F(Exporter, OffersOnlySealedFilesForMapping) {
  EXPECT_EQ(exports.mappable(add()).error().code, core::errc::not_found);
}

} // namespace

} // namespace fastptm::transport
