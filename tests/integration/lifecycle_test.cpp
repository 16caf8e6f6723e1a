// Starting, dying, coming back, stopping: with real processes.
#include <csignal>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Of the running `up`.
pid_t file_lock_pid(const cluster& of) {
  std::ifstream in(of.where().state() / "lock");
  pid_t pid = 0;
  in >> pid;
  return pid;
}

TEST(Lifecycle, UpPublishEmbedDown) {
  cluster c(config_text(2));
  const auto up = c.up();
  ASSERT_EQ(up.code, 0) << up.err;
  const auto model = c.publish("m", 1);
  EXPECT_EQ(model, "acme/m@1");
  const auto first = c.embed(model), second = c.embed(model);
  ASSERT_THAT(first, Not(IsEmpty()));
  EXPECT_EQ(first, second);
  const auto loads = c.ask({"loads", "--last", "10"}).json_lines();
  ASSERT_THAT(loads, Not(IsEmpty()));
  EXPECT_EQ(text_of(loads.front(), "outcome"), "ok");
  EXPECT_EQ(c.down().code, 0);
  EXPECT_TRUE(c.where().all_gone(5s));
}

TEST(Lifecycle, StatusListsEveryConfiguredNodeWithItsDevices) {
  cluster c(config_text(2));
  ASSERT_EQ(c.up().code, 0);
  const auto status = c.status();
  ASSERT_NE(status.find("nodes"), nullptr);
  EXPECT_EQ(status.find("nodes")->array()->size(), 3u);
  EXPECT_EQ(status.find("tenants")->array()->size(), 2u);
  const auto& worker = status.find("nodes")->array()->back();
  const auto* devices = worker.find("devices");
  ASSERT_NE(devices, nullptr);
  ASSERT_EQ(devices->array()->size(), 1u);
  EXPECT_EQ(text_of(devices->array()->front(), "kind"), "host");
}

TEST(Lifecycle, ExplainAndStatusTellWhereAModelIsAndWhatWaits) {
  cluster c(config_text(2));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  ASSERT_THAT(c.embed(model), Not(IsEmpty()));
  const auto told = c.run({"explain", model, "--json"}).json_lines();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(text_of(told[0], "model"), model);
  EXPECT_EQ(text_of(told[0], "strategy"), "dxv");
  const auto* devices = told[0].find("devices");
  ASSERT_NE(devices, nullptr);
  EXPECT_EQ(devices->array()->size(), 2u);
  EXPECT_EQ(text_of(devices->array()->front(), "against"), "nothing_waits");
  const auto status = c.status();
  const auto* queued = status.find("models")->array()->front().find("queued");
  ASSERT_NE(queued, nullptr);
  const auto& device = status.find("nodes")->array()->back().find("devices")->array()->front();
  EXPECT_NE(device.find("loads"), nullptr);
  EXPECT_EQ(device.find("lanes")->array()->size(), 1u);
  const auto wrong = c.run({"explain", "acme/gone@1", "--json"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("acme/gone@1"));
}

TEST(Lifecycle, ModelsSurviveDownAndUp) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  const auto before = c.embed(model);
  ASSERT_EQ(c.down().code, 0);
  ASSERT_EQ(c.up().code, 0);
  EXPECT_EQ(c.embed(model), before);
}

TEST(Lifecycle, PublishingANameAgainMakesTheNextVersion) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  EXPECT_EQ(c.publish("m", 1), "acme/m@1");
  EXPECT_EQ(c.publish("m", 2), "acme/m@2");
  EXPECT_NE(c.embed("acme/m@1"), c.embed("acme/m@2"));
  EXPECT_EQ(c.embed("acme/m"), c.embed("acme/m@2"));
}

TEST(Lifecycle, AKilledWorkerComesBackAndNobodyElseNotices) {
  cluster c(config_text(2));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  const auto before = c.embed(model);
  const auto head = c.pid_of("head"), other = c.pid_of("worker-1"), victim = c.pid_of("worker-0");
  ASSERT_GT(victim, 0);
  ::kill(static_cast<pid_t>(victim), SIGKILL);
  EXPECT_TRUE(c.eventually([&] { return c.state_of("worker-0") == "ready" && c.pid_of("worker-0") != victim; }));
  EXPECT_EQ(c.pid_of("head"), head);
  EXPECT_EQ(c.pid_of("worker-1"), other);
  EXPECT_EQ(c.embed(model), before);
}

TEST(Lifecycle, AKilledHeadComesBackWithItsModelsAndWorkers) {
  cluster c(config_text(2));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  const auto before = c.embed(model);
  const auto head = c.pid_of("head"), worker = c.pid_of("worker-0");
  ::kill(static_cast<pid_t>(head), SIGKILL);
  EXPECT_TRUE(c.eventually([&] { return c.state_of("worker-0") == "ready" && c.state_of("worker-1") == "ready"; }));
  EXPECT_NE(c.pid_of("head"), head);
  EXPECT_EQ(c.pid_of("worker-0"), worker);
  EXPECT_EQ(c.embed(model), before);
}

TEST(Lifecycle, AStoppedWorkerIsLostAndReturns) {
  cluster c(config_text(2));
  ASSERT_EQ(c.up().code, 0);
  const auto worker = static_cast<pid_t>(c.pid_of("worker-0"));
  ::kill(worker, SIGSTOP);
  EXPECT_TRUE(c.eventually([&] { return c.state_of("worker-0") == "lost"; }));
  ::kill(worker, SIGCONT);
  EXPECT_TRUE(c.eventually([&] { return c.state_of("worker-0") == "ready"; }));
}

TEST(Lifecycle, DownStopsEvenAFrozenNode) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  ::kill(static_cast<pid_t>(c.pid_of("worker-0")), SIGSTOP);
  EXPECT_EQ(c.down().code, 0);
  EXPECT_TRUE(c.where().all_gone(5s));
}

TEST(Lifecycle, DownIsFineWhenNothingRuns) {
  cluster c(config_text(1));
  EXPECT_EQ(c.down().code, 0);
  ASSERT_EQ(c.up().code, 0);
  EXPECT_EQ(c.down().code, 0);
  EXPECT_EQ(c.down().code, 0);
}

TEST(Lifecycle, DownAfterAKilledUpFindsNothingAndANewUpStarts) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto up = file_lock_pid(c);
  ASSERT_GT(up, 0);
  ::kill(up, SIGKILL);
  EXPECT_TRUE(c.where().all_gone(5s));
  EXPECT_EQ(c.down().code, 0);
  ASSERT_EQ(c.up().code, 0);
  EXPECT_EQ(c.state_of("worker-0"), "ready");
}

TEST(Lifecycle, ANewUpStartsRightAfterTheOldOneWasKilled) {
  cluster c(config_text(2));
  ASSERT_EQ(c.up().code, 0);
  ::kill(file_lock_pid(c), SIGKILL);
  const auto again = c.up();
  EXPECT_EQ(again.code, 0) << again.err;
}

// Records and a lock file of an earlier life whose pid is somebody else's by now.
TEST(Lifecycle, DownLeavesAloneWhoeverHasThePidOfAnEarlierLife) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  ASSERT_EQ(c.down().code, 0);
  running bystander({"sleep", "60"}, c.where().path());
  const auto pid = std::to_string(bystander.pid());
  c.where().file("state/lock", pid + "\n");
  c.where().file("state/run/head.json", "{\"name\":\"head\",\"pid\":" + pid + ",\"roles\":[\"head\"]}\n");
  EXPECT_EQ(c.down().code, 0);
  {
    // Held, by somebody who has not said who it is.
    const int lock = ::open((c.where().state() / "lock").c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(c.down().code, 1);
    ::close(lock);
  }
  EXPECT_FALSE(bystander.wait(200ms)) << "down ended a process that is not its own";
}

TEST(Lifecycle, AHangUpOpensTheLogsAgainAndEndsNothing) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto head = c.pid_of("head"), worker = c.pid_of("worker-0");
  const auto logs = c.where().state() / "logs";
  const std::vector<std::string> names{"up.log", "head.log", "worker-0.log"};
  for (const auto& name : names) std::filesystem::rename(logs / name, logs / (name + ".1"));
  ::kill(file_lock_pid(c), SIGHUP);
  for (const auto& name : names)
    EXPECT_TRUE(c.eventually([&] { return std::filesystem::exists(logs / name); })) << name;
  ::kill(static_cast<pid_t>(head), SIGHUP); // each may be asked alone
  EXPECT_EQ(c.pid_of("head"), head);
  EXPECT_EQ(c.pid_of("worker-0"), worker);
  EXPECT_THAT(c.embed(c.publish("m", 1)), Not(IsEmpty()));
}

TEST(Lifecycle, AHangUpDuringTheStartEndsNothing) {
  const cluster c(config_text(2));
  auto up = c.where().start({"up", c.config_file().string(), "--state", c.where().state().string()});
  ASSERT_TRUE(c.eventually([&] { return std::filesystem::exists(c.where().state() / "lock"); }));
  for (int i = 0; i < 40; ++i) {
    if (up->wait(10ms)) FAIL() << "up ended";
    up->signal(SIGHUP);
  }
  EXPECT_TRUE(c.eventually([&] { return c.state_of("worker-0") == "ready" && c.state_of("worker-1") == "ready"; }));
}

// In clock ticks of a hundredth of a second.
int64_t processor_ticks(int64_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(in, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  int64_t user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

// Pages of an arena are not what a start waits or pays for.
TEST(Lifecycle, AWorkerStartsWithLittleProcessorTime) {
  constexpr unsigned workers = 4;
  cluster c(config_text(workers, 128));
  ASSERT_EQ(c.up().code, 0);
  const auto status = c.status();
  int64_t used = 0;
  for (const auto& node : *status.find("nodes")->array())
    if (text_of(node, "name") != "head") used += processor_ticks(node.find("pid")->integer().value_or(0));
  EXPECT_GT(used, 0);
  EXPECT_LE(used, workers * 10) << "more than a tenth of a second each";
}

TEST(Lifecycle, ASecondUpOnTheSameStateIsRefused) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto again = c.up();
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("already runs"));
  EXPECT_EQ(c.state_of("worker-0"), "ready");
}

// One process of `up` in the foreground, ended by a signal at some moment after its start.
class Ending : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(Ending, LeavesNoOrphan) {
  const auto [number, delay_ms] = GetParam();
  const cluster c(config_text(2));
  auto up = c.where().start({"up", c.config_file().string(), "--state", c.where().state().string()});
  EXPECT_FALSE(up->wait(std::chrono::milliseconds(delay_ms))) << "up ended by itself";
  up->signal(number);
  EXPECT_TRUE(up->wait(15s)) << "up did not end";
  EXPECT_TRUE(c.where().all_gone(5s)) << "processes are left";
}

INSTANTIATE_TEST_SUITE_P(AtAnyTime, Ending,
                         testing::Combine(testing::Values(SIGINT, SIGTERM, SIGKILL),
                                          testing::Values(1, 60, 400, 3000)));

TEST(Lifecycle, InterruptingADetachingUpLeavesNoOrphan) {
  const cluster c(config_text(2));
  auto up = c.where().start({"up", c.config_file().string(), "--detach", "--state", c.where().state().string()});
  EXPECT_FALSE(up->wait(30ms)) << "up ended by itself";
  up->signal(SIGINT);
  EXPECT_TRUE(up->wait(15s));
  EXPECT_TRUE(c.where().all_gone(15s));
}

} // namespace
} // namespace fastptm::integration
