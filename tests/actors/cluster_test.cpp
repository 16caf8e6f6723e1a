// A head and two workers over the real middleman: publish, load, run, lose sources, lose the head.
#include <algorithm>

#include <gmock/gmock.h>

#include "core/random.hpp"
#include "tests/support/in_process_cluster.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/until.hpp"

namespace fastptm::actors {
namespace {

class Cluster : public testing::Test {
protected:
  void start_all() {
    cluster_.start_head();
    cluster_.start_worker("worker-0");
    cluster_.start_worker("worker-1");
    ASSERT_TRUE(cluster_.ready({"head", "worker-0", "worker-1"}));
  }

  // Where the model is; the first answer may come before its load has ended, so this waits for a while.
  std::string holder(const std::string& model) {
    std::string found = "nowhere";
    (void)tests::until([&] { // who asks compares
      for (const auto& node : cluster_.nodes())
        for (const auto& device : node.devices)
          for (const auto& name : device.resident)
            if (name == model) found = device.name;
      return found != "nowhere";
    });
    return found;
  }
  static std::string other(const std::string& device) {
    return device == "worker-0/host0" ? "worker-1/host0" : "worker-0/host0";
  }
  static std::string node_of(const std::string& device) { return device.substr(0, device.find('/')); }

  // Makes the device that does not hold the model load it, and returns that load's report.
  protocol::load_report load_elsewhere(const std::string& model) {
    const auto source = holder(model);
    cluster_.cordon(source, true);
    EXPECT_EQ(cluster_.embed(model, {1, 2, 3}).end, protocol::status::ok);
    const auto report = cluster_.loads(2).back();
    EXPECT_EQ(report.device, other(source));
    return report;
  }

  tests::temporary_folder folder_;
  tests::in_process_cluster cluster_{folder_.path()};
};

TEST_F(Cluster, AnswersWhatWasPublished) {
  start_all();
  const auto published = cluster_.publish("m", 1);
  ASSERT_TRUE(published.has_value()) << published.error().message;
  EXPECT_EQ(published->model, "acme/m@1");
  const auto reply = cluster_.embed("acme/m@1", {1, 2, 3});
  ASSERT_EQ(reply.end, protocol::status::ok) << reply.error;
  EXPECT_FALSE(protocol::decode_output(reply.output)->empty());
  EXPECT_TRUE(reply.spent.loaded);
  ASSERT_NE(holder("acme/m@1"), "nowhere");
  const auto again = cluster_.embed("acme/m", {1, 2, 3});
  EXPECT_EQ(again.output.bytes, reply.output.bytes);
  EXPECT_FALSE(again.spent.loaded);
  ASSERT_EQ(cluster_.loads().size(), 1u);
  EXPECT_EQ(cluster_.loads()[0].bytes_moved, published->bytes);
  EXPECT_EQ(cluster_.embed("acme/none", {1}).end, protocol::status::not_found);
}

TEST_F(Cluster, TakesTheBytesFromThePeerThatHoldsThem) {
  start_all();
  ASSERT_TRUE(cluster_.publish("m", 1).has_value());
  const auto first = cluster_.embed("acme/m@1", {4, 5});
  const auto source = node_of(holder("acme/m@1"));
  const auto report = load_elsewhere("acme/m@1");
  ASSERT_EQ(report.sources.size(), 1u);
  EXPECT_EQ(report.sources[0].kind, "peer_device");
  EXPECT_EQ(report.sources[0].node, source);
  EXPECT_EQ(report.sources[0].bytes, report.bytes_moved);
  EXPECT_EQ(cluster_.embed("acme/m@1", {4, 5}).output.bytes, first.output.bytes);
}

TEST_F(Cluster, PlansAgainWhenTheSourceIsDead) {
  start_all();
  ASSERT_TRUE(cluster_.publish("m", 1).has_value());
  const auto first = cluster_.embed("acme/m@1", {4, 5});
  cluster_.network().kill(node_of(holder("acme/m@1")));
  const auto report = load_elsewhere("acme/m@1");
  EXPECT_TRUE(report.ok()) << report.error;
  uint64_t from_store = 0;
  bool failed = false;
  for (const auto& source : report.sources) {
    failed |= source.failed && source.kind == "peer_device";
    if (source.node == "head") from_store += source.bytes;
  }
  EXPECT_TRUE(failed);
  EXPECT_EQ(from_store, report.bytes_moved);
  EXPECT_EQ(cluster_.embed("acme/m@1", {4, 5}).output.bytes, first.output.bytes);
}

TEST_F(Cluster, TakesNoByteFromASourceThatLies) {
  start_all();
  ASSERT_TRUE(cluster_.publish("m", 1).has_value());
  const auto first = cluster_.embed("acme/m@1", {4, 5});
  cluster_.network().corrupt(node_of(holder("acme/m@1")));
  const auto report = load_elsewhere("acme/m@1");
  EXPECT_TRUE(report.ok()) << report.error;
  EXPECT_GT(report.bad_chunks, 0u);
  EXPECT_EQ(cluster_.embed("acme/m@1", {4, 5}).output.bytes, first.output.bytes);
}

TEST_F(Cluster, LoadsOnWhenTheHostCacheIsDamagedAndTheDiskIsNot) {
  constexpr uint64_t seed = 7;
  RecordProperty("seed", std::to_string(seed));
  core::prng random(seed);
  cluster_.start_head();
  cluster_.start_worker("worker-0");
  ASSERT_TRUE(cluster_.ready({"head", "worker-0"}));
  const auto published = cluster_.publish("m", 1);
  ASSERT_TRUE(published.has_value());
  const auto first = cluster_.embed("acme/m@1", {4, 5});
  uint32_t bad_chunks = 0;
  for (size_t round = 1; round <= 5; ++round) {
    SCOPED_TRACE(round);
    ASSERT_TRUE(cluster_.loads(round).back().ok());
    // Its load may be reported before the scheduler has the answer to its order.
    ASSERT_TRUE(tests::until([&] {
      return cluster_
          .ask<uint64_t>(cluster_.head().scheduler, protocol::evict_atom_v, std::string("worker-0/host0"),
                         std::string("acme/m@1"))
          .has_value();
    }));
    for (int each = 0; each < 3; ++each) cluster_.flip_a_byte_of_the_cache(random.below(published->bytes));
    const auto reply = cluster_.embed("acme/m@1", {4, 5});
    ASSERT_EQ(reply.end, protocol::status::ok) << "seed " << seed << ": " << reply.error;
    EXPECT_EQ(reply.output.bytes, first.output.bytes);
    const auto report = cluster_.loads(round + 1).back();
    EXPECT_TRUE(report.ok()) << report.error;
    bad_chunks += report.bad_chunks;
  }
  EXPECT_GT(bad_chunks, 0u);
}

TEST_F(Cluster, SaysWhyWhenNoSourceIsLeft) {
  start_all();
  ASSERT_TRUE(cluster_.publish("m", 1).has_value());
  cluster_.network().kill("head");
  const protocol::infer_request request{"acme/m@1", protocol::task_kind::embed,
                                        protocol::encode_input(std::vector<int32_t>{1}, {}), 1'000'000};
  const auto reply = cluster_.ask<protocol::infer_reply>(cluster_.head().tenants[0].second, request).value();
  EXPECT_NE(reply.end, protocol::status::ok);
  EXPECT_NE(reply.error.find("no source left"), std::string::npos) << reply.error;
  cluster_.network().heal();
  EXPECT_EQ(cluster_.embed("acme/m@1", {1}).end, protocol::status::ok);
}

TEST_F(Cluster, ServesGoOnWhenAWorkerLeaves) {
  start_all();
  ASSERT_TRUE(cluster_.publish("m", 1).has_value());
  const auto first = cluster_.embed("acme/m@1", {4, 5});
  cluster_.stop(node_of(holder("acme/m@1")));
  EXPECT_EQ(cluster_.embed("acme/m@1", {4, 5}).output.bytes, first.output.bytes);
}

TEST_F(Cluster, FindsModelsAndResidentSetsAgainAfterTheHeadCameBack) {
  start_all();
  ASSERT_TRUE(cluster_.publish("m", 1).has_value());
  const auto first = cluster_.embed("acme/m@1", {4, 5});
  const auto device = holder("acme/m@1");
  cluster_.stop("head");
  cluster_.start_head();
  ASSERT_TRUE(cluster_.ready({"worker-0", "worker-1"}));
  EXPECT_EQ(holder("acme/m@1"), device);
  EXPECT_EQ(cluster_.embed("acme/m@1", {4, 5}).output.bytes, first.output.bytes);
  EXPECT_TRUE(cluster_.loads().empty()) << "what was resident was loaded again";
}

TEST_F(Cluster, EvictsFromADeviceOnDemand) {
  start_all();
  const auto published = cluster_.publish("m", 1);
  ASSERT_TRUE(published.has_value());
  ASSERT_EQ(cluster_.embed("acme/m@1", {1}).end, protocol::status::ok);
  const auto freed = cluster_.ask<uint64_t>(cluster_.head().scheduler, protocol::evict_atom_v, holder("acme/m@1"),
                                            std::string("acme/m@1"));
  ASSERT_TRUE(freed.has_value()) << freed.error().message;
  EXPECT_EQ(*freed, published->bytes);
  EXPECT_EQ(cluster_.embed("acme/m@1", {1}).end, protocol::status::ok);
  auto loads = cluster_.loads(2);
  ASSERT_EQ(loads.size(), 2u);
  EXPECT_TRUE(tests::until([&] { // the news may be behind the answer
    loads = cluster_.loads();
    return loads[0].left_us != 0;
  }));
  EXPECT_GT(loads[0].left_us, loads[0].ordered_us);
  EXPECT_LE(loads[0].left_us, core::monotonic_now_us());
  EXPECT_EQ(loads[1].left_us, 0);
}

TEST_F(Cluster, MakesRoomWhenItsFreeBytesAreScattered) {
  cluster_.start_head();
  cluster_.start_worker("worker-0");
  ASSERT_TRUE(cluster_.ready({"worker-0"}));
  auto small = cluster_.tiny_shape(), large = small;
  small.vocabulary = 8 << 10;  // 1.1 MiB: seven fill the arena
  large.vocabulary = 25 << 10; // 3.2 MiB: three small ones give way, but not next to each other
  const std::string names = "abcdefg";
  for (const char name : names) {
    ASSERT_TRUE(cluster_.publish({name}, static_cast<uint64_t>(name), small).has_value());
    ASSERT_EQ(cluster_.embed(std::string("acme/") + name, {1}).end, protocol::status::ok);
  }
  for (const char name : std::string("bdfg"))
    ASSERT_EQ(cluster_.embed(std::string("acme/") + name, {1}).end, protocol::status::ok);
  ASSERT_TRUE(cluster_.publish("large", 99, large).has_value());
  const auto reply = cluster_.embed("acme/large", {1});
  EXPECT_EQ(reply.end, protocol::status::ok) << reply.error;
  ASSERT_EQ(holder("acme/large@1"), "worker-0/host0");
  const auto nodes = cluster_.nodes();
  const auto worker =
      std::find_if(nodes.begin(), nodes.end(), [](const auto& node) { return node.name == "worker-0"; });
  // a, c and e were used the longest ago and free the bytes, in three places. With b between them e may stay.
  EXPECT_THAT(worker->devices[0].resident,
              testing::UnorderedElementsAre("acme/d@1", "acme/e@1", "acme/f@1", "acme/g@1", "acme/large@1"));
  for (const char name : names) EXPECT_EQ(cluster_.embed(std::string("acme/") + name, {1}).end, protocol::status::ok);
}

TEST_F(Cluster, TellsNothingToWhoSpeaksItsProtocolWithoutACertificate) {
  start_all();
  system_config settings(1);
  caf::actor_system stranger(settings);
  const auto found = stranger.middleman().remote_actor("127.0.0.1", cluster_.control_port());
  EXPECT_FALSE(found) << "an actor of the head is published to everybody";
  EXPECT_TRUE(cluster_.ready({"head", "worker-0", "worker-1"}));
}

TEST_F(Cluster, KeepsOutAWorkerThatDoesNotKnowTheSecret) {
  cluster_.start_head();
  cluster_.start_worker("worker-0", "guess");
  ASSERT_TRUE(tests::until([&] { return cluster_.fatal_of("worker-0").has_value(); }));
  EXPECT_EQ(cluster_.fatal_of("worker-0")->code, core::errc::permission_denied);
}

} // namespace
} // namespace fastptm::actors
