// A load over an in-process network whose nodes can be killed, hung, slowed and made to lie, in virtual time.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "transport/loopback/network.hpp"
#include "weights/format/hash.hpp"
#include "weights/load/loader.hpp"

namespace fastptm::weights::tests {

inline constexpr uint64_t slow_bps = 1'000'000'000;

// Computes checksums of what has come, as transports do that copy, and lets no cancelled fetch of a node go before it is
// told to.
class summing_fetcher final : public transport::fetcher {
public:
  explicit summing_fetcher(transport::fetcher& by) : by_(by) {}

  core::result<transport::fetch_id> fetch(const transport::peer_address& peer, const transport::fetch_request& request,
                                          transport::fetch_done done) override {
    const auto id = by_.fetch(peer, request, [request, done = std::move(done)](core::result<transport::fetched> got) {
      if (got) got->checksum = chunk_checksum(request.target.address, request.source.length_bytes);
      done(std::move(got));
    });
    if (id && peer.node == keeps_from) kept.insert(*id);
    return id;
  }
  void cancel(transport::fetch_id id) override {
    if (!kept.contains(id)) by_.cancel(id);
  }
  void close_peer(std::string_view node, uint64_t incarnation) override { by_.close_peer(node, incarnation); }
  transport::path path_to(const transport::peer_address& peer) const override { return by_.path_to(peer); }

  std::string keeps_from;
  std::set<transport::fetch_id> kept;

private:
  transport::fetcher& by_;
};

// A transport that takes a few fetches at a time.
class narrow_fetcher final : public transport::fetcher {
public:
  narrow_fetcher(transport::fetcher& by, uint32_t most) : by_(by), most_(most) {}

  core::result<transport::fetch_id> fetch(const transport::peer_address& peer, const transport::fetch_request& request,
                                          transport::fetch_done done) override {
    ++asked;
    if (in_flight_ == most_) return core::fail(core::errc::busy, "too much is in flight");
    ++in_flight_;
    return by_.fetch(peer, request, [this, done = std::move(done)](core::result<transport::fetched> result) {
      --in_flight_;
      done(std::move(result));
    });
  }
  void cancel(transport::fetch_id id) override { by_.cancel(id); }
  void close_peer(std::string_view node, uint64_t incarnation) override { by_.close_peer(node, incarnation); }
  transport::path path_to(const transport::peer_address& peer) const override { return by_.path_to(peer); }

  uint32_t asked = 0;

private:
  transport::fetcher& by_;
  const uint32_t most_;
  uint32_t in_flight_ = 0;
};

// A few shards, nodes that hold them, and one load on a clock that the test moves.
struct breakable_load : testing::Test {
  breakable_load() {
    core::prng random(5);
    for (uint64_t size : {9ull << 20, 4096ull, 5ull << 20, 12ull << 20}) {
      auto& bytes = originals.emplace_back(size);
      for (size_t i = 0; i + 8 <= size; i += 8) {
        const auto value = random.next();
        std::memcpy(bytes.data() + i, &value, 8);
      }
      targets.emplace_back(size, std::byte{0xee});
    }
  }

  // A node whose exports are one region per shard.
  void add_node(const std::string& name, const transport::loopback::faults& wrong = {}) {
    auto& node = nodes.emplace_back();
    node.name = name;
    for (auto& bytes : originals) node.regions.push_back(node.exports.add({{bytes.data(), bytes.size()}, -1}));
    network.add_node(name, 1, node.exports);
    network.faults_of(name) = wrong;
  }

  load_source source(const std::string& name, std::vector<uint32_t> shards = {0, 1, 2, 3},
                     policy::source_kind kind = policy::source_kind::peer_device) {
    load_source made;
    made.kind = kind;
    made.peer = {name, 1, "", "", "", 0};
    made.via = &fetcher;
    for (auto& node : nodes)
      if (node.name == name)
        for (const auto shard : shards)
          made.holds.push_back({shard, node.regions[shard].region, node.regions[shard].generation, 0});
    return made;
  }

  void make(bool wants_starved = false) {
    std::vector<shard_to_load> shards;
    for (size_t i = 0; i < originals.size(); ++i) {
      shard_to_load shard{{targets[i].data(), targets[i].size()}, {}};
      for (uint64_t at = 0; at < originals[i].size(); at += chunk_bytes)
        shard.chunk_checksums.push_back(
            chunk_checksum(originals[i].data() + at, std::min(chunk_bytes, originals[i].size() - at)));
      shards.push_back(std::move(shard));
    }
    loader_callbacks callbacks;
    callbacks.shard_verified = [this](uint32_t shard) {
      EXPECT_FALSE(outcome) << "a shard after done";
      EXPECT_EQ(std::memcmp(targets[shard].data(), originals[shard].data(), originals[shard].size()), 0);
      verified.push_back(shard);
    };
    callbacks.part_verified = [this](uint32_t shard, uint32_t chunks) {
      EXPECT_EQ(std::memcmp(targets[shard].data(), originals[shard].data(), chunks * chunk_bytes), 0);
      parts.emplace_back(shard, chunks);
    };
    callbacks.source_failed = [this](const std::string& node, const core::error& why) {
      failures.emplace_back(node, why.code);
    };
    if (wants_starved) callbacks.starved = [this](std::vector<uint32_t> which) { starved.push_back(std::move(which)); };
    callbacks.look_at = [this](core::time_us at_us) { look_us = at_us; };
    callbacks.done = [this](core::result<void> result, load_report made) {
      EXPECT_FALSE(outcome) << "done twice";
      expect_to_add_up(made);
      outcome = std::move(result);
      report = std::move(made);
    };
    loader_options options;
    options.plan = plan;
    rates.calibrated("loopback", 10'000'000'000);
    options.rates = rates;
    made_us = clock.now_us();
    load = loader::make(options, std::move(shards), *checked_by, clock, std::move(callbacks));
  }

  // What is due now: false, nothing was.
  bool step() {
    if (clock.now_us() >= look_us) {
      look_us = never_us;
      load->look();
      return true;
    }
    return network.progress() > 0;
  }
  // Lets time pass until the load is over or nothing can happen any more.
  void run() {
    while (!outcome) {
      if (step()) continue;
      const auto due_us = std::min(network.next_due_us().value_or(never_us), look_us);
      if (due_us == never_us) return;
      clock.advance(std::max<core::duration_us>(due_us - clock.now_us(), 1));
    }
  }

  // All of the load's time, from its making to its end, belongs to a stage, and no instant to two.
  void expect_to_add_up(const load_report& made) const {
    auto at_us = made_us;
    for (const auto& stage : made.stages) {
      EXPECT_EQ(stage.start_us, at_us) << stage.name;
      EXPECT_GT(stage.end_us, stage.start_us) << stage.name;
      at_us = stage.end_us;
    }
    EXPECT_EQ(at_us, made.end_us);
  }
  core::duration_us spent_on(std::string_view name) const {
    core::duration_us sum_us = 0;
    for (const auto& stage : report.stages)
      if (stage.name == name) sum_us += stage.end_us - stage.start_us;
    return sum_us;
  }

  void expect_all_right() {
    ASSERT_TRUE(outcome);
    EXPECT_TRUE(*outcome) << outcome->error().message;
    EXPECT_EQ(std::set(verified.begin(), verified.end()).size(), originals.size());
    EXPECT_EQ(verified.size(), originals.size());
    EXPECT_EQ(targets, originals);
    EXPECT_EQ(report.bytes_moved, (26ull << 20) + 4096);
    EXPECT_EQ(report.verified_chunks, 9u);
    uint64_t sum = 0;
    for (const auto& each : report.sources) sum += each.bytes;
    EXPECT_EQ(sum, report.bytes_moved);
  }
  const source_report& report_of(const std::string& node) {
    for (const auto& each : report.sources)
      if (each.node == node) return each;
    ADD_FAILURE() << node << " is not in the report";
    return report.sources.front();
  }

  struct node_state {
    std::string name;
    transport::exporter exports;
    std::vector<transport::exported> regions;
  };

  static constexpr auto never_us = std::numeric_limits<core::time_us>::max();
  core::manual_clock clock;
  core::time_us made_us = 0;
  core::time_us look_us = never_us; // the loader wants to look then
  std::deque<node_state> nodes;
  transport::loopback::network network{clock};
  transport::loopback::backend fetcher{network};
  verifier checker{0};
  verifier* checked_by = &checker;
  std::vector<std::vector<std::byte>> originals;
  std::vector<std::vector<std::byte>> targets;
  policy::link_rates rates;
  policy::fetch_plan_options plan;
  std::shared_ptr<loader> load;

  std::vector<uint32_t> verified;
  std::vector<std::pair<uint32_t, uint32_t>> parts; // shards, and how many of their first chunks
  std::vector<std::pair<std::string, core::errc>> failures;
  std::vector<std::vector<uint32_t>> starved;
  std::optional<core::result<void>> outcome;
  load_report report;
};

} // namespace fastptm::weights::tests
