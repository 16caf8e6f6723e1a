// What operators do to a cluster that runs: devices without new work, models taken off one, an emptied host cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Upkeep : public testing::Test {
protected:
  void SetUp() override {
    const auto up = cluster_.up();
    ASSERT_EQ(up.code, 0) << up.err;
  }

  // As an operator: no tenant.
  ended operate(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    return cluster_.run(arguments);
  }

  // Devices that hold the model.
  std::vector<std::string> holders(const std::string& model) const {
    std::vector<std::string> names;
    const auto now = cluster_.status();
    for (const auto& node : *now.find("nodes")->array())
      for (const auto& device : *node.find("devices")->array())
        for (const auto& each : *device.find("resident")->array())
          if (*each.string() == model) names.push_back(text_of(device, "name"));
    return names;
  }

  bool is_cordoned(const std::string& device) const {
    const auto now = cluster_.status();
    for (const auto& node : *now.find("nodes")->array())
      for (const auto& each : *node.find("devices")->array())
        if (text_of(each, "name") == device) return *each.find("cordoned")->boolean();
    return false;
  }

  uint64_t freed_by(const ended& run) const { return *run.json().find("freed_bytes")->unsigned_integer(); }

  cluster cluster_{config_text(2)};
};

TEST_F(Upkeep, ACordonedDeviceGetsNoWorkUntilItIsTold) {
  ASSERT_EQ(operate({"cordon", "worker-0/host0"}).code, 0);
  EXPECT_TRUE(is_cordoned("worker-0/host0"));
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const auto model = cluster_.publish("m" + std::to_string(seed), seed);
    ASSERT_THAT(cluster_.embed(model), Not(IsEmpty()));
    EXPECT_THAT(holders(model), AllOf(Not(IsEmpty()), Each("worker-1/host0")));
  }
  const auto back = operate({"uncordon", "worker-0/host0"});
  ASSERT_EQ(back.code, 0) << back.err;
  EXPECT_FALSE(*back.json().find("cordoned")->boolean());
  ASSERT_EQ(operate({"cordon", "worker-1/host0"}).code, 0);
  const auto model = cluster_.publish("m4", 4);
  ASSERT_THAT(cluster_.embed(model), Not(IsEmpty()));
  EXPECT_THAT(holders(model), AllOf(Not(IsEmpty()), Each("worker-0/host0")));
}

TEST_F(Upkeep, AnEvictedModelLeavesItsDeviceAndStaysPublished) {
  const auto model = cluster_.publish("m", 1);
  const auto before = cluster_.embed(model);
  ASSERT_THAT(before, Not(IsEmpty()));
  ASSERT_TRUE(cluster_.eventually([&] { return !holders(model).empty(); }));
  const auto device = holders(model).front();
  ended done;
  // "busy" for the moment between the answer and the end of its load.
  ASSERT_TRUE(cluster_.eventually([&] {
    return (done = operate({"evict", model, "--device", device})).code == 0;
  })) << done.err;
  EXPECT_GT(freed_by(done), 0u);
  EXPECT_TRUE(cluster_.eventually([&] { return holders(model).empty(); }));
  const auto again = operate({"evict", model, device});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, AllOf(HasSubstr(model), HasSubstr(device), HasSubstr("does not hold")));
  EXPECT_EQ(cluster_.embed(model), before);
}

TEST_F(Upkeep, AfterTheHostCacheWasEmptiedALoadReadsTheDisk) {
  const auto model = cluster_.publish("m", 1);
  ASSERT_THAT(cluster_.embed(model), Not(IsEmpty()));
  ASSERT_TRUE(cluster_.eventually([&] { return !holders(model).empty(); }));
  const auto device = holders(model).front();
  ASSERT_TRUE(cluster_.eventually([&] { return operate({"evict", model, device}).code == 0; }));
  const auto dropped = operate({"drop-cache"});
  ASSERT_EQ(dropped.code, 0) << dropped.err;
  EXPECT_GT(freed_by(dropped), 0u);
  EXPECT_EQ(freed_by(operate({"drop-cache"})), 0u);
  ASSERT_THAT(cluster_.embed(model), Not(IsEmpty()));
  std::vector<std::string> kinds;
  const auto load = cluster_.ask({"loads", "--last", "1"}).json();
  for (const auto& source : *load.find("sources")->array()) kinds.push_back(text_of(source, "kind"));
  EXPECT_THAT(kinds, Contains("disk"));
}

TEST_F(Upkeep, WhoNamesAnUnknownDeviceOrModelIsToldWhatThereIs) {
  for (const auto* command : {"cordon", "uncordon"}) {
    const auto wrong = operate({command, "worker-9/host0"});
    EXPECT_EQ(wrong.code, 1);
    EXPECT_THAT(wrong.err, AllOf(HasSubstr("worker-9/host0"), HasSubstr("worker-0/host0, worker-1/host0")));
  }
  const auto device = operate({"evict", "acme/m@1", "worker-9/host0"});
  EXPECT_EQ(device.code, 1);
  EXPECT_THAT(device.err, AllOf(HasSubstr("worker-9/host0"), HasSubstr("worker-0/host0"), HasSubstr("worker-1/host0")));
  const auto model = operate({"evict", "acme/none@1", "worker-0/host0"});
  EXPECT_EQ(model.code, 1);
  EXPECT_THAT(model.err, AllOf(HasSubstr("acme/none@1"), HasSubstr("fastptm status")));
  EXPECT_EQ(operate({"evict", "acme/m@1"}).code, 2);
}

TEST_F(Upkeep, TheWordsOfEarlierVersionsStillWork) {
  const auto model = cluster_.publish("m", 1);
  ASSERT_THAT(cluster_.embed(model), Not(IsEmpty()));
  const auto loads = cluster_.ask({"loads", "--last=1"}), switches = cluster_.ask({"switches", "--last=1"});
  ASSERT_EQ(switches.code, 0) << switches.err;
  EXPECT_EQ(switches.out, loads.out);
  const auto play = cluster_.where().run({"load", "--help"});
  EXPECT_EQ(play.code, 0);
  EXPECT_THAT(play.out, HasSubstr("--models"));
}

} // namespace
} // namespace fastptm::integration
