// What a configuration may and may not say, and that faults name their line.
#include "node/config/config.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/config/settings.hpp"
#include "schemas/config.capnp.h"

namespace fastptm::node {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view head = R"(    (name = "head", roles = [head, store], hostCacheMib = 64),
)";
constexpr std::string_view worker = R"(    (name = "w0", roles = [worker], devices = [(arenaMib = 32)]),
)";

std::string config_text(std::string_view nodes, std::string_view rest = "") {
  return std::string("@0xc1c1c1c1c1c1c1c1;\nusing Config = import \"/schemas/config.capnp\";\n"
                     "const cluster :Config.Cluster = (\n  nodes = [\n") +
         std::string(nodes) + "  ],\n  tenants = [(name = \"acme\")],\n" + std::string(rest) + ");\n";
}

std::string both(std::string_view more = "") {
  return std::string(head) + std::string(worker) + std::string(more);
}

std::string fault_of(const std::string& text) {
  const auto parsed = parse_config(text, "a.capnp");
  return parsed ? "accepted" : parsed.error().message;
}

TEST(Config, ReadsNodesTenantsAndDefaults) {
  const auto parsed = parse_config(config_text(both()), "a.capnp");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->nodes.size(), 2u);
  EXPECT_EQ(parsed->head().name, "head");
  EXPECT_EQ(parsed->head().roles(), (std::vector<std::string>{"head", "store"}));
  EXPECT_EQ(parsed->largest_arena_bytes(), 32ull << 20);
  EXPECT_EQ(parsed->find_node("w0")->devices.at(0).name, "host0");
  EXPECT_EQ(parsed->find_node("nobody"), nullptr);
  EXPECT_EQ(parsed->scheduling.strategy, "dxv");
  EXPECT_EQ(parsed->liveness.heartbeat_us, 250'000);
  EXPECT_EQ(parsed->transfers.sources.size(), 4u);
}

TEST(Config, NamesFileAndLineOfAnUnknownField) {
  EXPECT_THAT(fault_of(config_text(both("    (name = \"w1\", rolls = [worker]),\n"))),
              AllOf(HasSubstr("a.capnp:7: "), HasSubstr("rolls")));
}

TEST(Config, NamesFileAndLineOfASyntaxError) {
  EXPECT_THAT(fault_of("@0xc1c1c1c1c1c1c1c1;\n\nconst cluster"), HasSubstr("a.capnp:3: "));
}

TEST(Config, RefusesTwoNodesOfOneName) {
  EXPECT_THAT(fault_of(config_text(both(worker))), AllOf(HasSubstr("a.capnp:7: "), HasSubstr("'w0' is there twice")));
}

TEST(Config, RefusesASecondHead) {
  EXPECT_THAT(fault_of(config_text(both("    (name = \"h2\", roles = [head, store]),\n"))), HasSubstr("both head"));
}

TEST(Config, RefusesAConfigurationWithoutHead) {
  EXPECT_THAT(fault_of(config_text(worker)), HasSubstr("no node with the role head"));
}

TEST(Config, RefusesAHeadWithoutStore) {
  EXPECT_THAT(fault_of(config_text(std::string("    (name = \"head\", roles = [head]),\n") + std::string(worker))),
              HasSubstr("needs the role store"));
}

TEST(Config, RefusesAWorkerWithoutDevices) {
  EXPECT_THAT(fault_of(config_text(std::string(head) + "    (name = \"w0\", roles = [worker]),\n")),
              HasSubstr("has no devices"));
}

TEST(Config, RefusesAnArenaOfNothing) {
  EXPECT_THAT(
      fault_of(config_text(std::string(head) + "    (name = \"w0\", roles = [worker], devices = [(arenaMib = 0)]),\n")),
      HasSubstr("arenaMib is 0"));
}

TEST(Config, RefusesAnUnknownStrategy) {
  EXPECT_THAT(fault_of(config_text(both(), "  scheduling = (strategy = \"lottery\"),\n")),
              AllOf(HasSubstr("lottery"), HasSubstr("round_robin")));
}

TEST(Config, BringsKnobsAndLateRulesToTheSchedulingCore) {
  const auto parsed = parse_config(
      config_text(both(), "  scheduling = (holdPercent = 400, fairWindowMs = 20, slackScaleMs = 7),\n"), "a.capnp");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto knobs = scheduling_options(parsed->scheduling);
  EXPECT_DOUBLE_EQ(knobs.hold, 4.0);
  EXPECT_EQ(knobs.fair_window_us, 20'000);
  EXPECT_EQ(knobs.slack_scale_us, 7'000);
  // What the schema calls a default is the core's.
  const policy::scheduling::options defaults;
  EXPECT_EQ(knobs.hold_guard_us, defaults.hold_guard_us);
  EXPECT_EQ(knobs.late_patience_us, defaults.late_patience_us);
  EXPECT_EQ(knobs.max_batch, defaults.max_batch);
  EXPECT_EQ(knobs.strategy, defaults.strategy);
}

TEST(Config, ACallLastsAsLongAsTheLongestDeadlineAndThePatienceAfterIt) {
  const auto usual = parse_config(config_text(both()), "a.capnp");
  EXPECT_EQ(longest_call_us(*usual), 62'000'000);
  const auto short_deadlines = parse_config(config_text(both(), "  scheduling = (maxDeadlineMs = 5000),\n"), "a.capnp");
  ASSERT_TRUE(short_deadlines) << short_deadlines.error().message;
  EXPECT_EQ(longest_call_us(*short_deadlines), 60'000'000);
}

TEST(Config, RefusesALeaseShorterThanTwoHeartbeats) {
  EXPECT_THAT(fault_of(config_text(both(), "  liveness = (heartbeatMs = 500, leaseMs = 600),\n")),
              HasSubstr("liveness.leaseMs is 600, use 1000 or more: one late heartbeat is no death"));
}

TEST(Config, SaysWhatANumberMayBeAndWhy) {
  EXPECT_THAT(fault_of(config_text(both(), "  gateway = (maxUploads = 0),\n")),
              HasSubstr("gateway.maxUploads is 0, use 1 or more: else nobody could publish"));
  EXPECT_THAT(fault_of(config_text(std::string(head) +
                                   "    (name = \"w0\", roles = [worker], devices = [(threads = 300)]),\n")),
              HasSubstr("a.capnp:6: device 'w0/host0': threads is 300, use 1 to 256"));
}

TEST(Config, WantsTlsWhereStrangersCarryThePackets) {
  const auto with = [](const std::string& gateway) { return config_text(both(), "  gateway = (" + gateway + "),\n"); };
  EXPECT_THAT(fault_of(with("address = \"10.0.0.1\"")),
              AllOf(HasSubstr("not on loopback"), HasSubstr("insecure = true")));
  EXPECT_THAT(fault_of(with("tlsCertificate = \"a.crt\"")), HasSubstr("give both or none"));
  for (const auto* good : {"address = \"::1\"", "address = \"10.0.0.1\", insecure = true",
                           "address = \"0.0.0.0\", tlsCertificate = \"a.crt\", tlsKey = \"a.key\""})
    EXPECT_TRUE(parse_config(with(good), "a.capnp")) << good;
}

TEST(Config, BoundsATenantsShare) {
  auto text = config_text(both());
  text.replace(text.find("(name = \"acme\")"), 15, "(name = \"acme\", share = 0)");
  EXPECT_THAT(fault_of(text), HasSubstr("tenant 'acme': share is 0, use 1 to 10000: without a share"));
}

// One field of the schema for each of ours, by name and unit, and none that nobody reads.
template <class Ours, class Schema> std::vector<std::string> unread() {
  std::set<std::string> names;
  const auto in = capnp::StructSchema::from<Schema>();
  for (const auto field : in.getFields()) names.insert(field.getProto().getName().cStr());
  core::for_each_field_of<Ours>(
      [&](const auto& each) { names.erase(find_setting(in, each.name).field.getProto().getName().cStr()); });
  return {names.begin(), names.end()};
}

TEST(Config, ReadsEveryFieldOfTheSchema) {
  using none = std::vector<std::string>;
  EXPECT_EQ((unread<cluster_config, schema::Cluster>()), none());
  EXPECT_EQ((unread<node_config, schema::Node>()), none{"roles"}) << "read by hand: head, store, worker";
  EXPECT_EQ((unread<device_config, schema::Device>()), none());
  EXPECT_EQ((unread<tenant_config, schema::Tenant>()), none());
  EXPECT_EQ((unread<gateway_config, schema::Gateway>()), none());
  EXPECT_EQ((unread<scheduling_config, schema::Scheduling>()), none());
  EXPECT_EQ((unread<liveness_config, schema::Liveness>()), none());
  EXPECT_EQ((unread<transfers_config, schema::Transfers>()), none());
}

TEST(Config, ReadsUnitsAndNames) {
  const auto parsed = parse_config(
      config_text(both(), "  gateway = (maxTextKib = 3, maxUploadMib = 5),\n  transfers = (sources = [hostCache]),\n"),
      "a.capnp");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->gateway.max_text_bytes, 3u << 10);
  EXPECT_EQ(parsed->gateway.max_upload_bytes, 5u << 20);
  EXPECT_EQ(parsed->transfers.sources, std::vector<std::string>{"host_cache"});
  EXPECT_EQ(parsed->tenants[0].late, "serve");
  EXPECT_EQ(parsed->tenants[0].share, 1u) << "the schema's default";
}

TEST(Config, RequiresAFixedPortWhenNodesAreOnOtherMachines) {
  EXPECT_THAT(
      fault_of(config_text(both("    (name = \"w1\", roles = [worker], address = \"10.0.0.2\", devices = [()]),\n"))),
      HasSubstr("fixed controlPort"));
}

TEST(Config, KeepsControlCharactersOutOfItsMessages) {
  EXPECT_THAT(fault_of(config_text(both("    (name = \"\\x1b[2J\", roles = [worker]),\n"))), Not(HasSubstr("\x1b")));
}

TEST(Config, ReportsEveryFaultOfAConfiguration) {
  const auto text = fault_of(config_text(worker, "  scheduling = (strategy = \"lottery\"),\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("lottery"), HasSubstr("head")));
}

} // namespace
} // namespace fastptm::node
