// Loads over a breakable in-process network: order, failover, lies, starvation, memory.
#include "weights/load/loader.hpp"

#include <gtest/gtest.h>

#include "tests/weights/load/breakable_load.hpp"

namespace fastptm::weights {

namespace {

using namespace tests;

struct Loader : breakable_load {};

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

TEST_F(Loader, TellsOfTheFirstChunksOfAShardAsTheyAreVerified) {
  add_node("a", {.rate_bps = slow_bps});
  make();
  load->add_source(source("a"));
  load->start();
  run();
  using part = std::pair<uint32_t, uint32_t>;
  EXPECT_EQ(parts, (std::vector<part>{{0, 1}, {0, 2}, {2, 1}, {3, 1}, {3, 2}}));
}

TEST_F(Loader, FollowsASourceThatGetsItsShardsOnlyNow) {
  add_node("a", {.rate_bps = slow_bps});
  make(true);
  auto of = source("a", {});
  const auto number = load->add_source(of);
  load->start();
  const auto whole = source("a").holds;
  for (auto held : whole) {
    for (held.chunks = 1; held.chunks < chunk_count(originals[held.shard].size()); ++held.chunks) {
      load->add_holdings(number, {held});
      run();
      EXPECT_EQ(report.end_us, 0);
    }
    load->add_holdings(number, {whole[held.shard]});
    run();
  }
  expect_all_right();
  EXPECT_EQ(report.refetched_chunks, 0u);
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
  plan.hedges = 0; // else nothing of it is left by then
  plan.late_us = 250'000;
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
  const auto lies = load->take_wrong_bytes();
  EXPECT_TRUE(load->take_wrong_bytes().empty());
  ASSERT_EQ(lies.size(), 1u);
  const auto& lie = lies[0];
  EXPECT_EQ(lie.source, 0u);
  EXPECT_EQ(lie.kind, policy::source_kind::peer_device);
  EXPECT_EQ(lie.from.region, nodes[0].regions[lie.from.shard].region);
  const auto& original = originals[lie.from.shard];
  const auto begin = lie.what.chunk * chunk_bytes;
  EXPECT_EQ(lie.what.expected, chunk_checksum(original.data() + begin, std::min(chunk_bytes, original.size() - begin)));
  EXPECT_NE(lie.what.found, lie.what.expected);
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

TEST_F(Loader, KeepsASourceWhoseEarlierLifeIsDeclaredLostLate) {
  add_node("a", {.rate_bps = slow_bps});
  make();
  load->add_source(source("a")); // its incarnation is 1
  load->start();
  load->lose_source("a", 7);
  run();
  expect_all_right();
  EXPECT_TRUE(failures.empty());
  EXPECT_EQ(report.refetched_chunks, 0u);
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

// As over cma on a busy machine: the source let go of a range before it was read to its end.
TEST_F(Loader, FetchesAnewWhatMayBeTornAndBlamesNobody) {
  for (const bool sums : {false, true}) {
    SCOPED_TRACE(sums);
    nodes.clear();
    verified.clear();
    outcome.reset();
    add_node("a", {.rate_bps = slow_bps, .corrupt_every = 4, .torn = true});
    summing_fetcher summing(fetcher);
    make();
    auto from = source("a");
    if (sums) from.via = &summing;
    load->add_source(std::move(from));
    load->start();
    run();
    expect_all_right();
    EXPECT_EQ(report.bad_chunks, 0u);
    EXPECT_EQ(report.refetched_chunks, 2u);
    EXPECT_TRUE(failures.empty());
  }
}

TEST_F(Loader, BlamesASourceWhoseChunksAreAlwaysTorn) {
  add_node("a", {.rate_bps = slow_bps, .corrupt_every = 1, .torn = true});
  add_node("honest", {.rate_bps = slow_bps / 2});
  make();
  for (const auto* name : {"a", "honest"}) load->add_source(source(name));
  load->start();
  run();
  expect_all_right();
  EXPECT_GE(report.bad_chunks, 1u);
  EXPECT_EQ(failures.front(), (std::pair<std::string, core::errc>{"a", core::errc::corrupt}));
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
