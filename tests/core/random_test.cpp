// The seeded generator.
#include "core/random.hpp"

#include <gtest/gtest.h>

namespace fastptm::core {

TEST(Prng, GivesThePublishedSequenceOfSplitmix64) {
  // Reference values of the algorithm's public-domain C code for seed 1234567.
  prng r(1234567);
  EXPECT_EQ(r.next(), 6457827717110365317u);
  EXPECT_EQ(r.next(), 3203168211198807973u);
  EXPECT_EQ(r.next(), 9817491932198370423u);
}

TEST(Prng, StaysBelowItsBound) {
  prng r(1);
  bool top = false;
  for (int i = 0; i < 1000; ++i) {
    const auto n = r.below(7);
    ASSERT_LT(n, 7u);
    top |= n == 6;
    const auto u = r.unit();
    ASSERT_TRUE(u >= 0.0 && u < 1.0);
  }
  EXPECT_TRUE(top);
}

TEST(TrueRandom, DoesNotRepeat) {
  EXPECT_NE(true_random_u64(), true_random_u64());
  EXPECT_NE(random_secret_hex(), random_secret_hex());
  EXPECT_EQ(random_secret_hex().size(), 64u);
}

} // namespace fastptm::core
