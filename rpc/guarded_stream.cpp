// Counts what strangers send.
#include "rpc/guarded_stream.hpp"

#include <algorithm>

#include <kj/debug.h>

namespace fastptm::rpc {

namespace {

constexpr size_t record_bytes = 16 << 10; // the most that TLS puts into one: larger messages gain nothing

} // namespace

kj::Promise<size_t> guarded_stream::tryRead(void* buffer, size_t least, size_t most) {
  if (trusted_) return socket_->tryRead(buffer, least, most);
  if (least > left_bytes_)
    return kj::evalLast([this, buffer, least, most] { return read_if_trusted(buffer, least, most); });
  return socket_->tryRead(buffer, least, std::min(most, left_bytes_)).then([this](size_t got) {
    left_bytes_ -= std::min(left_bytes_, got);
    return got;
  });
}

kj::Promise<size_t> guarded_stream::read_if_trusted(void* buffer, size_t least, size_t most) {
  if (trusted_) return socket_->tryRead(buffer, least, most);
  return KJ_EXCEPTION(DISCONNECTED, "too much was sent before logging in");
}

kj::Promise<void> guarded_stream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> message) {
  size_t size = 0;
  for (const auto& piece : message) size += piece.size();
  if (how_ == pieces::apart || size > record_bytes) return socket_->write(message);
  auto whole = kj::heapArray<kj::byte>(size);
  auto* at = whole.begin();
  for (const auto& piece : message) at = std::copy(piece.begin(), piece.end(), at);
  auto written = socket_->write(whole.begin(), whole.size());
  return written.attach(kj::mv(whole));
}

} // namespace fastptm::rpc
