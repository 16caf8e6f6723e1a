// What operators see through the administration port, in front of doubles of the actors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rpc/fake_cluster.hpp"

namespace fastptm::rpc {
namespace {

TEST(Admin, ExplainsAModel) {
  const fake_cluster cluster;
  auto client = cluster.connect_admin();
  ASSERT_TRUE(client);
  auto got = (*client)->explain("acme/m@1");
  ASSERT_TRUE(got) << got.error().message;
  const auto told = (*got)->getExplanation();
  EXPECT_EQ(told.getQueued(), 3u);
  EXPECT_TRUE(told.getHasHead());
  EXPECT_EQ(told.getHeadLeftUs(), -5) << "a deadline may have passed";
  ASSERT_EQ(told.getDevices().size(), 1u);
  EXPECT_TRUE(told.getDevices()[0].getName() == "worker-0/host0");
  EXPECT_EQ(told.getDevices()[0].getValueMicroRps(), 1'500'000u);
  EXPECT_TRUE(told.getDevices()[0].getAgainst() == "lane_busy");
}

TEST(Admin, SaysThatAModelIsNotThere) {
  const fake_cluster cluster;
  auto client = cluster.connect_admin();
  ASSERT_TRUE(client);
  const auto got = (*client)->explain("acme/other@1");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, core::errc::not_found);
}

TEST(Admin, TellsWhatAnEvictionAndAnEmptiedCacheFreed) {
  const fake_cluster cluster;
  auto client = cluster.connect_admin();
  ASSERT_TRUE(client);
  const auto evicted = (*client)->evict("worker-0/host0", "acme/m@1");
  ASSERT_TRUE(evicted) << evicted.error().message;
  EXPECT_EQ(*evicted, 4096u);
  const auto dropped = (*client)->drop_cache();
  ASSERT_TRUE(dropped) << dropped.error().message;
  EXPECT_EQ(*dropped, 8192u);
}

TEST(Admin, StatusShowsQueuesLoadsAndLanes) {
  fake_cluster cluster;
  protocol::device_plan plan{
      "worker-0/host0", {{"acme/m@2", protocol::load_reason::prefetch, 1500}}, {{"acme/m@1", 4, 900}}};
  cluster.told().plans = {{{"acme/m@1", 7, 2}}, {plan}};
  auto client = cluster.connect_admin();
  ASSERT_TRUE(client);
  auto got = (*client)->status();
  ASSERT_TRUE(got) << got.error().message;
  const auto status = (*got)->getStatus();
  ASSERT_EQ(status.getModels().size(), 2u);
  EXPECT_EQ(status.getModels()[0].getQueued(), 7u);
  EXPECT_EQ(status.getModels()[0].getLate(), 2u);
  EXPECT_EQ(status.getModels()[1].getQueued(), 0u);
  const auto device = status.getNodes()[0].getDevices()[0];
  ASSERT_EQ(device.getLoads().size(), 1u);
  EXPECT_TRUE(device.getLoads()[0].getReason() == "prefetch");
  EXPECT_EQ(device.getLoads()[0].getRemainingUs(), 1500u);
  ASSERT_EQ(device.getLanes().size(), 1u);
  EXPECT_EQ(device.getLanes()[0].getRequests(), 4u);
}

TEST(Admin, TenantsAreNotToldOfQueues) {
  fake_cluster cluster;
  cluster.told().plans = {{{"acme/m@1", 7, 2}}, {}};
  auto client = cluster.connect();
  ASSERT_TRUE(client);
  auto got = (*client)->models();
  ASSERT_TRUE(got);
  for (const auto model : (*got)->getModels()) EXPECT_EQ(model.getQueued() + model.getLate(), 0u);
}

} // namespace
} // namespace fastptm::rpc
