// Unix sockets and SCM_RIGHTS.
#include "transport/same_host/link.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

namespace fastptm::transport::same_host {

namespace {

constexpr int waiting_connections = 64;

struct unix_address {
  sockaddr_un name{};
  socklen_t size = 0;
};

core::result<unix_address> make_address(const std::string& text) {
  unix_address made;
  made.name.sun_family = AF_UNIX;
  if (text.size() < 2 || text.size() >= sizeof made.name.sun_path)
    return core::fail(core::errc::invalid,
                      fmt::format("'{}' is no socket name: 2 to {} characters", text, sizeof made.name.sun_path - 1));
  std::memcpy(made.name.sun_path, text.data(), text.size());
  made.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
  if (text.front() == '@')
    made.name.sun_path[0] = '\0';
  else
    ++made.size;
  return made;
}

core::result<core::descriptor> make_socket() {
  core::descriptor made(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!made) return core::fail(core::from_errno(errno, "making a unix socket"));
  return made;
}

} // namespace

core::result<core::descriptor> listen_at(const std::string& address) {
  const auto name = make_address(address);
  if (!name) return core::fail(name.error());
  auto made = make_socket();
  if (!made) return made;
  if (address.front() != '@') unlink(address.c_str()); // left by a life that was killed
  if (bind(made->get(), reinterpret_cast<const sockaddr*>(&name->name), name->size) != 0 ||
      listen(made->get(), waiting_connections) != 0)
    return core::fail(core::from_errno(errno, fmt::format("listening at {}", address)));
  return made;
}

core::result<core::descriptor> connect_to(const std::string& address, core::duration_us timeout_us) {
  const auto name = make_address(address);
  if (!name) return core::fail(name.error());
  auto made = make_socket();
  if (!made) return made;
  set_timeout(*made, timeout_us); // SO_SNDTIMEO bounds connect, too
  if (connect(made->get(), reinterpret_cast<const sockaddr*>(&name->name), name->size) == 0) return made;
  auto error = core::from_errno(errno, fmt::format("connecting to {}", address));
  error.code = core::errc::unavailable;
  return core::fail(std::move(error));
}

bool is_same_user(const core::descriptor& socket) {
  ucred other{};
  socklen_t size = sizeof other;
  return getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &other, &size) == 0 && other.uid == geteuid();
}

void set_timeout(const core::descriptor& socket, core::duration_us timeout_us) {
  const timeval limit{timeout_us / 1'000'000, timeout_us % 1'000'000};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

core::result<void> send_bytes(const core::descriptor& socket, const void* data, size_t size, int file) {
  iovec part{const_cast<void*>(data), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof file)]{};
  if (file >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    auto* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(header), &file, sizeof file);
  }
  if (sendmsg(socket.get(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(size)) return {};
  return core::fail(core::errc::unavailable, fmt::format("sending to a node on this host: {}", std::strerror(errno)));
}

namespace {

// Alignment leaves room for two where one is expected: the others are closed.
core::descriptor first_file_of(msghdr& message) {
  const auto* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return {};
  core::descriptor first;
  for (size_t at = CMSG_LEN(0); at + sizeof(int) <= header->cmsg_len; at += sizeof(int)) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(header) + (at - CMSG_LEN(0)), sizeof number);
    core::descriptor one(number);
    if (!first) first = std::move(one);
  }
  return first;
}

} // namespace

core::result<void> receive_bytes(const core::descriptor& socket, void* data, size_t size, core::descriptor* file) {
  iovec part{data, size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto received = recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  auto came = received >= 0 ? first_file_of(message) : core::descriptor(); // an empty message may bring some, too
  if (received < 0)
    return core::fail(core::errc::unavailable,
                      fmt::format("waiting for a node on this host: {}", std::strerror(errno)));
  if (received != static_cast<ssize_t>(size) || (message.msg_flags & MSG_TRUNC))
    return core::fail(core::errc::unavailable, "a node on this host hung up or speaks another protocol");
  if (file) *file = std::move(came);
  return {};
}

} // namespace fastptm::transport::same_host
