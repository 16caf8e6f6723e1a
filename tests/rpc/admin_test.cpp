// What operators see through the administration port, in front of doubles of the actors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json_fields.hpp"
#include "tests/rpc/fake_cluster.hpp"

namespace fastptm::rpc {
namespace {

TEST(Admin, ExplainsAModel) {
  const fake_cluster cluster;
  auto client = cluster.connect_admin();
  ASSERT_TRUE(client);
  auto got = (*client)->explain("acme/m@1");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->queued, 3u);
  EXPECT_TRUE(got->has_head);
  EXPECT_EQ(got->head_remaining_us, -5) << "a deadline may have passed";
  ASSERT_EQ(got->devices.size(), 1u);
  EXPECT_EQ(got->devices[0].device, "worker-0/host0");
  EXPECT_EQ(got->devices[0].value_micro_rps, 1'500'000u);
  EXPECT_EQ(got->devices[0].against, "lane_busy");
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
  ASSERT_EQ(got->models.size(), 2u);
  EXPECT_EQ(got->models[0].queued, 7u);
  EXPECT_EQ(got->models[0].late, 2u);
  EXPECT_EQ(got->models[1].queued, 0u);
  const auto& device = got->nodes[0].devices[0];
  ASSERT_EQ(device.loads.size(), 1u);
  EXPECT_EQ(device.loads[0].reason, protocol::load_reason::prefetch);
  EXPECT_EQ(device.loads[0].remaining_us, 1500);
  ASSERT_EQ(device.lanes.size(), 1u);
  EXPECT_EQ(device.lanes[0].requests, 4u);
}

TEST(Admin, TenantsAreNotToldOfQueues) {
  fake_cluster cluster;
  cluster.told().plans = {{{"acme/m@1", 7, 2}}, {}};
  auto client = cluster.connect();
  ASSERT_TRUE(client);
  auto got = (*client)->models();
  ASSERT_TRUE(got);
  ASSERT_EQ(got->size(), 2u);
  EXPECT_EQ(core::json_of(got->front()),
            R"({"name":"acme/m@1","architecture":"","bytes":0,"shards":0,"task":"embed"})");
}

} // namespace
} // namespace fastptm::rpc
