// From answers and accounts of loads back to a schedule.
// Whatever ran is drawn up so that a checker finds nothing wrong with it; what did not happen that way is noticed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "cli/play/ran_schedule.hpp"
#include "core/random.hpp"
#include "tests/sim/schedule_checker.hpp"

namespace fastptm::cli {

namespace {

constexpr core::time_us start_us = 5'000'000'000; // Of the client's clock.

struct accounts {
  sim::trace of;
  uint32_t lanes = 0;
  std::vector<ran_request> requests;
  std::vector<ran_load> loads;
};

// What the devices of a cluster would tell of a replayed schedule; each has a clock of its own if `apart`.
accounts accounts_of(uint64_t seed, bool apart) {
  core::prng random(seed);
  accounts made;
  made.of.models = static_cast<uint32_t>(2 + random.below(8));
  made.lanes = static_cast<uint32_t>(1 + random.below(3));
  for (double at_ms = 0; made.of.requests.size() < 80; at_ms += 30 * random.unit())
    made.of.requests.push_back({at_ms, static_cast<uint32_t>(random.below(made.of.models)), at_ms + 3000});
  const sim::replay_costs costs{.exec_ms = 5 + 10 * random.unit(),
                                .exec_base_ms = 3,
                                .max_batch = 4,
                                .switch_ms = 30 + 50 * random.unit(),
                                .resident = static_cast<uint32_t>(1 + random.below(3)),
                                .layers = random.below(2) == 0 ? 1u : 12u,
                                .prefetch = true};
  const auto ran = sim::replay(made.of, "dxv", made.lanes, costs);
  EXPECT_TRUE(ran);
  std::vector<core::duration_us> clock_us;
  for (uint32_t d = 0; d < made.lanes; ++d)
    clock_us.push_back(apart ? static_cast<core::duration_us>(random.below(1'000'000'000)) : start_us);
  std::map<std::pair<uint32_t, uint32_t>, size_t> there; // Device and model to its load.
  uint64_t batch = 0;
  for (const sim::schedule_row& row : ran->log.rows) {
    const std::string device = "worker-" + std::to_string(row.pool) + "/host0";
    const auto at_us = [&](int64_t us) { return us + clock_us[row.pool]; };
    if (row.what == sim::schedule_row::kind::evict) {
      made.loads[there[{row.pool, row.model}]].left_us = at_us(row.start_us);
    } else if (row.what == sim::schedule_row::kind::load) {
      there[{row.pool, row.model}] = made.loads.size();
      made.loads.push_back({device, row.model, at_us(row.start_us), at_us(row.end_us), 0});
    } else {
      ++batch;
      for (uint32_t i = row.first; i < row.first + row.count; ++i) {
        const uint32_t q = ran->log.requests[i];
        made.requests.push_back(
            {q, row.model, start_us + static_cast<core::time_us>(made.of.requests[q].arrival_ms * 1000) + 1,
             start_us + row.end_us + 300, device, batch, at_us(row.end_us), row.end_us - row.start_us});
      }
    }
  }
  return made;
}

// Checked with nothing but the constants that were measured.
std::vector<std::string> problems_of(const accounts& of, const ran_schedule& made) {
  const auto ms = [](core::duration_us us) { return static_cast<double>(us) / 1000; };
  const measured_constants& c = made.constants;
  const sim::replay_costs costs{.exec_ms = ms(c.exec_us),
                                .exec_base_ms = ms(c.exec_base_us),
                                .max_batch = c.max_batch,
                                .switch_ms = ms(c.switch_us),
                                .resident = c.resident,
                                .copy_engines = c.copy_engines,
                                .layers = c.layers};
  sim::replay_result r;
  r.log = made.log;
  r.metrics = sim::measure(of.of, r.log, of.lanes, r.start_ms, r.end_ms);
  return sim::problems_of(of.of, "dxv", of.lanes, costs, r);
}

TEST(RanSchedule, PassesTheCheckWithItsOwnConstants) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const accounts of = accounts_of(seed, false);
    const auto made = draw_up(of.requests, of.loads, start_us);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_THAT(problems_of(of, *made), testing::IsEmpty()) << "seed " << seed;
    EXPECT_GE(made->constants.exec_base_us + made->constants.exec_us, 5'000)
        << "seed " << seed; // About what was put in.
    EXPECT_GE(made->constants.switch_us, 28'000) << "seed " << seed;
  }
}

TEST(RanSchedule, AlignsClocksOfOtherMachines) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const accounts of = accounts_of(seed, true);
    const auto made = draw_up(of.requests, of.loads, start_us);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_THAT(problems_of(of, *made), testing::IsEmpty()) << "seed " << seed;
  }
}

TEST(RanSchedule, ABatchWithoutALoadIsAnError) {
  accounts of = accounts_of(1, false);
  std::erase_if(of.loads, [&](const ran_load& one) { return one.model == of.requests.front().model; });
  const auto made = draw_up(of.requests, of.loads, start_us);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, core::errc::not_found);
  EXPECT_THAT(made.error().message, testing::HasSubstr("no account of the load"));
}

TEST(RanSchedule, TwoBatchesAtOnceOnADeviceFailTheCheck) {
  accounts of = accounts_of(2, false);
  const auto first = of.requests.front();
  for (auto& one : of.requests) // The next batch of the device is said to have ended a little after the first.
    if (one.device == first.device && one.batch > first.batch) {
      const auto other = one.batch;
      for (auto& same : of.requests)
        if (same.batch == other) same.batch_end_us = first.batch_end_us + 1;
      break;
    }
  const auto made = draw_up(of.requests, of.loads, start_us);
  EXPECT_TRUE(!made || !problems_of(of, *made).empty());
}

TEST(RanSchedule, ADeviceThatCameBackWithoutItsSetsHasLostThem) {
  std::vector<ran_request> requests{
      {0, 0, start_us, start_us + 40'000, "w/host0", 1, start_us + 35'000, 5'000},
      {1, 0, start_us + 50'000, start_us + 95'000, "w/host0", 2, start_us + 90'000, 5'000}};
  std::vector<ran_load> loads{{"w/host0", 0, start_us, start_us + 30'000, 0},
                              {"w/host0", 0, start_us + 50'000, start_us + 80'000, 0}};
  const auto made = draw_up(requests, loads, start_us);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->constants.resident, 1u);
  EXPECT_EQ(made->log.rows.size(), 5u); // Two loads, the loss between them, two batches.
  EXPECT_EQ(check_options(made->constants), "--exec-base-ms 0 --exec-ms 5 --switch-ms 30 --max-batch 1 --resident 1 "
                                            "--copy-engines 1 --layers 1");
}

} // namespace

} // namespace fastptm::cli
