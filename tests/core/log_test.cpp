// What may reach a terminal.
#include "core/log.hpp"

#include <gtest/gtest.h>

namespace fastptm::core {

TEST(Printable, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(printable("weights für 模型"), "weights für 模型");
}

TEST(Printable, EscapesControlCharactersAndBrokenUtf8) {
  EXPECT_EQ(printable("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(printable("a\nb\x7f"), "a\\x0ab\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(printable("\xc3("), "\\xc3(");
  EXPECT_EQ(printable("\xff"), "\\xff");
}

TEST(Printable, IsBounded) {
  const auto text = printable(std::string(5000, 'x'), 100);
  EXPECT_EQ(text, std::string(100, 'x') + "...");
}

} // namespace fastptm::core
