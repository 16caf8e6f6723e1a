// What the ledger keeps of loads, for whom it lists them, and what a tenant is not told.
#include "actors/membership/ledger.hpp"

#include <gtest/gtest.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"

namespace fastptm::actors {
namespace {

constexpr core::duration_us second_us = 1'000'000;

class Ledger : public testing::Test {
protected:
  Ledger() { ledger_ = world_.system().spawn<actor_from_state<ledger>>(ledger_options{3, &metrics_}); }
  ~Ledger() override {
    caf::anon_send_exit(ledger_, caf::exit_reason::kill);
    world_.run();
  }

  core::metrics_registry metrics_;
  actors::deterministic_system world_;
  protocol::ledger_actor ledger_;
};

TEST_F(Ledger, KeepsTheNewestReportsOfATenant) {
  for (uint64_t i = 1; i <= 5; ++i) {
    protocol::load_report report;
    report.id = {i};
    report.model = i % 2 == 0 ? "acme/a@1" : "globex/b@1";
    caf::anon_send(ledger_, report);
  }
  const auto all =
      world_.ask<protocol::load_list>(ledger_, second_us, protocol::loads_atom_v, uint32_t{10}, std::string());
  ASSERT_EQ(all->rows.size(), 3u);
  EXPECT_EQ(all->rows.back().id.value, 5u);
  const auto acme =
      world_.ask<protocol::load_list>(ledger_, second_us, protocol::loads_atom_v, uint32_t{10}, std::string("acme"));
  ASSERT_EQ(acme->rows.size(), 1u);
  EXPECT_EQ(acme->rows[0].id.value, 4u);
}

TEST_F(Ledger, CountsWhatALoadHasMovedOnce) {
  protocol::load_report report;
  report.id = {1};
  report.device = "worker-0/host0";
  report.sources = {{"peer_device", "worker-1", "cma", 100, 2, 3, false}, {"disk", "head", "io_uring", 7, 1, 3, false}};
  report.verified_chunks = 3;
  report.bad_chunks = 1;
  report.stages = {{"disk", 0, 10}, {"fetch", 10, 40}, {"verify", 40, 50}, {"fetch", 50, 60}};
  caf::anon_send(ledger_, report);
  report.left_us = 99; // told again, when the set has left
  caf::anon_send(ledger_, report);
  world_.run();
  const auto page = metrics_.exposition();
  for (const auto* line :
       {"fastptm_load_bytes_total{source=\"peer_device\"} 100", "fastptm_load_verify_seconds_count 1",
        "fastptm_load_bytes_total{source=\"disk\"} 7", "fastptm_load_fetch_seconds_count 1",
        "fastptm_load_fetch_seconds_sum 4e-05", "fastptm_load_disk_seconds_count 1",
        "fastptm_load_chunks_total{result=\"verified\"} 3", "fastptm_load_chunks_total{result=\"bad\"} 1"})
    EXPECT_NE(page.find(std::string(line) + "\n"), std::string::npos) << line << " in\n" << page;
}

TEST_F(Ledger, KeepsOneReportOfALoadWhenItsSetHasLeft) {
  protocol::load_report report;
  report.id = {1};
  report.device = "worker-0/host0";
  report.model = "acme/a@1";
  caf::anon_send(ledger_, report);
  report.device = "worker-1/host0"; // Another device's set stays.
  caf::anon_send(ledger_, report);
  report.left_us = 99;
  caf::anon_send(ledger_, report);
  report.id = {77}; // Forgotten long ago: not a load of now.
  caf::anon_send(ledger_, report);
  const auto all =
      world_.ask<protocol::load_list>(ledger_, second_us, protocol::loads_atom_v, uint32_t{10}, std::string());
  ASSERT_EQ(all->rows.size(), 2u);
  EXPECT_EQ(all->rows[0].left_us, 0);
  EXPECT_EQ(all->rows[1].left_us, 99);
}

TEST_F(Ledger, ListsTheNodesInTheirFirstOrderAsTheyStandNow) {
  protocol::node_list all;
  for (const auto* name : {"head", "b", "a"}) all.rows.emplace_back().name = name;
  caf::anon_send(ledger_, all);
  all.rows.erase(all.rows.begin(), all.rows.begin() + 2);
  all.rows[0].pid = 7;
  caf::anon_send(ledger_, all);
  const auto listed = world_.ask<protocol::node_list>(ledger_, second_us, protocol::nodes_atom_v);
  ASSERT_EQ(listed->rows.size(), 3u);
  EXPECT_EQ(listed->rows[1].name, "b");
  EXPECT_EQ(listed->rows[2].pid, 7u);
}

TEST_F(Ledger, ForgetsTheLoadsOfALifeThatIsOver) {
  const auto stand = [&](const std::string& node, uint64_t incarnation, protocol::node_state state) {
    protocol::node_list changed;
    auto& row = changed.rows.emplace_back();
    row.name = node;
    row.incarnation = incarnation;
    row.state = state;
    caf::anon_send(ledger_, changed);
  };
  const auto running = [&] {
    std::vector<std::string> devices;
    const auto listed = world_.ask<protocol::running_list>(ledger_, second_us, protocol::running_atom_v);
    for (const auto& row : listed->rows) devices.push_back(row.device);
    return devices;
  };
  for (const auto* node : {"w", "w-1", "w-10"}) {
    stand(node, 1, protocol::node_state::ready);
    caf::anon_send(ledger_, protocol::running_load{{1}, "acme/a@1", std::string(node) + "/host0", {}});
  }
  stand("w-1", 1, protocol::node_state::suspect);
  EXPECT_EQ(running().size(), 3u);
  stand("w-1", 1, protocol::node_state::lost);
  EXPECT_EQ(running(), (std::vector<std::string>{"w-10/host0", "w/host0"}));
  stand("w", 2, protocol::node_state::ready); // was lost in between
  EXPECT_EQ(running(), std::vector<std::string>{"w-10/host0"});
}

// -- what a tenant is told --------------------------------------------------------------------------------------------

protocol::load_report shared_load(uint64_t own_bytes, uint64_t foreign_bytes, uint64_t moved_bytes) {
  protocol::load_report report;
  report.id = {1};
  report.model = "acme/a@1";
  report.device = "worker-0/host0";
  report.outcome = protocol::load_outcome::ok;
  report.bytes_total = own_bytes + foreign_bytes + moved_bytes;
  report.bytes_shared = own_bytes + foreign_bytes;
  report.bytes_moved = moved_bytes;
  report.verified_chunks = moved_bytes > 0 ? 1 : 0;
  if (own_bytes > 0) report.sources.push_back({"same_device", "worker-0", "", own_bytes, 0, 0, false});
  if (foreign_bytes > 0) report.sources.push_back({"same_device", "worker-0", "others", foreign_bytes, 2, 0, false});
  if (moved_bytes > 0) report.sources.push_back({"disk", "head", "io_uring", moved_bytes, 1, 5, false});
  return report;
}

TEST_F(Ledger, WhatOthersHaveOnTheDeviceIsToldToTheOperatorOnly) {
  caf::anon_send(ledger_, shared_load(30, 50, 20));
  const auto all =
      world_.ask<protocol::load_list>(ledger_, second_us, protocol::loads_atom_v, uint32_t{10}, std::string());
  EXPECT_EQ(all->rows[0].bytes_shared, 80u);
  const auto own =
      world_.ask<protocol::load_list>(ledger_, second_us, protocol::loads_atom_v, uint32_t{10}, std::string("acme"));
  const auto& told = own->rows[0];
  EXPECT_EQ(told.bytes_shared, 30u);
  EXPECT_EQ(told.bytes_moved, 70u);
  EXPECT_EQ(told.bytes_total, 100u);
  EXPECT_EQ(told.verified_chunks, 3u);
  ASSERT_EQ(told.sources.size(), 2u);
  EXPECT_EQ(told.sources[0].bytes, 30u);
  EXPECT_EQ(told.sources[1].bytes, 70u);
  EXPECT_EQ(told.sources[1].chunks, 3u);
}

TEST(ToldToItsTenant, ALoadThatFoundAllWithOthersLooksLikeOneThatMovedIt) {
  const auto told = told_to_its_tenant(shared_load(0, 100, 0));
  EXPECT_EQ(told.bytes_shared, 0u);
  EXPECT_EQ(told.bytes_moved, 100u);
  ASSERT_EQ(told.sources.size(), 1u);
  EXPECT_EQ(told.sources[0].kind, "host_cache");
  EXPECT_EQ(told.sources[0].bytes, 100u);
}

TEST(ToldToItsTenant, ALoadThatSharesWithItsOwnModelsStaysAsItIs) {
  const auto told = told_to_its_tenant(shared_load(60, 0, 40));
  EXPECT_EQ(told.bytes_shared, 60u);
  EXPECT_EQ(told.bytes_moved, 40u);
  EXPECT_EQ(told.sources.size(), 2u);
}

} // namespace
} // namespace fastptm::actors
