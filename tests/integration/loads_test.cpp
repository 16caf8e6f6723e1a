// Loads of a real cluster explain themselves: their stages add up, and can be looked at.
#include <fstream>
#include <iterator>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

int64_t number_in(const core::json_value& in, std::string_view key) {
  return in.find(key)->integer().value_or(-1);
}

std::set<std::string> kinds_of(const core::json_value& load) {
  std::set<std::string> kinds;
  for (const auto& source : *load.find("sources")->array())
    if (number_in(source, "bytes") > 0) kinds.insert(text_of(source, "kind"));
  return kinds;
}

class Loads : public testing::Test {
protected:
  void SetUp() override {
    const auto up = cluster_.up();
    ASSERT_EQ(up.code, 0) << up.err;
  }

  std::vector<core::json_value> loads() const { return cluster_.ask({"loads", "--last", "100"}).json_lines(); }

  // Moves a model to a device: its next load is there.
  void load_on(const std::string& model, const std::string& device, const std::string& other) const {
    ASSERT_EQ(cluster_.run({"uncordon", device}).code, 0);
    ASSERT_EQ(cluster_.run({"cordon", other}).code, 0);
    ASSERT_THAT(cluster_.embed(model), Not(IsEmpty()));
  }
  void evict(const std::string& model, const std::string& device) const {
    ended done;
    ASSERT_TRUE(cluster_.eventually([&] {
      return (done = cluster_.run({"evict", model, "--device", device})).code == 0;
    })) << done.err;
  }

  cluster cluster_{config_text(2)};
};

TEST_F(Loads, AddUpFromWhereverTheyCome) {
  const auto model = cluster_.publish("m", 1);
  const std::string here = "worker-0/host0", there = "worker-1/host0";
  ASSERT_EQ(cluster_.run({"drop-cache"}).code, 0);
  load_on(model, here, there); // from the disk
  evict(model, here);
  load_on(model, here, there); // from the host cache
  load_on(model, there, here); // from a device
  std::vector<core::json_value> all;
  ASSERT_TRUE(cluster_.eventually([&] { return (all = loads()).size() >= 3; }));
  std::set<std::string> kinds;
  for (const auto& load : all) {
    kinds.merge(kinds_of(load));
    const auto wall_us = number_in(load, "wall_us");
    int64_t at_us = 0, sum_us = 0;
    for (const auto& stage : *load.find("stages")->array()) {
      const auto start_us = number_in(stage, "start_us"), end_us = number_in(stage, "end_us");
      sum_us += end_us - start_us;
      if (start_us == end_us) continue; // a moment
      EXPECT_EQ(start_us, at_us) << text_of(stage, "name");
      at_us = end_us;
    }
    EXPECT_GT(wall_us, 0);
    EXPECT_NEAR(static_cast<double>(sum_us), static_cast<double>(wall_us), 0.05 * static_cast<double>(wall_us));
    EXPECT_THAT(text_of(load, "critical"), Not(IsEmpty()));
    EXPECT_LE(number_in(load, "hidden_ppm"), 1'000'000);
    const auto& limit = *load.find("limit");
    EXPECT_THAT(text_of(limit, "from"), Not(IsEmpty()));
    EXPECT_GT(number_in(limit, "rate_bps"), 0);
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"disk", "host_cache", "peer_device"}));
}

TEST_F(Loads, OneIsShownAsATimelineOrOneLine) {
  const auto model = cluster_.publish("m", 1);
  ASSERT_THAT(cluster_.embed(model), Not(IsEmpty()));
  std::vector<core::json_value> all;
  ASSERT_TRUE(cluster_.eventually([&] { return !(all = loads()).empty(); }));
  const auto id = std::to_string(number_in(all.back(), "id"));
  const auto shown = cluster_.run({"switches", id});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("load " + id + ": " + model), HasSubstr("STAGE"), HasSubstr("SOURCE"),
                               HasSubstr(text_of(all.back(), "critical") + " took ")));
  const auto line = cluster_.ask({"loads", id});
  EXPECT_EQ(line.json_lines().size(), 1u);
  EXPECT_EQ(number_in(line.json(), "wall_us"), number_in(all.back(), "wall_us"));
  const auto none = cluster_.run({"loads", "4711"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, AllOf(HasSubstr("4711"), HasSubstr("fastptm loads")));
}

TEST_F(Loads, AreWrittenAsATrace) {
  const auto model = cluster_.publish("m", 1);
  ASSERT_THAT(cluster_.embed(model), Not(IsEmpty()));
  ASSERT_TRUE(cluster_.eventually([&] { return !loads().empty(); }));
  const auto file = cluster_.where().path() / "loads.json";
  const auto written = cluster_.run({"loads", "--trace", file.string()});
  ASSERT_EQ(written.code, 0) << written.err;
  std::ifstream in(file);
  const auto trace = core::parse_json(std::string(std::istreambuf_iterator<char>(in), {}), "trace");
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_GT(trace->find("traceEvents")->array()->size(), 5u);
  const auto nowhere = cluster_.run({"loads", "--trace", (file / "not-a-folder").string()});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("cannot be written"));
}

} // namespace
} // namespace fastptm::integration
