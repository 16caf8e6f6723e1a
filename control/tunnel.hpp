// One connection: TLS towards another node on one side, a local socket with the same bytes in the clear on the other.
#pragma once

#include <array>
#include <string>

#include "control/tls.hpp"
#include "core/descriptor.hpp"

namespace fastptm::control {

// The first byte that the accepting side sends: what it makes of a node that has proven itself.
enum class verdict : uint8_t { welcome = 1, not_configured = 2, too_many = 3 };

// Driven by the thread of control/tunnels; nothing here waits. A direction reads on only when what it has read is
// written, so that a slow reader holds up its writer and no buffer grows.
class tunnel {
public:
  tunnel(const tls_settings& settings, core::descriptor socket, side of)
      : socket_(std::move(socket)), tls_(settings, socket_.get(), of) {}
  tunnel(const tunnel&) = delete;

  // -- until both sides know each other -------------------------------------------------------------------------------
  // done: peer() is proven.
  progress shake();
  // The accepting side, once; false: it could not be sent.
  bool tell(verdict what);
  // The connecting side. done: what the other side told.
  progress hear(verdict& what);

  // -- from then on ---------------------------------------------------------------------------------------------------
  void open(core::descriptor local) { local_ = std::move(local); }
  enum class state : uint8_t { waits, has_more, over };
  // Carries what can be carried now, but not for ever: `has_more` wants to be called again. Over as soon as one side has
  // ended and all that it had sent is written to the other.
  state carry();

  int socket() const { return socket_.get(); }
  int local() const { return local_.get(); }
  // What to wait for, as epoll's events; 0: nothing.
  uint32_t socket_events() const;
  uint32_t local_events() const;

  std::string peer() const { return tls_.peer(); }
  const std::string& why() const { return tls_.why(); }
  bool peer_untrusted() const { return tls_.peer_untrusted(); }

private:
  // Bytes that have been read and not been written.
  class portion {
  public:
    bool empty() const { return begin_ == end_; }
    std::span<char> room() { return bytes_; }
    void filled(size_t with) { begin_ = 0, end_ = with; }
    std::span<const char> left() const { return {bytes_.data() + begin_, end_ - begin_}; }
    void written(size_t of_it) { begin_ += of_it; }

  private:
    std::array<char, 16 << 10> bytes_; // a record of TLS
    size_t begin_ = 0, end_ = 0;
  };

  bool read_socket();
  bool write_local();
  bool read_local();
  bool write_socket();

  core::descriptor socket_, local_;
  tls_stream tls_;
  portion in_, out_;                                                   // towards the local side; towards the peer
  progress reading_ = progress::wants_read, writing_ = progress::done; // what TLS waits for
  bool over_ = false;
};

} // namespace fastptm::control
