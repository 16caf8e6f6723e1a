// A client's connection that may send only a little before it has logged in.
#pragma once

#include <kj/async-io.h>

namespace fastptm::rpc {

// Wraps a socket. A stranger's bytes are counted, so that an unauthenticated connection costs a bounded amount of
// memory whatever lengths its messages announce; beyond the bound the connection breaks.
class guarded_stream final : public kj::AsyncIoStream {
public:
  // A message comes in pieces, which a socket takes in one call. TLS would make a record of each: there they are joined.
  enum class pieces { apart, joined };

  guarded_stream(kj::Own<kj::AsyncIoStream> socket, size_t stranger_bytes, pieces how)
      : socket_(kj::mv(socket)), left_bytes_(stranger_bytes), how_(how) {}

  void trust() { trusted_ = true; }

  kj::Promise<size_t> tryRead(void* buffer, size_t least, size_t most) override;
  kj::Promise<void> write(const void* buffer, size_t size) override { return socket_->write(buffer, size); }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> message) override;
  kj::Promise<void> whenWriteDisconnected() override { return socket_->whenWriteDisconnected(); }
  void shutdownWrite() override { socket_->shutdownWrite(); }
  void abortRead() override { socket_->abortRead(); }
  void setsockopt(int level, int option, const void* value, kj::uint length) override {
    socket_->setsockopt(level, option, value, length);
  }

private:
  // A login that was read just now has its turn before what came behind it is judged.
  kj::Promise<size_t> read_if_trusted(void* buffer, size_t least, size_t most);

  kj::Own<kj::AsyncIoStream> socket_;
  size_t left_bytes_;
  const pieces how_;
  bool trusted_ = false;
};

} // namespace fastptm::rpc
