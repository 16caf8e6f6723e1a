// What the gateway remembers of cards stays within its budget, and what was used last stays longest.
#include "rpc/recent.hpp"

#include <gtest/gtest.h>

namespace fastptm::rpc {
namespace {

core::digest card(uint8_t number) {
  core::digest made;
  made.bytes[0] = number;
  return made;
}

TEST(Recent, KeepsWhatWasUsedLastWithinItsBudget) {
  recent<int> values(10);
  values.add(card(1), 11, 4);
  values.add(card(2), 22, 4);
  EXPECT_EQ(values.find(card(1)), 11); // used again
  values.add(card(3), 33, 4);
  EXPECT_EQ(values.find(card(2)), std::nullopt);
  EXPECT_EQ(values.find(card(1)), 11);
  EXPECT_EQ(values.find(card(3)), 33);
}

TEST(Recent, CountsAValueThatIsReadTwiceOnce) {
  recent<int> values(8);
  values.add(card(1), 11, 4);
  values.add(card(2), 22, 4);
  values.add(card(2), 23, 4);
  EXPECT_EQ(values.find(card(1)), 11);
  EXPECT_EQ(values.find(card(2)), 23);
}

TEST(Recent, KeepsTheNewestWhateverItCosts) {
  recent<int> values(8);
  values.add(card(1), 11, 4);
  values.add(card(2), 22, 100);
  EXPECT_EQ(values.find(card(2)), 22);
  EXPECT_EQ(values.find(card(1)), std::nullopt);
  values.add(card(1), 11, 8);
  EXPECT_EQ(values.find(card(2)), std::nullopt);
  EXPECT_EQ(values.find(card(1)), 11);
}

} // namespace
} // namespace fastptm::rpc
