// What a load's report says that its time was spent on.
#include <gtest/gtest.h>

#include "tests/weights/load/breakable_load.hpp"

namespace fastptm::weights {

namespace {

using namespace tests;

constexpr core::duration_us ms = 1000;

struct LoaderReport : breakable_load {
  void pass(core::duration_us by_us) {
    const auto until_us = clock.now_us() + by_us;
    while (clock.now_us() < until_us) {
      if (step()) continue;
      const auto due_us = std::min(network.next_due_us().value_or(never_us), look_us);
      clock.advance(std::max<core::duration_us>(std::min(due_us, until_us) - clock.now_us(), 1));
    }
  }
};

TEST_F(LoaderReport, NamesTheSearchForSourcesAndTheFetchesOfThem) {
  add_node("a", {.rate_bps = slow_bps});
  make();
  pass(7 * ms);
  load->add_source(source("a"));
  load->start();
  run();
  expect_all_right();
  EXPECT_EQ(spent_on("plan"), 7 * ms);
  EXPECT_NEAR(static_cast<double>(spent_on("fetch")), 27.3 * ms, 0.1 * ms);
}

TEST_F(LoaderReport, TellsTheWayToASourceFromItsBytes) {
  add_node("a", {.rate_bps = slow_bps, .latency_us = 40 * ms});
  make();
  load->add_source(source("a"));
  load->start();
  pass(1 * ms);
  network.faults_of("a").latency_us = 0; // it is connected
  run();
  expect_all_right();
  EXPECT_LE(spent_on("first_byte"), 41 * ms);
  EXPECT_GE(spent_on("first_byte"), 27 * ms) << "but for three chunks, which may have been on the way with the first";
  EXPECT_NEAR(static_cast<double>(spent_on("first_byte") + spent_on("fetch")), 67.3 * ms, 1.0 * ms);
}

// Of two shards that the store reads the first one is fetched while the second one is read.
TEST_F(LoaderReport, GivesADiskTheTimeInWhichNothingElseWouldHaveHelped) {
  add_node("store", {.rate_bps = slow_bps});
  make(true);
  load->add_source(source("store", {1, 2}));
  auto read_by_it = source("store", {}, policy::source_kind::disk);
  read_by_it.reported_path = "io_uring";
  const auto disk = load->add_source(std::move(read_by_it));
  for (const uint32_t shard : {0u, 3u}) load->note_wait(shard, load_wait::disk);
  load->start();
  pass(20 * ms);
  load->add_holdings(disk, source("store", {0}).holds); // 9 MiB: 9.4 ms
  load->note_read(disk, 9 << 20, 20 * ms);
  pass(30 * ms);
  load->add_holdings(disk, source("store", {3}).holds); // 12 MiB
  load->note_read(disk, 12 << 20, 30 * ms);
  run();
  expect_all_right();
  EXPECT_EQ(spent_on("disk"), 50 * ms);
  EXPECT_NEAR(static_cast<double>(spent_on("fetch")), 12.6 * ms, 0.1 * ms) << "of the last shard";
  const auto& read = report.links.back();
  EXPECT_TRUE(read.is_disk);
  EXPECT_NEAR(static_cast<double>(read.rate_bps), 21.0 * (1 << 20) / 0.05, 1e4) << "what the disk was read with";
}

TEST_F(LoaderReport, GivesADiskNothingThatIsReadInTime) {
  add_node("store", {.rate_bps = slow_bps / 10});
  make(true);
  load->add_source(source("store", {0}));
  const auto disk = load->add_source(source("store", {}, policy::source_kind::disk));
  for (const uint32_t shard : {1u, 2u, 3u}) load->note_wait(shard, load_wait::disk);
  load->start();
  pass(20 * ms);
  load->add_holdings(disk, source("store", {1, 2, 3}).holds);
  run();
  expect_all_right();
  EXPECT_LE(spent_on("disk"), 20 * ms);
  EXPECT_GT(spent_on("fetch"), 200 * ms);
}

TEST_F(LoaderReport, CallsTheWaitForAnotherDevicesLoadByItsName) {
  add_node("a", {.rate_bps = slow_bps});
  make(true);
  load->add_source(source("a", {0, 1, 2}));
  load->note_wait(3, load_wait::await);
  load->start();
  pass(90 * ms);
  add_node("b", {.rate_bps = slow_bps});
  load->add_source(source("b", {3}));
  run();
  expect_all_right();
  EXPECT_EQ(spent_on("await"), 90 * ms);
}

TEST_F(LoaderReport, CallsSourcesBusyThatRefuse) {
  add_node("a", {.rate_bps = slow_bps, .busy = true});
  make();
  load->add_source(source("a"));
  load->start();
  pass(100 * ms);
  network.faults_of("a").busy = false;
  run();
  expect_all_right();
  EXPECT_GE(spent_on("busy"), 100 * ms);
  EXPECT_LT(spent_on("retry") + spent_on("first_byte"), 2 * ms);
}

TEST_F(LoaderReport, CallsItARetryThatASourceWasAskedInVain) {
  add_node("dies", {.rate_bps = slow_bps / 1000});
  make(true);
  load->add_source(source("dies"));
  load->start();
  pass(60 * ms);
  network.faults_of("dies").dead = true;
  add_node("other", {.rate_bps = slow_bps});
  pass(1 * ms);
  load->add_source(source("other"));
  run();
  expect_all_right();
  EXPECT_GE(spent_on("retry"), 60 * ms);
  EXPECT_LE(spent_on("retry"), 62 * ms);
}

// The verifier has one thread: what comes meanwhile waits.
class slow_verifier final : public verifier {
public:
  slow_verifier() : verifier(0) {}
  void submit(core::memory_region chunk, std::function<void(uint64_t)> done) override {
    waiting.push_back([this, chunk, done = std::move(done)]() mutable { verifier::submit(chunk, std::move(done)); });
  }
  std::deque<std::function<void()>> waiting;
};

TEST_F(LoaderReport, CallsItVerifyWhereFetchesWereDoneLongBefore) {
  slow_verifier slow;
  add_node("a", {.rate_bps = 10 * slow_bps}); // 2.7 ms
  checked_by = &slow;
  make();
  load->add_source(source("a"));
  load->start();
  for (int chunk = 0; chunk < 9; ++chunk) {
    pass(20 * ms);
    const auto next = slow.waiting.front();
    slow.waiting.pop_front();
    next();
  }
  expect_all_right();
  EXPECT_GE(spent_on("verify"), 175 * ms);
  EXPECT_LT(spent_on("fetch") + spent_on("first_byte"), 5 * ms);
}

TEST_F(LoaderReport, OfALoadThatFailsSaysWhatItWaitedFor) {
  add_node("a", {.rate_bps = slow_bps});
  make(true);
  load->add_source(source("a", {0, 1, 2}));
  load->note_wait(3, load_wait::disk);
  load->start();
  pass(300 * ms);
  load->give_up({core::errc::deadline_exceeded, "no chunk has come"});
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(*outcome);
  EXPECT_EQ(spent_on("disk"), 300 * ms);
}

TEST_F(LoaderReport, NamesTheLinkThatNeedsLongestForItsBytes) {
  add_node("near", {.rate_bps = slow_bps});
  add_node("far", {.rate_bps = slow_bps / 4});
  rates.used("far", "loopback", {64 << 20, slow_bps / 2, true});
  make();
  for (const auto* name : {"near", "far"}) {
    auto from = source(name, std::string(name) == "far" ? std::vector<uint32_t>{0, 3} : std::vector<uint32_t>{1, 2});
    from.is_where_calibrated = std::string(name) == "near";
    load->add_source(std::move(from));
  }
  load->start();
  run();
  expect_all_right();
  EXPECT_EQ(report.limit.from, "far");
  EXPECT_EQ(report.limit.link, "loopback");
  EXPECT_EQ(report.limit.rate_bps, slow_bps / 2) << "as last known";
  EXPECT_TRUE(report.limit.is_measured);
  EXPECT_NEAR(report.limit.fraction_ppm, 500'000, 25'000);
}

} // namespace

} // namespace fastptm::weights
