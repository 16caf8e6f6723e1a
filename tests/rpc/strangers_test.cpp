// Who knows no token, on every port of the front end.
#include "rpc/strangers.hpp"

#include <dirent.h>
#include <sys/resource.h>

#include <atomic>
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rpc/fake_cluster.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/stranger.hpp"
#include "tests/support/until.hpp"

namespace fastptm::rpc {
namespace {

using testing::HasSubstr;
using tests::stranger;

front_end_options with_login_within(core::duration_us time_us) {
  auto options = fake_cluster::default_options();
  options.limits.login_timeout_us = options.admin_limits.login_timeout_us = time_us;
  return options;
}

bool is_served(const fake_cluster& cluster) {
  const auto loop = clients::make_event_loop();
  auto client = cluster.connect(acme_token, loop);
  EXPECT_TRUE(client) << client.error().message;
  auto admin = cluster.connect_admin(admin_token, loop);
  EXPECT_TRUE(admin) << admin.error().message;
  EXPECT_THAT(tests::http_get(cluster.addresses().http, "/healthz"), HasSubstr("200 OK"));
  return client && admin && (*client)->ping(7) == 7u && (*admin)->status();
}

// A value of /metrics, by its name and labels; 0 where there is none.
uint64_t metric(fake_cluster& cluster, const std::string& name) {
  const auto page = cluster.metrics().exposition();
  const auto at = page.find("\n" + name + " ");
  return at == std::string::npos ? 0 : std::stoull(page.substr(at + name.size() + 2));
}

size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

TEST(Strangers, AreHungUpOnWhenTheyDoNotLogIn) {
  const fake_cluster cluster(with_login_within(300'000));
  const stranger silent(cluster.addresses().gateway), at_admin(cluster.addresses().admin);
  EXPECT_TRUE(silent.is_hung_up(10'000));
  EXPECT_TRUE(at_admin.is_hung_up(10'000));
}

TEST(Strangers, CannotMakeTheGatewayReadALargeMessage) {
  const fake_cluster cluster;
  const stranger flood(cluster.addresses().gateway);
  // One segment of 256 Ki words is announced, and more than a stranger may send follows.
  std::string header(8, '\0');
  header[6] = 4;
  flood.send(header);
  for (int i = 0; i < 4 && flood.send(std::string(64 << 10, 'x')); ++i) {
  }
  EXPECT_TRUE(flood.is_hung_up(10'000)) << "before its time to log in is over";
}

TEST(Strangers, WhoSendJunkHarmNobody) {
  const fake_cluster cluster;
  auto client = cluster.connect();
  const stranger junk(cluster.addresses().gateway);
  junk.send(std::string(1000, '\xff'));
  EXPECT_TRUE(junk.is_hung_up(10'000));
  EXPECT_EQ(*(*client)->ping(1), 1u);
}

TEST(Strangers, TheOldestOfAnAddressGoesForItsNewest) {
  fake_cluster cluster;
  const stranger first(cluster.addresses().gateway), second(cluster.addresses().gateway);
  std::vector<stranger> others;
  for (int i = 0; i < 3; ++i) others.emplace_back(cluster.addresses().gateway); // 4 may be there
  EXPECT_TRUE(first.is_hung_up(10'000));
  EXPECT_FALSE(second.is_hung_up(50));
  EXPECT_EQ(metric(cluster, "fastptm_rpc_strangers_sent_away_total{port=\"gateway\"}"), 1u);
}

TEST(Strangers, WhoHoldConnectionsKeepNobodyOutAndLeaveNothing) {
  fake_cluster cluster;
  ASSERT_TRUE(is_served(cluster));
  const auto before = open_descriptors();
  {
    std::vector<stranger> all;
    for (int i = 0; i < 100; ++i)
      for (const auto& port : {cluster.addresses().gateway, cluster.addresses().admin, cluster.addresses().http})
        all.emplace_back(port);
    EXPECT_TRUE(is_served(cluster));
    EXPECT_LE(open_descriptors(), before + all.size() + 4 + 4 + 4 + 20) << "20: on their way";
  }
  EXPECT_TRUE(tests::until([&] { return open_descriptors() <= before; })) << open_descriptors();
}

TEST(Strangers, WhoKeepComingKeepNobodyOut) {
  const fake_cluster cluster;
  std::atomic<bool> is_over = false;
  std::thread flood([&] {
    std::vector<stranger> held;
    while (!is_over) {
      held.clear();
      for (int i = 0; i < 3; ++i)
        for (const auto& port : {cluster.addresses().gateway, cluster.addresses().admin, cluster.addresses().http})
          held.emplace_back(port);
      held.front().is_hung_up(20); // a machine may be busy without that
    }
  });
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(is_served(cluster));
  is_over = true;
  flood.join();
}

TEST(Strangers, DoNotCountWhenTheyAreKnown) {
  fake_cluster cluster;
  const auto loop = clients::make_event_loop();
  std::vector<std::unique_ptr<clients::tenant_client>> known;
  for (int i = 0; i < 6; ++i) { // 4 strangers may be there
    auto client = cluster.connect(acme_token, loop);
    ASSERT_TRUE(client) << client.error().message;
    known.push_back(std::move(*client));
  }
  for (auto& each : known) EXPECT_EQ(*each->ping(3), 3u);
  EXPECT_EQ(metric(cluster, "fastptm_rpc_strangers_sent_away_total{port=\"gateway\"}"), 0u);
}

// -- without descriptors ----------------------------------------------------------------------------------------------

// No file can be opened in this process as long as it lives.
class no_descriptors {
public:
  no_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    set(0);
  }
  ~no_descriptors() { set(before_.rlim_cur); }

private:
  void set(rlim_t most) const {
    const rlimit now{most, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &now), 0);
  }
  rlimit before_{};
};

class Accepting : public testing::TestWithParam<std::string> {
protected:
  std::string address() const {
    if (GetParam() == "gateway") return cluster_.addresses().gateway;
    return GetParam() == "admin" ? cluster_.addresses().admin : cluster_.addresses().http;
  }
  fake_cluster cluster_;
};

TEST_P(Accepting, GoesOnAfterAnyNumberOfFailures) {
  const auto failures = [&] {
    return metric(cluster_, "fastptm_rpc_accept_failures_total{port=\"" + GetParam() + "\"}");
  };
  for (int round = 0; round < 2; ++round) {
    stranger waits;
    const auto before = failures();
    const no_descriptors now;
    ASSERT_TRUE(waits.connect_to(address()));
    EXPECT_TRUE(tests::until([&] { return failures() >= before + 2; })) << "in round " << round;
  }
  EXPECT_TRUE(is_served(cluster_));
}

INSTANTIATE_TEST_SUITE_P(OfEveryPort, Accepting, testing::Values("gateway", "admin", "http"),
                         [](const auto& port) { return port.param; });

} // namespace
} // namespace fastptm::rpc
