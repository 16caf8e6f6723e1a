// What may be a name.
#include "core/names.hpp"

#include <gtest/gtest.h>

namespace fastptm::core {
namespace {

TEST(Names, AreLettersDigitsAndAFewMarks) {
  for (const char* good : {"a", "MiniLM-L6_v2.1", "0x"}) EXPECT_TRUE(check_name("model", good)) << good;
  for (const std::string bad : {"", ".hidden", "-rf", "_x", "a/b", "a@1", "a b", "\x1b[2J", "\xc3\xa9"})
    EXPECT_FALSE(check_name("model", bad)) << bad;
  EXPECT_TRUE(check_name("model", std::string(64, 'a')));
  EXPECT_FALSE(check_name("model", std::string(65, 'a')));
}

} // namespace
} // namespace fastptm::core
