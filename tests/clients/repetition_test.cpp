// When a request comes again, and when it does not.
#include "clients/cpp/repetition.hpp"

#include <gtest/gtest.h>

namespace fastptm::clients {
namespace {

constexpr core::time_us now = 1'000'000, deadline_us = now + 3'000'000;

TEST(Repetition, TriesABrokenConnectionAgainUntilTheDeadline) {
  repetition again(1, true);
  core::time_us at = now;
  int tries = 0;
  while (const auto pause_us = again.pause_after({"unavailable"}, at, deadline_us)) {
    EXPECT_GE(*pause_us, 1);
    EXPECT_LE(*pause_us, 750'000) << "try " << tries;
    at += *pause_us;
    ASSERT_LT(++tries, 100);
  }
  EXPECT_EQ(at, deadline_us) << "the last try is when the deadline passes, not before";
  EXPECT_GT(tries, 5);
  EXPECT_LT(tries, 20) << "pauses grow";
}

TEST(Repetition, WaitsAsLongAsTheHintSays) {
  repetition again(1, true);
  for (const auto* status : {"quota_exceeded", "refused"}) {
    const auto pause_us = again.pause_after({status, 100'000}, now, deadline_us);
    ASSERT_TRUE(pause_us.has_value()) << status;
    EXPECT_GE(*pause_us, 100'000);
    EXPECT_LE(*pause_us, 150'000);
  }
}

TEST(Repetition, TellsAHintThatIsBeyondTheDeadlineAtOnce) {
  EXPECT_FALSE(repetition(1, true).pause_after({"quota_exceeded", 3'000'000}, now, deadline_us));
  EXPECT_FALSE(repetition(1, true).pause_after({"quota_exceeded", 1}, deadline_us, deadline_us));
}

TEST(Repetition, LeavesWhatWaitingCannotMend) {
  for (const auto* status :
       {"ok", "late", "deadline_exceeded", "not_found", "permission_denied", "invalid", "refused", "quota_exceeded"})
    EXPECT_FALSE(repetition(1, true).pause_after({status}, now, deadline_us)) << status;
}

TEST(Repetition, TellsRefusalsToWhomTheyAreWanted) {
  EXPECT_FALSE(repetition(1, false).pause_after({"quota_exceeded", 1000}, now, deadline_us));
  EXPECT_TRUE(repetition(1, false).pause_after({"unavailable"}, now, deadline_us));
}

TEST(Repetition, SpreadsManyClients) {
  const auto first = [](uint64_t seed) {
    return *repetition(seed, true).pause_after({"unavailable"}, now, deadline_us);
  };
  EXPECT_NE(first(1), first(2));
}

} // namespace
} // namespace fastptm::clients
