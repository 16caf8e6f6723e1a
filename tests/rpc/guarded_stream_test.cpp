// What is read of a connection before and after its client has logged in.
#include "rpc/guarded_stream.hpp"

#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace fastptm::rpc {
namespace {

class GuardedStream : public testing::Test {
protected:
  ~GuardedStream() noexcept override = default;
  GuardedStream() { guarded_ = kj::heap<guarded_stream>(kj::mv(pipe_.ends[0]), 10, guarded_stream::pieces::apart); }

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

// Counts the calls.
class counting_stream final : public kj::AsyncIoStream {
public:
  counting_stream(size_t& wholes, size_t& lists) : wholes_(wholes), lists_(lists) {}
  kj::Promise<size_t> tryRead(void*, size_t, size_t) override { return size_t{0}; }
  kj::Promise<void> write(const void* bytes, size_t size) override {
    wholes_ += std::string_view(static_cast<const char*>(bytes), size) == "tablesegment";
    return kj::READY_NOW;
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>>) override {
    ++lists_;
    return kj::READY_NOW;
  }
  kj::Promise<void> whenWriteDisconnected() override { return kj::NEVER_DONE; }
  void shutdownWrite() override {}

private:
  size_t& wholes_;
  size_t& lists_;
};

TEST_F(GuardedStream, JoinsThePiecesOfAMessageForTlsOnly) {
  const kj::ArrayPtr<const kj::byte> message[] = {kj::StringPtr("table").asBytes(), kj::StringPtr("segment").asBytes()};
  size_t wholes = 0, lists = 0;
  for (const auto how : {guarded_stream::pieces::apart, guarded_stream::pieces::joined}) {
    guarded_stream stream(kj::heap<counting_stream>(wholes, lists), 10, how);
    stream.write(message).wait(scope_);
  }
  EXPECT_EQ(lists, 1u);
  EXPECT_EQ(wholes, 1u);
}

} // namespace
} // namespace fastptm::rpc
