// The cluster in virtual time: the same seed gives the same, and every scenario holds.
#include "sim/world/world.hpp"

#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <stdlib.h>

#include "core/log.hpp"
#include "sim/world/fault_plan.hpp"

namespace fastptm::sim::world {
namespace {

using testing::IsEmpty;

// In memory, where there is such a place: worlds that publish wait for its disk.
std::filesystem::path make_folder() {
  for (const auto& at : {std::filesystem::path("/dev/shm"), std::filesystem::temp_directory_path()}) {
    auto name = (at / "fastptm-world-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) return name;
  }
  return {};
}

// Models are written once for all tests of the process.
class World : public testing::Test {
protected:
  static void SetUpTestSuite() {
    core::log::open("world", core::log::level::none);
    folder_ = make_folder();
    models_ = shelf::make(folder_, scenario().models).value();
  }
  static void TearDownTestSuite() {
    models_.reset();
    std::filesystem::remove_all(folder_);
    core::log::open("-", core::log::level::warn);
  }

  static outcome run(const std::string& name, uint64_t seed) {
    return world::run(scenario_named(name).value(), seed, *models_);
  }

  static inline std::filesystem::path folder_;
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

// What a world lacks, where that shows, and in which words.
struct plant {
  friend void PrintTo(const plant& of, std::ostream* out) { *out << of.name; }

  std::string name; // of the test
  std::string scenario;
  bool planted::*what = nullptr;
  std::string violation;
  uint64_t seeds = 100;
};

class Planted : public World, public testing::WithParamInterface<plant> {};

TEST_P(Planted, IsNoticed) {
  const auto& [name, in, lack, violation, seeds] = GetParam();
  auto what = scenario_named(in).value();
  what.lacks.*lack = true;
  std::set<std::string> said;
  bool is_noticed = false;
  for (uint64_t seed = 1; seed <= seeds && !is_noticed; ++seed)
    for (const auto& each : world::run(what, seed, *models_).violations) {
      is_noticed = is_noticed || each.find(violation) != std::string::npos;
      said.insert(each);
    }
  EXPECT_TRUE(is_noticed) << in << " without it does not say '" << violation << "', but " << said.size()
                          << " other things: " << (said.empty() ? "" : *said.begin());
}

INSTANTIATE_TEST_SUITE_P(
    Every, Planted,
    testing::Values(
        plant{"MemoryThatNobodyChecksAgain", "bit_rain", &planted::checks_of_memory, "wrong answer"},
        plant{"ABatchThatDoesNotWaitForItsShards", "steady", &planted::waiting_for_shards, "wrong answer"},
        plant{"AWrongLastChunkThatHangsTheLoad", "liar", &planted::news_of_wrong_chunks, "no chunk has come within"},
        plant{"ADamagedCopyInTheCacheThatStays", "bit_rain", &planted::checks_of_copies, "no source left"},
        plant{"APublicationThatRestoresNothing", "publishing", &planted::restoration, "when all was well"},
        plant{"ALateChunkThatClosesItsConnection", "slow_link", &planted::shared_patience, "nothing was wrong"},
        plant{"ALoadThatHasItsTimeoutInAll", "long_loads", &planted::progress, "nothing was wrong"},
        plant{"ASourceThatIsAskedAgainAtOnce", "refusals", &planted::pauses_when_busy, "nothing was wrong"},
        plant{"AHeadThatTakesItsPausesForSilence", "head_pause", &planted::excuses_of_the_head, "was lost"},
        plant{"AManifestThatNobodyCompares", "control_plane", &planted::digests_of_manifests, "wrong answer"}),
    [](const auto& tested) { return tested.param.name; });

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
