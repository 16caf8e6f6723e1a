// Loads over a breakable in-process network: order, failover, lies, starvation, memory.
#include "weights/load/loader.hpp"

#include <cstring>
#include <set>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "transport/loopback/network.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

namespace {

using transport::loopback::faults;

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
  void close_peer(std::string_view node) override { by_.close_peer(node); }
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
  void close_peer(std::string_view node) override { by_.close_peer(node); }
  transport::path path_to(const transport::peer_address& peer) const override { return by_.path_to(peer); }

  uint32_t asked = 0;

private:
  transport::fetcher& by_;
  const uint32_t most_;
  uint32_t in_flight_ = 0;
};

// A few shards, nodes that hold them, and one load on a clock that the test moves.
struct Loader : testing::Test {
  Loader() {
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
  void add_node(const std::string& name, const faults& wrong = {}) {
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
    callbacks.source_failed = [this](const std::string& node, const core::error& why) {
      failures.emplace_back(node, why.code);
    };
    if (wants_starved) callbacks.starved = [this](std::vector<uint32_t> which) { starved.push_back(std::move(which)); };
    callbacks.look_at = [this](core::time_us at_us) { look_us = at_us; };
    callbacks.done = [this](core::result<void> result, load_report made) {
      EXPECT_FALSE(outcome) << "done twice";
      outcome = std::move(result);
      report = std::move(made);
    };
    loader_options options;
    options.plan.hedges = hedges;
    rates.calibrated("loopback", 10'000'000'000);
    options.rates = rates;
    load = loader::make(options, std::move(shards), checker, clock, std::move(callbacks));
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
  core::time_us look_us = never_us; // the loader wants to look then
  std::deque<node_state> nodes;
  transport::loopback::network network{clock};
  transport::loopback::backend fetcher{network};
  verifier checker{0};
  std::vector<std::vector<std::byte>> originals;
  std::vector<std::vector<std::byte>> targets;
  policy::link_rates rates;
  uint32_t hedges = policy::fetch_plan_options().hedges;
  std::shared_ptr<loader> load;

  std::vector<uint32_t> verified;
  std::vector<std::pair<std::string, core::errc>> failures;
  std::vector<std::vector<uint32_t>> starved;
  std::optional<core::result<void>> outcome;
  load_report report;
};

constexpr uint64_t slow_bps = 1'000'000'000;

TEST_F(Loader, VerifiesShardsInLayerOrderFromOneSource) {
  add_node("a", {.rate_bps = slow_bps});
  make();
  load->add_source(source("a"));
  load->start();
  run();
  expect_all_right();
  EXPECT_EQ(verified, (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(report.sources.front().path, "loopback");
  EXPECT_EQ(report.limit.link, "loopback");
  EXPECT_NEAR(report.limit.fraction_ppm, 100'000, 5'000); // a tenth of what was calibrated
  EXPECT_NEAR(static_cast<double>(report.sources.front().rate_bps), slow_bps, slow_bps * 0.05);
}

TEST_F(Loader, TakesFromSeveralSourcesAtOnce) {
  add_node("a", {.rate_bps = slow_bps});
  add_node("b", {.rate_bps = slow_bps});
  make();
  load->add_source(source("a"));
  load->add_source(source("b"));
  load->start();
  run();
  expect_all_right();
  EXPECT_GT(report_of("a").chunks, 2u);
  EXPECT_GT(report_of("b").chunks, 2u);
}

TEST_F(Loader, FinishesFromAnotherSourceWhenOneDiesAndKeepsWhatItHas) {
  add_node("dying", {.rate_bps = slow_bps});
  add_node("other", {.rate_bps = slow_bps});
  make();
  load->add_source(source("dying"));
  load->start();
  for (int i = 0; i < 3; ++i) {
    clock.advance(*network.next_due_us() - clock.now_us());
    network.progress();
  }
  load->add_source(source("other"));
  network.faults_of("dying").dead = true;
  run();
  expect_all_right();
  EXPECT_TRUE(report_of("dying").failed);
  EXPECT_EQ(report_of("dying").chunks, 3u);
  EXPECT_EQ(report_of("other").chunks, 6u);
  EXPECT_EQ(failures, (std::vector<std::pair<std::string, core::errc>>{{"dying", core::errc::unavailable}}));
}

TEST_F(Loader, LeavesAHungSourceAfterTheChunkDeadline) {
  hedges = 0; // else nothing of it is left by then
  add_node("hung", {.hung = true});
  add_node("other", {.rate_bps = slow_bps});
  rates.seen(policy::source_kind::peer_device, "hung", "loopback", {weights::chunk_bytes, 100 * slow_bps, 0});
  make();
  load->add_source(source("hung"));
  load->add_source(source("other"));
  load->start();
  run();
  expect_all_right();
  EXPECT_EQ(failures.front(), (std::pair<std::string, core::errc>{"hung", core::errc::deadline_exceeded}));
  EXPECT_LT(report.end_us - report.start_us, 400'000);
}

TEST_F(Loader, RefetchesABadChunkElsewhereAndAsksTheLiarNothingMore) {
  add_node("liar", {.rate_bps = slow_bps, .corrupt_every = 2});
  add_node("honest", {.rate_bps = slow_bps});
  make();
  load->add_source(source("liar"));
  load->add_source(source("honest"));
  load->start();
  run();
  expect_all_right();
  EXPECT_EQ(report.bad_chunks, 1u);
  EXPECT_GE(report.refetched_chunks, 1u);
  EXPECT_EQ(failures.front(), (std::pair<std::string, core::errc>{"liar", core::errc::corrupt}));
}

TEST_F(Loader, AsksLateSourcesAgainBeforeItGivesUp) {
  add_node("hung", {.hung = true});
  add_node("busy", {.latency_us = 600'000});
  make();
  load->add_source(source("hung"));
  load->add_source(source("busy"));
  load->start();
  run();
  expect_all_right();
  EXPECT_EQ(report_of("hung").bytes, 0u);
  EXPECT_LT(report.end_us - report.start_us, 8'000'000);
}

TEST_F(Loader, GivesUpOnSourcesThatStayHung) {
  add_node("a", {.hung = true});
  add_node("b", {.hung = true});
  make();
  load->add_source(source("a"));
  load->add_source(source("b"));
  load->start();
  run();
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(*outcome);
  EXPECT_LT(clock.now_us(), 10'000'000);
}

TEST_F(Loader, FailsClearlyWhenNoSourceIsLeft) {
  add_node("a", {.rate_bps = slow_bps});
  make();
  load->add_source(source("a"));
  load->start();
  network.faults_of("a").dead = true;
  run();
  ASSERT_TRUE(outcome);
  ASSERT_FALSE(*outcome);
  EXPECT_EQ(outcome->error().code, core::errc::unavailable);
  EXPECT_NE(outcome->error().message.find("a is dead"), std::string::npos) << outcome->error().message;
}

TEST_F(Loader, AsksForSourcesWhenStarvedAndGoesOnWithThem) {
  add_node("a");
  add_node("b");
  make(true);
  load->add_source(source("a", {0, 1}));
  load->start();
  run();
  ASSERT_FALSE(outcome);
  ASSERT_FALSE(starved.empty());
  EXPECT_EQ(starved.back(), (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(verified, (std::vector<uint32_t>{0, 1}));
  load->add_source(source("b", {2}));
  run();
  EXPECT_EQ(verified.back(), 2u);
  EXPECT_EQ(load->starved_shards(), std::vector<uint32_t>{3});
  const auto told = starved.size();
  const auto late = load->add_source(source("b", {}, policy::source_kind::disk));
  EXPECT_EQ(starved.size(), told) << "a source that holds nothing yet is no news";
  load->add_holdings(late, source("b", {3}).holds);
  run();
  expect_all_right();
}

TEST_F(Loader, LosesOnlyTheShardThatASourceWithdrew) {
  add_node("a");
  add_node("b");
  make();
  load->add_source(source("a"));
  load->add_source(source("b", {2}));
  nodes[0].exports.withdraw(nodes[0].regions[2], [] {});
  load->start();
  run();
  expect_all_right();
  EXPECT_FALSE(report_of("a").failed);
  EXPECT_TRUE(failures.empty());
}

TEST_F(Loader, LeavesASourceThatTheDirectoryDeclaresLost) {
  add_node("lost", {.hung = true});
  add_node("other");
  rates.seen(policy::source_kind::peer_device, "lost", "loopback", {weights::chunk_bytes, 100 * slow_bps, 0});
  make();
  load->add_source(source("lost"));
  load->add_source(source("other"));
  load->start();
  network.progress();
  load->lose_source("lost", 1);
  run();
  expect_all_right();
  EXPECT_EQ(clock.now_us(), 0) << "no deadline was needed";
}

TEST_F(Loader, WritesNothingAfterGivingUpIsDone) {
  add_node("a", {.rate_bps = slow_bps});
  make();
  load->add_source(source("a"));
  load->start();
  clock.advance(*network.next_due_us());
  network.progress();
  load->give_up({core::errc::cancelled, "not wanted any more"});
  run();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code, core::errc::cancelled);
  EXPECT_FALSE(network.next_due_us()) << "fetches are still under way";
  for (auto& target : targets) std::fill(target.begin(), target.end(), std::byte{0x55});
  clock.advance(10'000'000);
  network.progress();
  for (const auto& target : targets)
    EXPECT_TRUE(std::all_of(target.begin(), target.end(), [](auto b) { return b == std::byte{0x55}; }));
}

TEST_F(Loader, IsDoneAtOnceWhenNothingIsMissing) {
  originals.clear();
  targets.clear();
  make();
  load->start();
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(*outcome);
}

TEST_F(Loader, WaitsForATransportThatTakesThreeFetchesAtATime) {
  for (const auto* name : {"a", "b"}) add_node(name, {.rate_bps = slow_bps});
  narrow_fetcher narrow(fetcher, 3);
  make();
  for (const auto* name : {"a", "b"}) {
    auto from = source(name);
    from.via = &narrow;
    load->add_source(std::move(from));
  }
  load->start();
  run();
  expect_all_right();
  EXPECT_TRUE(failures.empty());
  EXPECT_EQ(report.refetched_chunks, 0u);
  EXPECT_LT(narrow.asked, 40u) << "9 chunks";
}

TEST_F(Loader, WaitsForATransportThatOthersHaveFilled) {
  add_node("a", {.rate_bps = slow_bps});
  narrow_fetcher full(fetcher, 0);
  make();
  auto from = source("a");
  from.via = &full;
  load->add_source(std::move(from));
  load->start();
  while (clock.now_us() < 5'000'000) {
    ASSERT_LT(look_us, never_us) << "nobody would ask again";
    clock.advance(std::max<core::duration_us>(look_us - clock.now_us(), 1));
    step();
  }
  EXPECT_FALSE(outcome) << "how long is the owner's business";
  EXPECT_TRUE(failures.empty());
  EXPECT_LT(full.asked, 400u);
  load->give_up({core::errc::deadline_exceeded, "no chunk has come"});
  EXPECT_TRUE(outcome);
}

TEST_F(Loader, WaitsForASourceThatIsBusy) {
  add_node("a", {.rate_bps = slow_bps, .busy = true});
  make();
  load->add_source(source("a"));
  load->start();
  while (clock.now_us() < 1'000'000) {
    if (step()) continue;
    clock.advance(
        std::max<core::duration_us>(std::min(network.next_due_us().value_or(never_us), look_us) - clock.now_us(), 1));
  }
  EXPECT_FALSE(outcome);
  network.faults_of("a").busy = false;
  run();
  expect_all_right();
  EXPECT_TRUE(failures.empty());
}

// Chunks take a second and more, a source that could be asked instead makes the loader impatient.
TEST_F(Loader, LosesNoSourceThatDeliversHoweverSlowly) {
  for (const auto* name : {"a", "b"}) add_node(name, {.rate_bps = 4 << 20});
  make();
  for (const auto* name : {"a", "b"}) load->add_source(source(name));
  load->start();
  run();
  expect_all_right();
  EXPECT_TRUE(failures.empty());
  EXPECT_EQ(report.refetched_chunks, 0u);
}

// Both holders are asked; one of them hangs from the beginning on, with a part of the first shard.
TEST_F(Loader, AsksAnotherHolderForWhatASlowSourceHas) {
  for (const bool sums : {false, true}) {
    SCOPED_TRACE(sums);
    nodes.clear();
    verified.clear();
    outcome.reset();
    add_node("slow", {.hung = true});
    add_node("other", {.rate_bps = slow_bps});
    summing_fetcher summing(fetcher);
    make();
    for (const auto* name : {"slow", "other"}) {
      auto from = source(name);
      if (sums) from.via = &summing;
      load->add_source(std::move(from));
    }
    const auto begin_us = clock.now_us();
    load->start();
    run();
    expect_all_right();
    EXPECT_TRUE(failures.empty());
    EXPECT_EQ(report_of("other").chunks, 9u);
    EXPECT_EQ(report.refetched_chunks, 0u);
    EXPECT_LT(clock.now_us() - begin_us, 120'000) << "27 ms of bytes, and the time until it was slow";
  }
}

TEST_F(Loader, WritesAHedgeIntoItsPlaceOnlyWhenTheOriginalHasEnded) {
  add_node("slow", {.hung = true});
  add_node("other", {.rate_bps = slow_bps});
  summing_fetcher keeping(fetcher);
  keeping.keeps_from = "slow";
  make();
  for (const auto* name : {"slow", "other"}) {
    auto from = source(name);
    from.via = &keeping;
    load->add_source(std::move(from));
  }
  load->start();
  while (clock.now_us() < 200'000) {
    if (step()) continue;
    const auto due_us = std::min(network.next_due_us().value_or(never_us), look_us);
    clock.advance(std::max<core::duration_us>(due_us - clock.now_us(), 1));
  }
  ASSERT_FALSE(keeping.kept.empty());
  EXPECT_FALSE(outcome) << "its fetches could still write";
  EXPECT_TRUE(std::any_of(targets.begin(), targets.end(), [](const auto& target) {
    return std::all_of(target.begin(), target.begin() + 4096, [](auto each) { return each == std::byte{0xee}; });
  })) << "nothing may be written where they might write";
  run();
  expect_all_right();
}

TEST_F(Loader, KeepsWaitingForASlowSourceWhenWhoeverWasAskedInsteadLies) {
  for (const bool sums : {false, true}) {
    SCOPED_TRACE(sums);
    nodes.clear();
    verified.clear();
    failures.clear();
    outcome.reset();
    add_node("slow", {.rate_bps = slow_bps, .latency_us = 150'000});
    add_node("liar", {.rate_bps = slow_bps, .corrupt_every = 1});
    summing_fetcher summing(fetcher);
    make();
    load->add_source(source("slow"));
    load->start();
    auto from = source("liar");
    if (sums) from.via = &summing;
    load->add_source(std::move(from));
    run();
    expect_all_right();
    EXPECT_EQ(report_of("liar").bytes, 0u);
    EXPECT_EQ(failures.front(), (std::pair<std::string, core::errc>{"liar", core::errc::corrupt}));
  }
}

TEST_F(Loader, GivesUpWhileAHedgeIsUnderWay) {
  add_node("slow", {.hung = true});
  add_node("other", {.rate_bps = slow_bps / 1000});
  make();
  for (const auto* name : {"slow", "other"}) load->add_source(source(name));
  load->start();
  while (clock.now_us() < 100'000) {
    if (step()) continue;
    const auto due_us = std::min(network.next_due_us().value_or(never_us), look_us);
    clock.advance(std::max<core::duration_us>(due_us - clock.now_us(), 1));
  }
  load->give_up({core::errc::cancelled, "not wanted any more"});
  run();
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(network.next_due_us()) << "fetches are still under way";
}

// Random deaths, hangs, lies and slowness; one honest node stays. Always complete, always right.
TEST_F(Loader, SurvivesRandomTroubleAsLongAsOneHonestSourceLives) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    core::prng random(seed);
    nodes.clear();
    verified.clear();
    outcome.reset();
    look_us = never_us;
    for (auto& target : targets) std::fill(target.begin(), target.end(), std::byte{0xee});
    for (const auto* name : {"a", "b", "c"})
      add_node(name, {.rate_bps = slow_bps / (1 + random.below(5)), .corrupt_every = random.below(4)});
    add_node("honest", {.rate_bps = slow_bps});
    make();
    for (const auto* name : {"a", "b", "c", "honest"}) load->add_source(source(name));
    load->start();
    while (!outcome) {
      const auto victim = std::string(1, static_cast<char>('a' + random.below(3)));
      if (random.below(6) == 0) network.faults_of(victim).dead = true;
      if (random.below(6) == 0) network.faults_of(victim).hung = true;
      const auto due_us = std::min(network.next_due_us().value_or(never_us), look_us);
      ASSERT_LT(due_us, never_us) << "nothing will happen any more";
      clock.advance(std::max<core::duration_us>(due_us - clock.now_us(), 1));
      step();
    }
    expect_all_right();
  }
}

} // namespace

} // namespace fastptm::weights
