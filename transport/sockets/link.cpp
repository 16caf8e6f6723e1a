// sendmsg and recv.
#include "transport/sockets/link.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/socket_address.hpp"

namespace fastptm::transport::sockets {

namespace {

// A backstop behind our own deadlines, for hosts that are gone.
constexpr int user_timeout_ms = 5000, keep_idle_s = 2, keep_interval_s = 1, keep_probes = 3;

void set(int socket, int level, int option, int value) {
  (void)setsockopt(socket, level, option, &value, sizeof value);
}

void prepare(int socket) {
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1); // a request is small and waited for
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, keep_idle_s);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, keep_interval_s);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, keep_probes);
  set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
}

bool is_for_later(int number) {
  return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

link::moved received(ssize_t got) {
  if (got > 0) return {static_cast<uint64_t>(got), false};
  return {0, got == 0 || !is_for_later(errno)};
}

} // namespace

link::link(core::descriptor connected_or_connecting) : socket_(std::move(connected_or_connecting)) {
  prepare(socket());
}

core::result<core::descriptor> link::begin_connect(const std::string& numeric_host, uint16_t port) {
  const auto address = core::parse_address(numeric_host, port);
  if (!address) return core::fail(address.error());
  core::descriptor made(::socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made) return core::fail(core::from_errno(errno, "a socket"));
  const auto* raw = reinterpret_cast<const sockaddr*>(&*address);
  if (connect(made.get(), raw, core::size_of(*address)) == 0 || errno == EINPROGRESS) return made;
  return core::fail(core::errc::unavailable, core::from_errno(errno, "connecting").message);
}

core::result<void> link::connected() const {
  int number = 0;
  socklen_t size = sizeof number;
  if (getsockopt(socket(), SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
  if (number == 0) return {};
  return core::fail(core::errc::unavailable, core::from_errno(number, "connecting").message);
}

link::moved link::take(std::byte* to, uint64_t most_bytes) {
  return received(recv(socket(), to, most_bytes, 0));
}

// TCP throws away what is received with MSG_TRUNC, without a copy.
link::moved link::drop(uint64_t most_bytes) {
  return received(recv(socket(), nullptr, most_bytes, MSG_TRUNC));
}

void link::put(const void* head, size_t head_bytes, core::memory_region payload, std::function<void()> given) {
  auto& next = outgoing_.emplace_back();
  std::memcpy(next.head.data(), head, head_bytes);
  next.head_bytes = head_bytes;
  next.payload = payload;
  next.given = std::move(given);
}

int64_t link::send_front(uint64_t most_bytes) {
  auto& front = outgoing_.front();
  const auto head_done = std::min(front.done_bytes, front.head_bytes);
  const auto payload_done = front.done_bytes - head_done;
  iovec parts[] = {
      {front.head.data() + head_done, front.head_bytes - head_done},
      {front.payload.address + payload_done, std::min(front.payload.size_bytes - payload_done, most_bytes)}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  return sendmsg(socket(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

link::moved link::flush(uint64_t most_bytes) {
  moved out;
  while (!outgoing_.empty() && out.bytes < most_bytes) {
    const auto sent = send_front(most_bytes - out.bytes);
    if (sent < 0) {
      out.ended = !is_for_later(errno);
      return out;
    }
    out.bytes += static_cast<uint64_t>(sent);
    auto& front = outgoing_.front();
    front.done_bytes += static_cast<uint64_t>(sent);
    if (front.done_bytes < front.head_bytes + front.payload.size_bytes) continue;
    const auto given = std::move(front.given);
    outgoing_.pop_front();
    if (given) given();
  }
  return out;
}

} // namespace fastptm::transport::sockets
