// One short-lived detached actor per attempt: connects a socket with a deadline, then hands it to CAF's broker.
#include "actors/membership/connector.hpp"

#include <chrono>
#include <memory>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <fmt/format.h>

#include "core/network_address.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

// Waits for a non-blocking connect; 0 or an errno.
int wait_connected(int socket, core::duration_us timeout_us) {
  pollfd waiting{socket, POLLOUT, 0};
  if (poll(&waiting, 1, static_cast<int>(timeout_us / 1000)) != 1) return ETIMEDOUT;
  int failure = 0;
  socklen_t size = sizeof failure;
  if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size) != 0) return errno;
  return failure;
}

core::result<int> connect_one(const addrinfo& to, core::duration_us timeout_us) {
  const int socket = ::socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return core::fail(core::from_errno(errno, "socket"));
  int failure = connect(socket, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  if (failure == EINPROGRESS) failure = wait_connected(socket, timeout_us);
  if (failure == 0) return socket;
  close(socket);
  return core::fail(core::errc::unavailable, core::from_errno(failure, "connect").message);
}

core::result<int> connect_socket(const endpoint& to, core::duration_us timeout_us) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (const int failure = getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found); failure != 0)
    return core::fail(core::errc::unavailable,
                      fmt::format("the host name '{}' does not resolve: {}", to.host, gai_strerror(failure)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  core::result<int> socket = core::fail(core::errc::unavailable, "no address");
  for (const addrinfo* at = found; at != nullptr && !socket; at = at->ai_next) socket = connect_one(*at, timeout_us);
  if (!socket) return core::fail(core::to_text({to.host, to.port}), socket.error());
  return socket;
}

void hand_over(caf::event_based_actor* self, int socket, const endpoint& to, std::set<std::string> interface,
               core::duration_us timeout_us, connected done) {
  auto& middleman = self->system().middleman();
  auto& multiplexer = static_cast<caf::io::network::default_multiplexer&>(middleman.backend());
  const auto broker = middleman.named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  const auto where = core::to_text({to.host, to.port});
  self->request(broker, std::chrono::microseconds(timeout_us), caf::connect_atom_v, multiplexer.new_scribe(socket),
                to.port)
      .then(
          [=, &system = self->system()](const caf::node_id&, caf::strong_actor_ptr& found,
                                        std::set<std::string>& offered) {
            if (!found) return done(core::fail(core::errc::unavailable, where + ": nothing is published there"));
            if (!system.assignable(offered, interface))
              return done(core::fail(core::errc::version_mismatch,
                                     where + ": speaks another protocol: run the same build everywhere"));
            done(found);
          },
          [=](caf::error& failure) { done(core::fail(where, protocol::from_caf(failure))); });
}

} // namespace

void connect_async(caf::actor_system& system, endpoint_finder find, std::set<std::string> interface,
                   core::duration_us timeout_us, connected done) {
  system.spawn<caf::detached>([=, find = std::move(find), done = std::move(done)](caf::event_based_actor* self) {
    const auto to = find();
    if (!to) return done(core::fail(to.error()));
    const auto socket = connect_socket(*to, timeout_us);
    if (!socket) return done(core::fail(socket.error()));
    hand_over(self, *socket, *to, interface, timeout_us, done);
  });
}

core::result<uint16_t> publish_at(caf::actor_system& system, const caf::strong_actor_ptr& what,
                                  std::set<std::string> interface, const endpoint& at) {
  // The template that takes a handle hides which interface is published: an untyped one offers nothing.
  caf::expected<uint16_t> port = caf::sec::cannot_open_port;
  caf::scoped_actor self{system};
  self->request(system.middleman().actor_handle(), std::chrono::seconds(5), caf::publish_atom_v, at.port, what,
                std::move(interface), at.host, true)
      .receive([&](uint16_t chosen) { port = chosen; }, [&](caf::error& failure) { port = std::move(failure); });
  if (!port) {
    return core::fail(core::errc::unavailable,
                      fmt::format("cannot listen on {}: is the port in use, or the address not this machine's?",
                                  core::to_text({at.host, at.port})));
  }
  return *port;
}

} // namespace fastptm::actors
