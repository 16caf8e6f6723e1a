// Counts what strangers send.
#include "rpc/guarded_stream.hpp"

#include <algorithm>

#include <kj/debug.h>

namespace fastptm::rpc {

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

} // namespace fastptm::rpc
