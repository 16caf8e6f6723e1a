// What is read of a connection before and after its client has logged in.
#include "rpc/guarded_stream.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace fastptm::rpc {
namespace {

class GuardedStream : public testing::Test {
protected:
  ~GuardedStream() noexcept override = default;
  GuardedStream() { guarded_ = kj::heap<guarded_stream>(kj::mv(pipe_.ends[0]), 10); }

  kj::Promise<size_t> read(size_t least, size_t most) { return guarded_->tryRead(buffer_, least, most); }
  // A stream of a pipe is written when it is read.
  void send(kj::StringPtr text) {
    sending_.push_back(pipe_.ends[1]->write(text.begin(), text.size()).eagerlyEvaluate(nullptr));
  }

  bool is_broken(kj::Promise<size_t> reading) {
    return kj::runCatchingExceptions([&] { reading.wait(scope_); }) != nullptr;
  }

  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
  kj::TwoWayPipe pipe_ = kj::newTwoWayPipe();
  kj::Own<guarded_stream> guarded_;
  char buffer_[64] = {};
  std::vector<kj::Promise<void>> sending_;
};

TEST_F(GuardedStream, ReadsNoMoreOfAStrangerThanItsBound) {
  send("0123456789abcdef");
  EXPECT_EQ(read(1, 64).wait(scope_), 10u);
  EXPECT_TRUE(is_broken(read(1, 64)));
}

TEST_F(GuardedStream, ReadsNothingOfAMessageThatIsLargerThanTheBound) {
  send("0123456789abcdef");
  EXPECT_TRUE(is_broken(read(11, 64)));
  EXPECT_EQ(buffer_[0], 0);
}

TEST_F(GuardedStream, ReadsOnWhenTheLoginIsBeingHandled) {
  send("0123456789abcdef");
  auto handled = kj::evalLater([this] { guarded_->trust(); }).eagerlyEvaluate(nullptr);
  EXPECT_EQ(read(16, 64).wait(scope_), 16u);
  EXPECT_EQ(buffer_[15], 'f');
}

TEST_F(GuardedStream, CountsNothingAfterTheLogin) {
  guarded_->trust();
  for (int i = 0; i < 3; ++i) {
    send("0123456789abcdef");
    EXPECT_EQ(read(16, 64).wait(scope_), 16u);
  }
}

} // namespace
} // namespace fastptm::rpc
