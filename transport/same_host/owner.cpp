// Accept, challenge, hand over.
#include "transport/same_host/owner.hpp"

#include <cerrno>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.hpp"

namespace fastptm::transport::same_host {

core::result<std::unique_ptr<owner>> owner::create(owner_options options, exporter& exports) {
  auto socket = listen_at(options.address);
  if (!socket) return core::fail(socket.error());
  return std::unique_ptr<owner>(new owner(std::move(options), exports, std::move(*socket)));
}

owner::owner(owner_options options, exporter& exports, core::descriptor socket)
    : options_(std::move(options)), secret_(options_.secret), exports_(exports), socket_(std::move(socket)) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "map-owner");
}

owner::~owner() {
  shutdown(socket_.get(), SHUT_RDWR); // accept returns an error
  thread_.join();
  if (options_.address.front() != '@') unlink(options_.address.c_str());
}

void owner::run() {
  for (;;) {
    const core::descriptor peer(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer && (errno == EINVAL || errno == EBADF)) return; // shut down
    if (!peer) continue;
    set_timeout(peer, options_.message_us);
    if (auto talked = talk(peer); !talked)
      core::log::warn("transport", "map-refused", "a peer on this host got no memory: {}", talked.error().message);
  }
}

core::result<void> owner::talk(const core::descriptor& peer) {
  if (!is_same_user(peer)) return core::fail(core::errc::permission_denied, "it runs as another user");
  const auto asked = receive<hello>(peer);
  if (!asked) return core::fail(asked.error());
  challenge reply{0, make_nonce(), {}};
  if (asked->version != version || asked->incarnation != options_.incarnation) {
    reply.error = static_cast<uint64_t>(core::errc::version_mismatch);
    return send(peer, reply);
  }
  reply.proven = secret_.prove("map owner", asked->asker, reply.owner, options_.incarnation);
  if (auto sent = send(peer, reply); !sent) return sent;
  const auto named = receive<question>(peer);
  if (!named) return core::fail(named.error());
  if (!equal(named->proven, secret_.prove("map asker", asked->asker, reply.owner, options_.incarnation))) {
    (void)send(peer, handover{static_cast<uint64_t>(core::errc::permission_denied), 0});
    return core::fail(core::errc::permission_denied, "it did not prove the cluster secret");
  }
  const auto found = exports_.mappable(named->region);
  if (!found) return send(peer, handover{static_cast<uint64_t>(found.error().code), 0});
  return send(peer, handover{0, found->memory.size_bytes}, found->sealed_file);
}

} // namespace fastptm::transport::same_host
