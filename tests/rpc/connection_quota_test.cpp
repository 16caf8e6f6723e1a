// Who may have how many connections.
#include "rpc/connection_quota.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastptm::rpc {
namespace {

using testing::HasSubstr;

// How many of `wanted` it gets.
uint32_t enter(connection_quota& quota, const std::string& tenant, uint32_t wanted) {
  uint32_t got = 0;
  while (got < wanted && quota.enter(tenant)) ++got;
  return got;
}

TEST(ConnectionQuota, ATenantHasABoundOfItsOwn) {
  connection_quota quota({.all = 100, .each = 5, .tenants = 2});
  EXPECT_EQ(enter(quota, "acme", 10), 5u);
  const auto more = quota.enter("acme");
  EXPECT_EQ(more.error().code, core::errc::quota_exceeded);
  EXPECT_THAT(more.error().message, HasSubstr("acme has 5 connections"));
  EXPECT_EQ(enter(quota, "globex", 10), 5u);
}

TEST(ConnectionQuota, WhatIsSetAsideForATenantNobodyElseGets) {
  connection_quota quota({.all = 12, .each = 100, .tenants = 3}); // 2 for each, 6 for all
  EXPECT_EQ(enter(quota, "acme", 100), 8u);
  EXPECT_EQ(enter(quota, "globex", 100), 2u);
  EXPECT_EQ(enter(quota, "initech", 100), 2u);
  EXPECT_THAT(quota.enter("initech").error().message, HasSubstr("limit of 12 connections"));
}

TEST(ConnectionQuota, WhoLeavesMakesRoom) {
  connection_quota quota({.all = 12, .each = 100, .tenants = 3});
  ASSERT_EQ(enter(quota, "acme", 100), 8u);
  ASSERT_EQ(enter(quota, "globex", 100), 2u);
  quota.leave("acme");
  EXPECT_EQ(enter(quota, "globex", 100), 1u);
  for (int i = 0; i < 3; ++i) quota.leave("globex");
  EXPECT_EQ(quota.of("globex"), 0u);
  EXPECT_EQ(enter(quota, "acme", 100), 1u);
  EXPECT_EQ(enter(quota, "globex", 100), 2u);
}

TEST(ConnectionQuota, OneTenantMayHaveAll) {
  connection_quota quota({.all = 7, .each = 7, .tenants = 1});
  EXPECT_EQ(enter(quota, "operator", 100), 7u);
}

TEST(ConnectionQuota, MoreTenantsThanConnectionsShareThem) {
  connection_quota quota({.all = 3, .each = 3, .tenants = 100});
  EXPECT_EQ(enter(quota, "acme", 100), 3u);
  quota.leave("acme");
  EXPECT_EQ(enter(quota, "globex", 100), 1u);
}

} // namespace
} // namespace fastptm::rpc
