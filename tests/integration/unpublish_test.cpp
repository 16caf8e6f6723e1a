// Models that are taken back: gone for requests, gone from disk and devices, whatever dies in between.
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Unpublish : public testing::Test {
protected:
  void start(const std::string& config = config_text(2)) {
    cluster_ = std::make_unique<cluster>(config);
    const auto up = cluster_->up();
    ASSERT_EQ(up.code, 0) << up.err;
  }

  std::string status_of(const std::string& model) const {
    const auto file = cluster_->where().file("asked.json", "[[5,6,7]]");
    return text_of(cluster_->ask({"embed", model, "--ids", file.string(), "--deadline", "10s"}).json(), "status");
  }

  uint64_t object_bytes() const {
    uint64_t bytes = 0;
    std::error_code gone;
    for (const auto& file : std::filesystem::directory_iterator(cluster_->where().state() / "store" / "objects", gone))
      bytes += file.file_size(gone);
    return bytes;
  }

  std::vector<std::string> resident() const {
    std::vector<std::string> names;
    const auto now = cluster_->status();
    for (const auto& node : *now.find("nodes")->array())
      for (const auto& device : *node.find("devices")->array())
        for (const auto& model : *device.find("resident")->array()) names.push_back(*model.string());
    return names;
  }

  std::unique_ptr<cluster> cluster_;
};

TEST_F(Unpublish, TakesAVersionBackAndItsSpaceWhileTheClusterRuns) {
  start();
  const auto first = cluster_->publish("m", 1);
  const auto bytes_of_one = object_bytes();
  const auto second = cluster_->publish("m", 2);
  const auto bytes_of_both = object_bytes();
  const auto expected = cluster_->embed(second);
  ASSERT_THAT(cluster_->embed(first), Not(IsEmpty()));

  const auto done = cluster_->ask({"unpublish", first});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(text_of(done.json(), "model"), first);
  EXPECT_EQ(status_of(first), "not_found");
  EXPECT_EQ(cluster_->embed(second), expected);
  EXPECT_THAT(resident(), Not(Contains(first)));
  EXPECT_EQ(object_bytes(), bytes_of_one) << "both have the same tokenizer: that stays";
  EXPECT_GE(done.json().find("freed_bytes")->unsigned_integer(), bytes_of_both - bytes_of_one);
  EXPECT_EQ(cluster_->publish("m", 3), "acme/m@3");
  ASSERT_EQ(cluster_->ask({"unpublish", "acme/m@3"}).code, 0);
  EXPECT_EQ(cluster_->publish("m", 3), "acme/m@4") << "a version means one thing for ever";
}

TEST_F(Unpublish, TheSameBytesUnderAnotherNameStayAndServe) {
  start();
  const auto gone = cluster_->publish("gone", 1);
  const auto expected = cluster_->embed(gone);
  const auto kept = cluster_->publish("kept", 1);
  const auto bytes = object_bytes();
  const auto done = cluster_->ask({"unpublish", gone});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(object_bytes(), bytes);
  EXPECT_EQ(cluster_->embed(kept), expected);
  ASSERT_EQ(cluster_->ask({"unpublish", kept}).code, 0);
  EXPECT_EQ(object_bytes(), 0u);
  EXPECT_EQ(cluster_->embed(cluster_->publish("again", 1)), expected);
}

TEST_F(Unpublish, TakesEveryVersionOfANameWhenAskedTo) {
  start();
  for (uint64_t seed = 1; seed <= 3; ++seed) cluster_->publish("m", seed);
  const auto other = cluster_->publish("m2", 4);
  const auto vague = cluster_->ask({"unpublish", "acme/m"});
  EXPECT_EQ(vague.code, 1);
  EXPECT_THAT(vague.err, HasSubstr("--all"));
  EXPECT_EQ(cluster_->ask({"unpublish", "acme/m@1", "--all"}).code, 1);
  const auto done = cluster_->ask({"unpublish", "acme/m", "--all"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(text_of(done.json(), "model"), "acme/m");
  EXPECT_EQ(done.json().find("models")->array()->size(), 3u);
  EXPECT_EQ(status_of("acme/m"), "not_found");
  EXPECT_EQ(status_of(other), "ok");
}

TEST_F(Unpublish, IsTheOwnersAlone) {
  start();
  const auto model = cluster_->publish("m", 1);
  const auto stranger = cluster_->run({"unpublish", model, "--as", "globex", "--json"});
  EXPECT_EQ(stranger.code, 1);
  EXPECT_THAT(stranger.err, HasSubstr("globex"));
  EXPECT_EQ(cluster_->run({"unpublish", "m@1", "--as", "globex", "--json"}).code, 1);
  EXPECT_EQ(status_of(model), "ok");
  const auto missing = cluster_->ask({"unpublish", "acme/none@1"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("acme/none@1"));
}

TEST_F(Unpublish, MakesRoomForATenantAtItsBound) {
  auto text = config_text(1);
  const std::string from = "(name = \"acme\")";
  text.replace(text.find(from), from.size(), "(name = \"acme\", maxModels = 1)");
  start(text);
  const auto model = cluster_->publish("m", 1);
  const auto folder = cluster_->where().path() / "model-m";
  EXPECT_EQ(cluster_->ask({"publish", folder.string(), "--model", "more"}).code, 1);
  ASSERT_EQ(cluster_->ask({"unpublish", model}).code, 0);
  EXPECT_EQ(cluster_->ask({"publish", folder.string(), "--model", "more"}).code, 0);
}

TEST_F(Unpublish, EveryRequestUnderWayIsAnswered) {
  start();
  const auto model = cluster_->publish("m", 1);
  std::string ids = "[";
  for (int i = 0; i < 2000; ++i) ids += i == 0 ? "[5,6,7]" : ",[5,6,7]";
  const auto file = cluster_->where().file("many.json", ids + "]");
  auto asking = cluster_->where().start({"embed", model, "--ids", file.string(), "--deadline", "30s", "--as", "acme",
                                         "--json", "--state", cluster_->where().state().string()});
  ASSERT_TRUE(cluster_->eventually([&] { return !resident().empty(); }));
  EXPECT_EQ(cluster_->ask({"unpublish", model}).code, 0);
  const auto asked = asking->wait(60s);
  ASSERT_TRUE(asked.has_value());
  const auto rows = asked->json_lines();
  EXPECT_EQ(rows.size(), 2000u);
  for (const auto& row : rows) {
    const auto status = text_of(row, "status");
    ASSERT_TRUE(status == "ok" || status == "late" || status == "not_found") << status << text_of(row, "error");
  }
}

TEST_F(Unpublish, AHeadThatDiesMeanwhileLeavesTheModelOrNone) {
  start();
  const uint64_t seed = core::true_random_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  core::prng random(seed);
  const auto kept = cluster_->publish("kept", 1);
  const auto expected = cluster_->embed(kept);
  const auto kept_bytes = object_bytes();
  for (uint64_t round = 0; round < 5; ++round) {
    const auto model = cluster_->publish("m", 10 + round);
    const auto answer = cluster_->embed(model);
    auto leaving = cluster_->where().start(
        {"unpublish", model, "--as", "acme", "--json", "--state", cluster_->where().state().string()});
    leaving->wait(std::chrono::milliseconds(random.below(60)));
    ::kill(static_cast<pid_t>(cluster_->pid_of("head")), SIGKILL);
    ASSERT_TRUE(cluster_->eventually([&] { return status_of(kept) == "ok"; }));
    EXPECT_EQ(cluster_->embed(kept), expected);
    if (status_of(model) != "not_found") {
      EXPECT_EQ(cluster_->embed(model), answer);
      EXPECT_EQ(cluster_->ask({"unpublish", model}).code, 0);
    }
    EXPECT_EQ(object_bytes(), kept_bytes) << "what the crash left goes at the start";
  }
}

} // namespace
} // namespace fastptm::integration
