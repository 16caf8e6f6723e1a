// Which tokens are good, when, and what is told of those that are not any more.
#include "rpc/token_book.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastptm::rpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class TokenBook : public testing::Test {
protected:
  ~TokenBook() noexcept override = default;
  TokenBook() {
    book_.on_forgotten([this](uint64_t number) { forgotten_.push_back(number); });
  }

  uint64_t number_of(const char* token) const {
    const auto* found = book_.find(token);
    return found == nullptr ? 0 : found->number;
  }
  void pass(kj::Duration time) {
    timer_.advanceTo(timer_.now() + time);
    kj::Promise<void>(kj::READY_NOW).wait(scope_);
    kj::evalLast([] {}).wait(scope_);
  }

  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  std::vector<uint64_t> forgotten_;
  token_book book_{timer_, {{"acme", "first", {}}, {"globex", "other", {}}}};
};

TEST_F(TokenBook, FindsWhoseTokenItIs) {
  ASSERT_NE(book_.find("other"), nullptr);
  EXPECT_EQ(book_.find("other")->token.tenant, "globex");
  EXPECT_EQ(book_.find("others"), nullptr);
  EXPECT_EQ(book_.find(""), nullptr);
}

TEST_F(TokenBook, TellsOnlyOfTokensThatAreGone) {
  const auto first = number_of("first"), other = number_of("other");
  book_.replace({{"acme", "second", {}}, {"globex", "other", {}}});
  EXPECT_THAT(forgotten_, ElementsAre(first));
  EXPECT_EQ(number_of("first"), 0u);
  EXPECT_EQ(number_of("other"), other);
  EXPECT_NE(number_of("second"), first);
}

TEST_F(TokenBook, ATokenWithATimeIsGoodUntilThen) {
  const auto first = number_of("first");
  book_.replace({{"acme", "second", {}}, {"acme", "first", 5'000'000}, {"globex", "other", {}}});
  pass(4 * kj::SECONDS);
  EXPECT_EQ(number_of("first"), first);
  EXPECT_THAT(forgotten_, IsEmpty());
  pass(2 * kj::SECONDS);
  EXPECT_EQ(number_of("first"), 0u);
  EXPECT_THAT(forgotten_, ElementsAre(first));
  EXPECT_NE(number_of("second"), 0u);
}

TEST_F(TokenBook, ATokenThatIsNoLongerLimitedStays) {
  book_.replace({{"acme", "first", 5'000'000}});
  book_.replace({{"acme", "first", {}}});
  pass(6 * kj::SECONDS);
  EXPECT_NE(number_of("first"), 0u);
}

} // namespace
} // namespace fastptm::rpc
