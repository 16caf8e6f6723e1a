// One short-lived detached actor per attempt: connects a socket with a deadline, has it proven, hands it to the broker.
#include "actors/membership/connector.hpp"

#include <chrono>
#include <memory>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "actors/membership/broker.hpp"
#include "core/network_address.hpp"
#include "protocol/errors.hpp"
#include "protocol/interfaces.hpp"

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

void hand_over(caf::event_based_actor* self, int local, const endpoint& to, const std::set<std::string>& interface,
               core::duration_us timeout_us, const connected& done) {
  const auto where = core::to_text({to.host, to.port});
  self->request(broker_of(self->system()), std::chrono::microseconds(timeout_us), caf::connect_atom_v,
                scribe_of(self->system(), local), to.port)
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

// The one message that every build of every version understands.
using greeter = caf::typed_actor<protocol::asked<protocol::hello_atom, uint32_t, std::string>::with<std::string>>;

void connect(caf::event_based_actor* self, control::tunnels& through, const endpoint_finder& find,
             core::duration_us timeout_us, const connected& done) {
  const auto to = find();
  if (!to) return done(core::fail(to.error()));
  const auto socket = connect_socket(*to, timeout_us);
  if (!socket) return done(core::fail(socket.error()));
  const auto local = through.connect(*socket, to->node, timeout_us);
  if (!local) return done(core::fail(core::to_text({to->host, to->port}), local.error()));
  hand_over(self, *local, *to, self->system().message_types<greeter>(), timeout_us, done);
}

} // namespace

head_reacher by_connection(caf::actor_system& system, control::tunnels& through, endpoint_finder find,
                           core::duration_us timeout_us) {
  return [=, &system, &through, find = std::move(find)](connected done) {
    system.spawn<caf::detached>([=, &through, done = std::move(done)](caf::event_based_actor* self) {
      connect(self, through, find, timeout_us, done);
    });
  };
}

} // namespace fastptm::actors
