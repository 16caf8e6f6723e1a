// Digests in hex.
#include "core/digest.hpp"

#include <gtest/gtest.h>

namespace fastptm::core {

TEST(Digest, HexIsReadBackAsTheSameDigest) {
  digest d;
  for (size_t i = 0; i < d.bytes.size(); ++i) d.bytes[i] = static_cast<uint8_t>(7 * i + 250);
  EXPECT_EQ(d.hex().size(), 64u);
  EXPECT_EQ(digest::from_hex(d.hex()), d);
  EXPECT_EQ(d.short_hex(), d.hex().substr(0, 12));
}

TEST(Digest, OnlyExactlySixtyFourLowerCaseHexDigitsAreADigest) {
  const std::string good(64, 'a');
  EXPECT_TRUE(digest::from_hex(good));
  EXPECT_FALSE(digest::from_hex(good.substr(1)));
  EXPECT_FALSE(digest::from_hex(good + "a"));
  EXPECT_FALSE(digest::from_hex(std::string(64, 'A')));
  EXPECT_FALSE(digest::from_hex(std::string(63, 'a') + "g"));
  EXPECT_FALSE(digest::from_hex(""));
}

} // namespace fastptm::core
