// Digests in hex.
#include "core/digest.hpp"

#include <gtest/gtest.h>

namespace fastptm::core {

TEST(Digest, HexIsItsBytesInOrder) {
  digest d;
  d.bytes.front() = 0x0a;
  d.bytes.back() = 0xf1;
  EXPECT_EQ(d.hex().size(), 64u);
  EXPECT_EQ(d.hex(), "0a" + std::string(60, '0') + "f1");
  EXPECT_EQ(d.short_hex(), d.hex().substr(0, 12));
}

} // namespace fastptm::core
