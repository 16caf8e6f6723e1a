// What a configuration may and may not say, and that faults name their line.
#include "node/config/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
}

TEST(Config, RefusesALeaseShorterThanTwoHeartbeats) {
  EXPECT_THAT(fault_of(config_text(both(), "  liveness = (heartbeatMs = 500, leaseMs = 600),\n")),
              HasSubstr("leaseMs"));
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
