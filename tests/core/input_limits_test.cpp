// Every way in which an input is wrong, with the words that its sender reads.
#include "core/input_limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastptm::core {

namespace {

using testing::HasSubstr;

constexpr input_limits limits{"acme/m@1", 4, 100, 2};

std::string refusal(std::vector<int32_t> ids, std::vector<int32_t> types = {}, uint32_t unpooled = 0,
                    const input_limits& by = limits) {
  const auto checked = check_input(by, ids, types, unpooled);
  if (checked) return "accepted";
  EXPECT_EQ(checked.error().code, errc::invalid);
  return checked.error().message;
}

} // namespace

TEST(InputLimits, TakeWhatTheModelReads) {
  EXPECT_EQ(refusal({0, 99, 1, 2}), "accepted");
  EXPECT_EQ(refusal({1, 2}, {0, 1}, 1), "accepted");
}

TEST(InputLimits, SayWhatIsWrongWhereAndWhatToDo) {
  EXPECT_EQ(refusal({}), "the input has no tokens: give at least one id");
  EXPECT_EQ(refusal({1, 2, 3, 4, 5}), "the input has 5 tokens, acme/m@1 reads at most 4: shorten it");
  EXPECT_EQ(refusal({1, 100}), "token id 100 at place 1 is outside of the vocabulary of acme/m@1: use 0 to 99");
  EXPECT_EQ(refusal({-1}), "token id -1 at place 0 is outside of the vocabulary of acme/m@1: use 0 to 99");
  EXPECT_EQ(refusal({1, 2}, {0}), "1 token types for 2 ids: give one for each id, or none");
  EXPECT_EQ(refusal({1, 2}, {0, 2}), "token type 2 at place 1: acme/m@1 knows 0 to 1");
  EXPECT_EQ(refusal({1, 2}, {}, 2), "the prompt leaves no token of the text: shorten the prompt");
}

TEST(InputLimits, AModelWithoutTypesTakesZerosOnly) {
  const input_limits untyped{"acme/d@1", 4, 100, 0};
  EXPECT_EQ(refusal({1, 2}, {0, 0}, 0, untyped), "accepted");
  EXPECT_EQ(refusal({1, 2}, {0, 1}, 0, untyped), "token type 1 at place 1: acme/d@1 knows no types, leave them out");
}

} // namespace fastptm::core
