// Which of several things that go on at once has an instant.
#include "weights/load/stage_clock.hpp"

#include <gmock/gmock.h>

#include "core/random.hpp"

namespace fastptm::weights {

bool operator==(const load_stage& one, const load_stage& other) {
  return one.name == other.name && one.start_us == other.start_us && one.end_us == other.end_us;
}
void PrintTo(const load_stage& one, std::ostream* out) {
  *out << one.name << ' ' << one.start_us << ".." << one.end_us;
}

namespace {

using moment = stage_clock::moment;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr size_t any_number = 1000;

TEST(StageClock, TellsOneThingAfterTheOther) {
  stage_clock clock(100);
  const auto found = clock.after(stage_clock::beginning, load_wait::plan, 110);
  const auto came = clock.after(found, load_wait::fetch, 150);
  const auto checked = clock.after(came, load_wait::verify, 153);
  EXPECT_THAT(clock.path_to(checked, any_number),
              ElementsAre(load_stage{"plan", 100, 110}, load_stage{"fetch", 110, 150}, load_stage{"verify", 150, 153}));
}

TEST(StageClock, NothingThatTakesNoTimeIsTold) {
  stage_clock clock(100);
  EXPECT_THAT(clock.path_to(stage_clock::beginning, any_number), IsEmpty());
  const auto found = clock.after(stage_clock::beginning, load_wait::plan, 100);
  EXPECT_THAT(clock.path_to(clock.after(found, load_wait::fetch, 120), any_number),
              ElementsAre(load_stage{"fetch", 100, 120}));
}

// Two shards are read from the disk, each of which is fetched when it is there.
TEST(StageClock, ADiskThatFetchesWaitForHasTheTime) {
  stage_clock clock(0);
  const auto first_read = clock.after(stage_clock::beginning, load_wait::disk, 50);
  const auto second_read = clock.after(stage_clock::beginning, load_wait::disk, 100);
  clock.after(first_read, load_wait::fetch, 60);
  const auto last = clock.after(second_read, load_wait::fetch, 110);
  EXPECT_THAT(clock.path_to(last, any_number), ElementsAre(load_stage{"disk", 0, 100}, load_stage{"fetch", 100, 110}));
}

TEST(StageClock, ADiskThatIsReadWhileFetchesTakeLongerHasNone) {
  stage_clock clock(0);
  const auto first_read = clock.after(stage_clock::beginning, load_wait::disk, 5);
  const auto second_read = clock.after(stage_clock::beginning, load_wait::disk, 10);
  const auto first_came = clock.after(first_read, load_wait::fetch, 65);
  const auto last = clock.after(clock.later(first_came, second_read), load_wait::fetch, 125);
  EXPECT_THAT(clock.path_to(last, any_number), ElementsAre(load_stage{"disk", 0, 5}, load_stage{"fetch", 5, 125}));
}

TEST(StageClock, AWaitCanBeToldInTwoPartsAfterwards) {
  stage_clock clock(0);
  const auto came = clock.after(stage_clock::beginning, load_wait::fetch, 50);
  const auto last = clock.after(came, load_wait::fetch, 60);
  clock.split(came, load_wait::first_byte, 40);
  EXPECT_EQ(clock.waited_us(came), 10);
  EXPECT_THAT(clock.path_to(last, any_number),
              ElementsAre(load_stage{"first_byte", 0, 40}, load_stage{"fetch", 40, 60}));
}

// Some hundred events, each with one before it as its cause: whatever they are, the account has neither gap nor overlap.
TEST(StageClock, PartsFollowEachOtherFromTheBeginningToTheEnd) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    core::prng random(seed);
    const auto start_us = static_cast<core::time_us>(random.below(1000));
    auto now = start_us;
    stage_clock clock(start_us);
    moment last = stage_clock::beginning;
    for (int i = 0; i < 300; ++i) {
      now += static_cast<core::duration_us>(random.below(20));
      last = clock.after(static_cast<moment>(random.below(last + 1)), static_cast<load_wait>(random.below(8)), now);
    }
    for (const size_t most : {any_number, size_t{32}, size_t{7}, size_t{1}}) {
      const auto parts = clock.path_to(last, most);
      ASSERT_FALSE(parts.empty()) << seed;
      EXPECT_LE(parts.size(), std::max<size_t>(most, 8)) << seed;
      EXPECT_EQ(parts.front().start_us, start_us) << seed;
      EXPECT_EQ(parts.back().end_us, now) << seed;
      for (size_t i = 1; i < parts.size(); ++i) {
        EXPECT_EQ(parts[i].start_us, parts[i - 1].end_us) << seed;
        EXPECT_NE(parts[i].name, parts[i - 1].name) << seed;
      }
    }
  }
}

core::duration_us sum_of(const std::vector<load_stage>& parts, std::string_view name) {
  core::duration_us sum = 0;
  for (const auto& part : parts)
    if (part.name == name) sum += part.end_us - part.start_us;
  return sum;
}

TEST(StageClock, WhatIsToldInGroupsTakesAsLongInAll) {
  stage_clock clock(0);
  moment last = stage_clock::beginning;
  for (core::time_us chunk = 0; chunk < 500; ++chunk) {
    last = clock.after(last, load_wait::fetch, chunk * 10 + 7);
    last = clock.after(last, load_wait::verify, chunk * 10 + 10);
  }
  const auto whole = clock.path_to(last, any_number), told = clock.path_to(last, 32);
  EXPECT_EQ(whole.size(), 1000u);
  EXPECT_LE(told.size(), 32u);
  EXPECT_GE(told.size(), 8u) << "what changes while a load runs is to be seen";
  for (const auto* name : {"fetch", "verify"}) EXPECT_EQ(sum_of(told, name), sum_of(whole, name)) << name;
}

TEST(StageClock, TheLongestStageIsThatOfAllItsParts) {
  EXPECT_EQ(longest_of({{"plan", 0, 10}, {"fetch", 10, 18}, {"disk", 18, 22}, {"fetch", 22, 30}}), "fetch");
  EXPECT_EQ(longest_of({{"disk", 0, 10}, {"fetch", 10, 20}}), "disk") << "of equals the first";
  EXPECT_EQ(longest_of({{"done", 5, 5}}), "");
}

} // namespace
} // namespace fastptm::weights
