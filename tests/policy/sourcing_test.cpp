// Names and permissions of source kinds.
#include "policy/sourcing.hpp"

#include <array>

#include <gtest/gtest.h>

namespace fastptm::policy {

namespace {

TEST(Sourcing, NamesEveryKindAndFindsItAgain) {
  for (uint32_t i = 0; i < source_kind_count; ++i) {
    const auto kind = static_cast<source_kind>(i);
    EXPECT_EQ(source_kind_from(to_string(kind)), kind);
    EXPECT_GT(assumed_rate_bps(kind), 0u);
  }
  EXPECT_EQ(source_kind_from("floppy"), std::nullopt);
}

TEST(Sourcing, AllowsEverythingUnlessTold) {
  EXPECT_TRUE(allowed_sources().contains(source_kind::peer_device));
  const allowed_sources only(std::array{source_kind::disk, source_kind::host_cache});
  EXPECT_TRUE(only.contains(source_kind::disk));
  EXPECT_FALSE(only.contains(source_kind::peer_device));
}

} // namespace

} // namespace fastptm::policy
