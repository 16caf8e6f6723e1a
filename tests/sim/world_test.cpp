// The cluster in virtual time: the same seed gives the same, and every scenario holds.
#include "sim/world/world.hpp"

#include <gmock/gmock.h>

#include "core/log.hpp"
#include "sim/world/fault_plan.hpp"
#include "tests/support/temporary_folder.hpp"

namespace fastptm::sim::world {
namespace {

using testing::IsEmpty;

// Models are written once for all tests of the process.
class World : public testing::Test {
protected:
  static void SetUpTestSuite() {
    core::log::open("world", core::log::level::none);
    folder_ = std::make_unique<tests::temporary_folder>();
    models_ = shelf::make(folder_->path(), scenario().models).value();
  }
  static void TearDownTestSuite() {
    models_.reset();
    folder_.reset();
    core::log::open("-", core::log::level::warn);
  }

  static outcome run(const std::string& name, uint64_t seed) {
    return world::run(scenario_named(name).value(), seed, *models_);
  }

  static inline std::unique_ptr<tests::temporary_folder> folder_;
  static inline std::unique_ptr<shelf> models_;
};

TEST_F(World, OfTheSameSeedIsTheSame) {
  const auto one = run("everything", 7), again = run("everything", 7), other = run("everything", 8);
  EXPECT_EQ(one.transcript, again.transcript);
  EXPECT_EQ(one.messages, again.messages);
  EXPECT_EQ(one.faults, again.faults);
  EXPECT_NE(one.transcript, other.transcript);
}

TEST_F(World, LeavesOutTheFaultsThatItIsTold) {
  const auto what = scenario_named("everything").value();
  const auto all = world::run(what, 3, *models_), fewer = world::run(what, 3, *models_, {0, 2});
  EXPECT_EQ(all.faults.size(), all.planned_faults);
  ASSERT_EQ(fewer.faults.size(), all.planned_faults - 2);
  EXPECT_EQ(fewer.faults[0], all.faults[1]);
  EXPECT_EQ(fewer.faults[1], all.faults[3]);
}

TEST_F(World, NamesItsScenariosToWhoAsksForAnother) {
  const auto none = scenario_named("sunshine");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, testing::HasSubstr("rolling_kill"));
}

TEST_F(World, AnswersEveryRequestWhenNothingFails) {
  const auto got = run("steady", 1);
  EXPECT_THAT(got.violations, IsEmpty());
  EXPECT_EQ(got.refused, 0u);
  EXPECT_GT(got.loads, 50u) << "there are more models than places";
}

class Scenario : public World, public testing::WithParamInterface<scenario> {};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t last_seed = 5;
#else
constexpr uint64_t last_seed = 50;
#endif

TEST_P(Scenario, HoldsForEverySeed) {
  for (uint64_t seed = 1; seed <= last_seed; ++seed) {
    const auto got = world::run(GetParam(), seed, *models_);
    ASSERT_THAT(got.violations, IsEmpty()) << "fastptm sim " << GetParam().name << " --seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, Scenario, testing::ValuesIn(scenarios()),
                         [](const auto& tested) { return tested.param.name; });

// Whether a world that lacks something fails within so many seeds, and with which words.
class Planted : public World {
protected:
  static std::string first_violation(scenario what) {
    for (uint64_t seed = 1; seed <= 50; ++seed)
      if (const auto got = world::run(what, seed, *models_); !got.violations.empty()) return got.violations[0];
    return {};
  }
};

TEST_F(Planted, MemoryThatNobodyChecksAgainIsNoticed) {
  auto what = scenario_named("bit_rain").value();
  what.lacks.nobody_scrubs = true;
  EXPECT_THAT(first_violation(what), testing::HasSubstr("wrong answer"));
}

TEST_F(Planted, ABatchThatDoesNotWaitForItsShardsIsNoticed) {
  auto what = scenario_named("steady").value();
  what.lacks.runs_do_not_wait = true;
  EXPECT_THAT(first_violation(what), testing::HasSubstr("wrong answer"));
}

TEST(FaultPlan, IsInOrderOfTimeWithinTheRun) {
  const auto what = scenario_named("everything").value();
  const auto planned = plan_faults(what, 1);
  ASSERT_GE(planned.size(), 20u);
  for (size_t i = 1; i < planned.size(); ++i) EXPECT_LE(planned[i - 1].at_us, planned[i].at_us);
  for (const auto& one : planned) {
    EXPECT_LE(one.until_us, what.duration_us) << to_text(one, what.workers);
    EXPECT_NE(one.node, one.other) << to_text(one, what.workers);
  }
}

} // namespace
} // namespace fastptm::sim::world
