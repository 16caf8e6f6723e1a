// When nodes come back, and what they say when they start.
#include <gtest/gtest.h>

#include "node/process/readiness.hpp"
#include "node/process/restart_policy.hpp"

namespace fastptm::node {
namespace {

constexpr core::duration_us long_life_us = 10'000'000;

TEST(RestartPolicy, FirstRestartComesWithinATenthOfASecond) {
  restart_policy policy;
  EXPECT_LE(policy.on_exit(long_life_us), 100'000);
}

TEST(RestartPolicy, WaitsLongerForANodeThatNeverServes) {
  restart_policy policy;
  core::duration_us last = 0;
  for (int i = 0; i < 5; ++i) {
    const auto delay = policy.on_exit(0);
    EXPECT_GT(delay, last);
    last = delay;
  }
}

TEST(RestartPolicy, NeverWaitsBeyondItsBound) {
  restart_policy policy;
  for (int i = 0; i < 40; ++i) EXPECT_LE(policy.on_exit(0), restart_policy::longest_delay_us);
}

TEST(RestartPolicy, ForgivesANodeThatHasServed) {
  restart_policy policy;
  for (int i = 0; i < 10; ++i) policy.on_exit(0);
  EXPECT_EQ(policy.on_exit(long_life_us), restart_policy::first_delay_us);
}

TEST(Readiness, UnderstandsReadyInPieces) {
  readiness_parser parser;
  EXPECT_EQ(parser.feed("rea"), readiness_parser::outcome::none);
  EXPECT_EQ(parser.feed("dy\n"), readiness_parser::outcome::ready);
}

TEST(Readiness, KeepsTheReasonOfAFailure) {
  readiness_parser parser;
  EXPECT_EQ(parser.feed("failed port 7600 is in use\n"), readiness_parser::outcome::failed);
  EXPECT_EQ(parser.why(), "port 7600 is in use");
}

TEST(Readiness, IsBoundedWhateverANodeWrites) {
  readiness_parser parser;
  EXPECT_EQ(parser.feed("failed "), readiness_parser::outcome::none);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(parser.feed(std::string(1000, 'x')), readiness_parser::outcome::none);
  EXPECT_EQ(parser.feed("xx\n"), readiness_parser::outcome::failed);
  EXPECT_EQ(parser.why(), std::string(4096 - 7, 'x'));
  EXPECT_EQ(parser.feed("ready\n"), readiness_parser::outcome::ready) << "the end of a cut line is lost";
}

} // namespace
} // namespace fastptm::node
