// Two machines: network namespaces with a veth pair between them, real processes on both, weights over TCP.
#include <csignal>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.hpp"
#include "tests/integration/real_binary.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::integration {
namespace {

using testing::IsEmpty;
using testing::Not;

bool shell(const std::string& command) {
  return std::system((command + " 2>/dev/null").c_str()) == 0;
}

// Two namespaces, a cable. Needs the right to make them; `good()` is false without it.
class two_hosts {
public:
  two_hosts() : id_(std::to_string(core::true_random_u64() % 100'000)) {
    good_ = shell("ip netns add " + a()) && shell("ip netns add " + b()) &&
            shell("ip link add va" + id_ + " netns " + a() + " type veth peer name vb" + id_ + " netns " + b()) &&
            shell("ip -n " + a() + " addr add 10.77.0.1/24 dev va" + id_) &&
            shell("ip -n " + b() + " addr add 10.77.0.2/24 dev vb" + id_) &&
            shell("ip -n " + a() + " addr add fd77::1/64 dev va" + id_ + " nodad") &&
            shell("ip -n " + b() + " addr add fd77::2/64 dev vb" + id_ + " nodad") &&
            shell("ip -n " + a() + " link set va" + id_ + " up && ip -n " + a() + " link set lo up") &&
            shell("ip -n " + b() + " link set vb" + id_ + " up && ip -n " + b() + " link set lo up");
  }
  ~two_hosts() {
    shell("ip netns del " + a());
    shell("ip netns del " + b());
  }
  bool good() const { return good_; }
  // The kernel takes up to a second to call a new link running; UCX takes only running ones.
  bool carries() const {
    const auto up = [](const std::string& host, const std::string& link) {
      return shell("for i in $(seq 100); do ip netns exec " + host + " grep -q up /sys/class/net/" + link +
                   "/operstate && exit 0; sleep 0.05; done; exit 1");
    };
    return up(a(), "va" + id_) && up(b(), "vb" + id_);
  }
  static std::vector<std::string> inside(const std::string& name) { return {"ip", "netns", "exec", name}; }
  std::string a() const { return "fastptm-a" + id_; }
  std::string b() const { return "fastptm-b" + id_; }

private:
  const std::string id_;
  bool good_ = false;
};

std::string config_of(const std::string& network) {
  return R"(@0xb1b2c3d4e5f60719;
using Config = import "/schemas/config.capnp";
const cluster :Config.Cluster = (
  nodes = [
    (name = "head", roles = [head, store], address = ")" +
         network + R"(1", controlPort = 7600, hostCacheMib = 16),
    (name = "worker-b", roles = [worker], address = ")" +
         network + R"(2", devices = [(arenaMib = 16)]),
  ],
  tenants = [(name = "acme")],
  transfers = (ucxTransports = "tcp"),
);
)";
}

class TwoHosts : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Ipv4, TwoHosts, testing::Values("10.77.0."));
INSTANTIATE_TEST_SUITE_P(Ipv6, TwoHosts, testing::Values("fd77::"));

TEST_P(TwoHosts, AWorkerOnAnotherMachineTakesItsWeightsOverTheNetwork) {
  const auto config = config_of(GetParam());
  const two_hosts hosts;
  if (!hosts.good()) GTEST_SKIP() << "network namespaces cannot be made here: that needs `ip` and the right to";
  ASSERT_TRUE(hosts.carries());
  cluster first(config, {two_hosts::inside(hosts.a()), {}, {}});
  cluster second(config, {two_hosts::inside(hosts.b()), {}, {}});
  const auto made = first.run(
      {"node-credentials", first.config_file().string(), "worker-b", "--out", second.where().state().string()});
  ASSERT_EQ(made.code, 0) << made.err;
  auto up_b = second.where().start({"up", second.config_file().string(), "--state", second.where().state().string()});
  const auto up_a = first.up();
  ASSERT_EQ(up_a.code, 0) << up_a.err;
  EXPECT_TRUE(first.eventually([&] { return first.state_of("worker-b") == "ready"; }));

  const auto model = first.publish("m", 1);
  EXPECT_THAT(first.embed(model), Not(IsEmpty()));
  const auto load = first.ask({"loads", "--last", "1"}).json();
  const auto* sources = load.find("sources");
  ASSERT_NE(sources, nullptr);
  ASSERT_THAT(*sources->array(), Not(IsEmpty()));
  EXPECT_EQ(text_of(load, "device"), "worker-b/host0");
  EXPECT_EQ(text_of(sources->array()->front(), "node"), "head");

  up_b->signal(SIGTERM);
  EXPECT_TRUE(up_b->wait(15s));
}

} // namespace
} // namespace fastptm::integration
