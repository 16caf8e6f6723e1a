// Whose text is read next, and which texts are never read.
#include "rpc/text_queue.hpp"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>

namespace fastptm::rpc {
namespace {

constexpr core::time_us never_us = INT64_MAX;

// The first piece of work holds the thread until the test lets go: what comes meanwhile waits.
class TextQueue : public testing::Test {
public:
  ~TextQueue() noexcept override {}

protected:
  using read = core::result<std::string>;

  void hold_thread() {
    auto held = std::make_shared<std::promise<void>>();
    let_go_ = held;
    ask_to({"first", 1, never_us}, [held]() -> read {
      held->get_future().wait();
      return std::string("first");
    });
  }
  void ask(const text_errand& what, const char* name) {
    ask_to(what, [name]() -> read { return std::string(name); });
  }
  template <class Work> void ask_to(const text_errand& what, Work work) {
    asked_.add(queue_.run(what, std::move(work)).then([this](read got) {
      (got ? read_ : refused_).push_back(got ? *got : std::string(to_string(got.error().code)));
    }));
  }
  void finish() {
    let_go_->set_value();
    asked_.onEmpty().wait(io_.waitScope);
  }

  struct ignores final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&& exception) override { ADD_FAILURE() << exception.getDescription().cStr(); }
  };
  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  text_queue queue_{100'000};
  ignores on_error_;
  kj::TaskSet asked_{on_error_};
  std::shared_ptr<std::promise<void>> let_go_;
  std::vector<std::string> read_, refused_;
};

TEST_F(TextQueue, AFewTextsOfOneTenantAreReadBetweenTheManyOfAnother) {
  hold_thread();
  for (int i = 0; i < 20; ++i) ask({"acme", 4'000, never_us}, "a");
  for (int i = 0; i < 3; ++i) ask({"globex", 400, never_us}, "g");
  finish();
  ASSERT_EQ(read_.size(), 24u);
  const auto last = std::find(read_.rbegin(), read_.rend(), "g");
  EXPECT_LE(std::count(read_.begin(), last.base(), "a"), 2) << testing::PrintToString(read_);
}

TEST_F(TextQueue, ATextWhoseDeadlineHasPassedIsRefusedWithoutWork) {
  hold_thread();
  bool was_read = false;
  ask_to({"acme", 10, core::monotonic_now_us() - 1}, [&was_read]() -> read {
    was_read = true;
    return std::string("late");
  });
  ask({"acme", 10, never_us}, "in time");
  finish();
  EXPECT_FALSE(was_read);
  EXPECT_THAT(refused_, testing::ElementsAre("deadline_exceeded"));
  EXPECT_EQ(read_.back(), "in time");
}

TEST_F(TextQueue, ADroppedCallLeavesTheQueue) {
  hold_thread();
  bool was_read = false;
  {
    const auto dropped = queue_.run({"acme", 10, never_us}, [&was_read]() -> read {
      was_read = true;
      return std::string();
    });
  }
  ask({"acme", 10, never_us}, "next");
  finish();
  EXPECT_FALSE(was_read);
  EXPECT_EQ(read_.back(), "next");
}

TEST_F(TextQueue, ATenantsTextsWaitWithinItsBoundAndTouchNobodyElses) {
  hold_thread();
  for (int i = 0; i < 10; ++i) ask({"acme", 20'000, never_us}, "a");
  ask({"globex", 20'000, never_us}, "g");
  finish();
  EXPECT_EQ(std::count(read_.begin(), read_.end(), "a"), 5);
  EXPECT_EQ(std::count(read_.begin(), read_.end(), "g"), 1);
  EXPECT_THAT(refused_, testing::Each("quota_exceeded"));
  EXPECT_EQ(refused_.size(), 5u);
}

} // namespace
} // namespace fastptm::rpc
