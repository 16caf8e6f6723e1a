// A client's connection that can stop taking what comes, as those do who only ask.
#pragma once

#include <kj/async-io.h>
#include <sys/socket.h>

namespace fastptm::tests {

// Takes no more bytes from its socket once it has been told to.
class deaf_stream final : public kj::AsyncIoStream {
public:
  explicit deaf_stream(kj::Own<kj::AsyncIoStream> socket) : socket_(kj::mv(socket)) {}
  void stop_reading() { deaf_ = true; }
  // Ends the connection, whatever is still to be sent.
  void hang_up() {
    KJ_IF_MAYBE (file, socket_->getFd()) ::shutdown(*file, SHUT_RDWR);
  }

  kj::Promise<size_t> tryRead(void* buffer, size_t least, size_t most) override {
    if (deaf_) return kj::NEVER_DONE;
    return socket_->tryRead(buffer, least, most);
  }
  kj::Promise<void> write(const void* buffer, size_t size) override { return socket_->write(buffer, size); }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return socket_->write(pieces);
  }
  kj::Promise<void> whenWriteDisconnected() override { return socket_->whenWriteDisconnected(); }
  void shutdownWrite() override { socket_->shutdownWrite(); }

private:
  kj::Own<kj::AsyncIoStream> socket_;
  bool deaf_ = false;
};

} // namespace fastptm::tests
