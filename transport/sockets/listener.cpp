// bind, listen, accept4.
#include "transport/sockets/listener.hpp"

#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "core/socket_address.hpp"

namespace fastptm::transport::sockets {

namespace {

constexpr int backlog = 512; // every node of a cluster may come at once

} // namespace

core::result<listener> listener::open(const std::string& numeric_host, uint16_t port) {
  auto address = core::parse_address(numeric_host, port);
  if (!address) return core::fail("the data port's address", address.error());
  listener out(core::descriptor(::socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), 0);
  const int made = out.socket();
  if (made < 0) return core::fail(core::from_errno(errno, "a socket"));
  const int yes = 1; // the connections of the life before may still be ending
  (void)setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  auto* const raw = reinterpret_cast<sockaddr*>(&*address);
  socklen_t size = core::size_of(*address);
  if (bind(made, raw, size) != 0 || listen(made, backlog) != 0 || getsockname(made, raw, &size) != 0) {
    const auto why = core::from_errno(errno, "listening").message;
    return core::fail(core::errc::unavailable,
                      fmt::format("{} port {}: {}: is the port in use?", numeric_host, port, why));
  }
  out.port_ = core::port_of(*address);
  return out;
}

listener::accepted listener::accept() {
  core::descriptor made(accept4(socket(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (made) return {std::move(made), false};
  // Every other error is of a connection that has gone already.
  return {{}, errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM};
}

} // namespace fastptm::transport::sockets
