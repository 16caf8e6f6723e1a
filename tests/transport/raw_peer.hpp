// One end of a conversation with a backend of sockets, byte by byte: for tests of what nobody should send.
#pragma once

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/check.hpp"
#include "transport/sockets/wire.hpp"

namespace fastptm::transport::sockets::test {

class raw_peer {
public:
  static constexpr int patience_ms = 10'000;

  explicit raw_peer(int connected) : socket_(connected) {}
  raw_peer(raw_peer&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  raw_peer& operator=(raw_peer&&) = delete;
  ~raw_peer() {
    if (socket_ >= 0) close(socket_);
  }

  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
  }
  static raw_peer connect_to(uint16_t port) {
    raw_peer out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    out.connect(port);
    return out;
  }
  void connect(uint16_t port) {
    const auto address = loopback(port);
    // A signal does not end it: the connection goes on being made.
    const bool begun = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                       (errno == EINTR && writable(patience_ms));
    core::check(begun, "a source listens");
  }

  // What the other end has closed meanwhile takes nothing more, which is no error here.
  void send(const void* bytes, size_t size) { (void)::send(socket_, bytes, size, MSG_NOSIGNAL); }
  template <class Message> void send(const Message& message) { send(&message, sizeof message); }
  void send(const std::string& bytes) { send(bytes.data(), bytes.size()); }

  // Nothing: the other end closed before all of it came, or is silent.
  template <class Message> std::optional<Message> receive() {
    Message out;
    return receive(&out, sizeof out) ? std::optional(out) : std::nullopt;
  }
  bool receive(void* to, size_t size) {
    for (size_t have = 0; have < size;) {
      const auto got = readable(patience_ms) ? recv(socket_, static_cast<char*>(to) + have, size - have, 0) : 0;
      if (got <= 0) return false;
      have += static_cast<size_t>(got);
    }
    return true;
  }
  // What is there, at most so much: 0 at the end, less when there is nothing.
  ssize_t take(void* to, size_t most) { return recv(socket_, to, most, MSG_DONTWAIT); }
  bool readable(int wait_ms) const { return is(POLLIN, wait_ms); }
  bool writable(int wait_ms) const { return is(POLLOUT, wait_ms); }
  // Closing it sends a reset instead of an end.
  void reset_at_close() {
    const linger none{1, 0};
    (void)setsockopt(socket_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  // Waits for the end; whatever comes before it is counted.
  bool is_closed(size_t* bytes_before = nullptr) {
    char some[4096];
    while (readable(patience_ms)) {
      const auto got = recv(socket_, some, sizeof some, 0);
      if (got <= 0) return true;
      if (bytes_before) *bytes_before += static_cast<size_t>(got);
    }
    return false;
  }

private:
  bool is(short what, int wait_ms) const {
    pollfd file{socket_, what, 0};
    int found = 0;
    do found = poll(&file, 1, wait_ms);
    while (found < 0 && errno == EINTR);
    return found == 1;
  }

  int socket_;
};

// What an asker has of a conversation in which both sides have proven the secret.
struct raw_conversation {
  message_tags given, taken;
  wire::message welcome;
};

inline wire::message sealed(message_tags& by, wire::message message) {
  message.sealed = by.next(wire::sealed_part(message));
  return message;
}

// As an honest asker does it; nothing when the source closes.
inline std::optional<raw_conversation> prove_the_secret(raw_peer& to, const cluster_secret& secret,
                                                        uint64_t incarnation, const std::string& name) {
  const auto own = make_nonce();
  to.send(wire::hello{.incarnation = incarnation, .asker = own, .name = wire::padded(name)});
  const auto challenged = to.receive<wire::challenge>();
  if (!challenged || challenged->error != 0) return std::nullopt;
  to.send(wire::answer{secret.prove(wire::asker_role(name), own, challenged->source, challenged->session)});
  const auto key = secret.prove(wire::session_role, own, challenged->source, challenged->session);
  const auto welcome = to.receive<wire::message>();
  if (!welcome) return std::nullopt;
  raw_conversation out{{key, message_tags::direction::to_source}, {key, message_tags::direction::to_asker}, *welcome};
  if (!out.taken.is_next(wire::sealed_part(*welcome), welcome->sealed)) return std::nullopt;
  return out;
}

} // namespace fastptm::transport::sockets::test
