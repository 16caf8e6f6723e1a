// What a load does about shards that nobody has, that others bring, that the store refuses.
#include "policy/staging.hpp"

#include <gmock/gmock.h>

#include "core/random.hpp"

namespace fastptm::policy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using answer = staging::answer;

constexpr core::time_us start_us = 1'000'000;
constexpr staging_options options{};

TEST(Staging, AsksTheStoreForWhatNoDeviceHas) {
  staging s(options, 3, start_us);
  s.offered(1, start_us);
  EXPECT_THAT(s.located(), ElementsAre(0, 2));
  EXPECT_THAT(s.located(), IsEmpty()) << "once";
}

TEST(Staging, AwaitsWhatAnotherDeviceIsLoading) {
  staging s(options, 2, start_us);
  s.expected(0, true, start_us);
  EXPECT_THAT(s.located(), ElementsAre(1));
  EXPECT_EQ(s.starved(0), answer::wait);
  EXPECT_EQ(s.next_look_us(0), start_us + options.await_us);
  EXPECT_THAT(s.overdue(start_us + options.await_us - 1), IsEmpty());
  EXPECT_THAT(s.overdue(start_us + options.await_us), ElementsAre(0));
  EXPECT_EQ(s.next_look_us(0), start_us + options.timeout_us);
  EXPECT_THAT(s.located(), IsEmpty()) << "it is looked for first";
  s.looked(0, start_us + options.await_us);
  s.expected(0, true, start_us); // of another device this time
  EXPECT_THAT(s.located(), ElementsAre(0)) << "it was awaited long enough";
}

TEST(Staging, GoesOnWaitingForALoadThatBringsItInParts) {
  staging s(options, 1, start_us);
  s.expected(0, true, start_us);
  EXPECT_TRUE(s.partly_offered(0, start_us + options.await_us - 1));
  EXPECT_THAT(s.overdue(start_us + options.await_us), IsEmpty());
  EXPECT_EQ(s.starved(0), answer::wait) << "the rest is on its way";
  s.verified(0);
  EXPECT_FALSE(s.partly_offered(0, start_us)) << "it is here";
}

TEST(Staging, SaysThatTheStoreMayLetGoOfWhatWasTakenWhileItWasRead) {
  staging s(options, 2, start_us);
  EXPECT_THAT(s.located(), ElementsAre(0, 1));
  EXPECT_FALSE(s.verified(0)) << "the store still reads it";
  EXPECT_TRUE(s.staged(0));
  EXPECT_FALSE(s.staged(1));
}

TEST(Staging, TakesWhatIsFoundWhenItIsLookedForAgain) {
  staging s(options, 1, start_us);
  s.expected(0, true, start_us);
  EXPECT_THAT(s.overdue(start_us + options.await_us), ElementsAre(0));
  s.looked(0, start_us + options.await_us);
  s.offered(0, start_us + options.await_us);
  EXPECT_THAT(s.located(), IsEmpty());
}

TEST(Staging, LooksForOthersWhenItsDevicesDoNotDo) {
  staging s(options, 1, start_us);
  s.offered(0, start_us);
  EXPECT_EQ(s.starved(0), answer::look);
  EXPECT_EQ(s.starved(0), answer::wait) << "it is being looked for";
  s.looked(0, start_us);
  s.offered(0, start_us);
  EXPECT_THAT(s.located(), IsEmpty());
  EXPECT_EQ(s.starved(0), answer::look);
  s.looked(0, start_us);
  EXPECT_THAT(s.located(), ElementsAre(0)) << "there is no other";
}

TEST(Staging, AwaitsLongerWhileDevicesBringSomething) {
  staging s(options, 2, start_us);
  s.expected(0, true, start_us);
  s.expected(1, true, start_us);
  s.located();
  s.offered(0, start_us + 200'000);
  EXPECT_THAT(s.overdue(start_us + options.await_us), IsEmpty());
  EXPECT_EQ(s.next_look_us(0), start_us + 200'000 + options.await_us);
}

TEST(Staging, AwaitsLongerWhatGetsOn) {
  staging s(options, 1, start_us);
  s.expected(0, true, start_us);
  s.expected(0, true, start_us + 200'000);
  EXPECT_THAT(s.overdue(start_us + options.await_us), IsEmpty());
  EXPECT_THAT(s.overdue(start_us + 200'000 + options.await_us), ElementsAre(0));
}

TEST(Staging, AsksForWhatIsAwaitedInVain) {
  staging s(options, 1, start_us);
  s.expected(0, true, start_us);
  EXPECT_THAT(s.located(), IsEmpty());
  s.expected(0, false, start_us); // That load has failed.
  EXPECT_THAT(s.located(), ElementsAre(0));
}

TEST(Staging, AsksAgainAFewTimesWhenSourcesAreLost) {
  staging s(options, 1, start_us);
  ASSERT_THAT(s.located(), ElementsAre(0));
  s.staged(0);
  for (uint32_t i = 1; i < options.most_attempts; ++i) {
    EXPECT_EQ(s.starved(0), answer::ask);
    EXPECT_EQ(s.starved(0), answer::wait) << "it is on its way";
    s.staged(0);
  }
  EXPECT_EQ(s.starved(0), answer::look) << "a device may have it now";
  s.looked(0, start_us);
  EXPECT_EQ(s.starved(0), answer::give_up);
}

// Every one of them may be damaged in the store's cache, and takes the others with it.
TEST(Staging, CountsWrongBytesAgainstTheShardAloneThatTheyWereOf) {
  constexpr uint32_t shards = 8;
  staging s(options, shards, start_us);
  ASSERT_EQ(s.located().size(), shards);
  for (uint32_t i = 0; i < shards; ++i) s.staged(i);
  for (uint32_t wrong = 0; wrong < shards; ++wrong) {
    s.doubted(wrong);
    for (uint32_t i = 0; i < shards; ++i) {
      ASSERT_EQ(s.starved(i), answer::ask) << i << " after " << wrong;
      s.staged(i);
    }
  }
  for (uint32_t i = 2; i < options.most_attempts; ++i) {
    s.doubted(3);
    for (uint32_t each = 0; each < shards; ++each) {
      ASSERT_EQ(s.starved(each), answer::ask);
      s.staged(each);
    }
  }
  s.doubted(3);
  EXPECT_EQ(s.starved(3), answer::look) << "a device may have it now";
  s.looked(3, start_us);
  EXPECT_EQ(s.starved(3), answer::give_up);
  EXPECT_EQ(s.starved(4), answer::ask);
}

TEST(Staging, GivesUpWhenTheStoreRefusesWhatNobodyElseHas) {
  staging s(options, 2, start_us);
  s.offered(1, start_us);
  s.located();
  EXPECT_EQ(s.starved(0), answer::wait);
  EXPECT_EQ(s.refused(0, "its object is damaged"), std::nullopt);
  EXPECT_EQ(s.starved(0), answer::look);
  s.looked(0, start_us);
  EXPECT_EQ(s.starved(0), answer::give_up);
  EXPECT_EQ(s.why(0), "its object is damaged");
  EXPECT_EQ(s.starved(1), answer::look);
  s.looked(1, start_us);
  EXPECT_EQ(s.starved(1), answer::ask) << "a device had it, the store may";
  s.offered(1, start_us);
  EXPECT_EQ(s.refused(1, "damaged, too"), std::nullopt) << "another device has it meanwhile";
}

// A device that is told of may be out of this load already: what starves is not kept waiting by having been offered.
TEST(Staging, StagesWhatStarvesThoughItWasOffered) {
  staging s(options, 1, start_us);
  s.expected(0, true, start_us);
  s.offered(0, start_us);
  EXPECT_EQ(s.starved(0), answer::look);
  s.looked(0, start_us);
  EXPECT_THAT(s.located(), ElementsAre(0));
}

TEST(Staging, LetsTheStoreForgetWhatIsVerified) {
  staging s(options, 2, start_us);
  s.located();
  s.staged(0);
  EXPECT_TRUE(s.verified(0));
  EXPECT_FALSE(s.verified(1)) << "the store was asked and has not answered";
  EXPECT_EQ(s.starved(0), answer::wait);
}

TEST(Staging, TimesOutWhenNothingWasVerifiedForSoLong) {
  const staging s({.timeout_us = 1000}, 1, start_us);
  EXPECT_FALSE(s.timed_out(0, start_us + 999));
  EXPECT_TRUE(s.timed_out(0, start_us + 1000));
  const core::time_us progress_us = start_us + 5000; // Long after the start, and still going on.
  EXPECT_FALSE(s.timed_out(progress_us, progress_us + 999));
  EXPECT_TRUE(s.timed_out(progress_us, progress_us + 1000));
  EXPECT_EQ(s.next_look_us(progress_us), progress_us + 1000);
}

// Whatever happens in whatever order: a shard that starves is on its way or the load is given up, nothing is asked for
// twice at once, nor more often than is allowed.
TEST(Staging, NeverLeavesAStarvedShardBehind) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    core::prng random(seed);
    constexpr uint32_t shards = 4;
    staging s(options, shards, start_us);
    core::time_us now = start_us;
    std::vector<uint32_t> asked(shards), open(shards);
    std::vector<bool> verified(shards), awaited(shards), looking(shards);
    const auto ask = [&](uint32_t shard) {
      ASSERT_EQ(open[shard]++, 0u);
      ASSERT_LE(++asked[shard], options.most_attempts);
      ASSERT_FALSE(verified[shard]);
      awaited[shard] = false;
    };
    for (int step = 0; step < 200; ++step) {
      now += static_cast<core::time_us>(random.below(60'000));
      const auto i = static_cast<uint32_t>(random.below(shards));
      switch (random.below(7)) {
        case 0:
          awaited[i] = awaited[i] && !s.offered(i, now);
          break;
        case 1: {
          const bool is_expected = random.below(2) == 0;
          s.expected(i, is_expected, now);
          awaited[i] = is_expected && asked[i] == 0;
          if (looking[i]) awaited[i] = false;
          for (const uint32_t one : s.located()) ask(one);
          break;
        }
        case 2:
          if (open[i] > 0) {
            --open[i];
            s.staged(i);
          }
          break;
        case 3: {
          const auto then = s.starved(i);
          if (then == answer::ask) ask(i);
          if (then == answer::look) {
            ASSERT_FALSE(looking[i]);
            looking[i] = true;
          }
          if (then == answer::wait) {
            ASSERT_TRUE(open[i] > 0 || awaited[i] || verified[i] || looking[i]) << "it waits for nothing";
          }
          if (then == answer::give_up) {
            ASSERT_EQ(asked[i], options.most_attempts);
          }
          break;
        }
        case 4:
          if (random.below(10) == 0) {
            s.verified(i);
            verified[i] = true;
          }
          break;
        case 5:
          if (looking[i]) {
            looking[i] = false;
            s.looked(i, now);
            for (const uint32_t one : s.located()) ask(one);
          }
          break;
        default:
          for (const uint32_t one : s.overdue(now)) {
            ASSERT_FALSE(looking[one]);
            looking[one] = true;
            awaited[one] = false;
          }
          break;
      }
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

} // namespace
} // namespace fastptm::policy
