// Two directions, each with one portion of bytes on its way.
#include "control/tunnel.hpp"

#include <cerrno>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace fastptm::control {

namespace {

// 256 KiB each way before other connections have their turn.
constexpr unsigned portions_per_turn = 16;

uint32_t event_of(progress wanted) {
  if (wanted == progress::wants_write) return EPOLLOUT;
  return wanted == progress::wants_read ? uint32_t{EPOLLIN} : 0u;
}

bool would_wait(int failure) {
  return failure == EAGAIN || failure == EWOULDBLOCK || failure == EINTR;
}

} // namespace

// -- until both sides know each other ---------------------------------------------------------------------------------

progress tunnel::shake() {
  return reading_ = tls_.handshake();
}

// A byte always fits into the buffer of a socket that has sent nothing but its handshake.
bool tunnel::tell(verdict what) {
  const char byte = static_cast<char>(what);
  size_t sent = 0;
  reading_ = progress::wants_read;
  return tls_.write({&byte, 1}, sent) == progress::done;
}

progress tunnel::hear(verdict& what) {
  char byte = 0;
  size_t got = 0;
  reading_ = tls_.read({&byte, 1}, got);
  what = static_cast<verdict>(byte);
  return reading_;
}

// -- from then on -----------------------------------------------------------------------------------------------------

tunnel::state tunnel::carry() {
  for (unsigned i = 0; i < portions_per_turn; ++i) {
    bool moved = read_socket();
    moved |= write_local();
    moved |= read_local();
    moved |= write_socket();
    if (over_) return state::over;
    if (!moved) return state::waits;
  }
  return state::has_more;
}

// Each says whether it moved something. A side is only read when all that it sent before is written: so its end is the
// end of everything.
bool tunnel::read_socket() {
  if (!in_.empty()) return false;
  size_t got = 0;
  reading_ = tls_.read(in_.room(), got);
  if (reading_ == progress::done) in_.filled(got);
  over_ |= reading_ == progress::ended || reading_ == progress::failed;
  return reading_ == progress::done;
}

bool tunnel::write_local() {
  if (in_.empty()) return false;
  const auto left = in_.left();
  const auto sent = ::send(local_.get(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) in_.written(static_cast<size_t>(sent));
  over_ |= sent < 0 && !would_wait(errno);
  return sent > 0;
}

bool tunnel::read_local() {
  if (!out_.empty() || over_) return false;
  const auto room = out_.room();
  const auto got = ::recv(local_.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (got > 0) out_.filled(static_cast<size_t>(got));
  if (got > 0 || (got < 0 && would_wait(errno))) return got > 0;
  tls_.say_goodbye();
  over_ = true;
  return false;
}

bool tunnel::write_socket() {
  if (out_.empty() || over_) return false;
  size_t sent = 0;
  writing_ = tls_.write(out_.left(), sent);
  if (writing_ == progress::done) out_.written(sent);
  over_ |= writing_ == progress::ended || writing_ == progress::failed;
  return writing_ == progress::done;
}

uint32_t tunnel::socket_events() const {
  return (in_.empty() ? event_of(reading_) : 0) | (out_.empty() ? 0 : event_of(writing_));
}

uint32_t tunnel::local_events() const {
  if (!local_) return 0;
  return (in_.empty() ? 0u : uint32_t{EPOLLOUT}) | (out_.empty() ? uint32_t{EPOLLIN} : 0u);
}

} // namespace fastptm::control
