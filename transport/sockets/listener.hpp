// A listening TCP socket that never blocks.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace fastptm::transport::sockets {

class listener {
public:
  // Port 0: the system's choice. unavailable: the port is taken.
  static core::result<listener> open(const std::string& numeric_host, uint16_t port);
  listener(listener&& other) noexcept;
  listener& operator=(listener&&) = delete;
  ~listener();

  int socket() const { return socket_; }
  uint16_t port() const { return port_; }

  struct accepted {
    int socket = -1;          // non-blocking; -1: nobody is there
    bool out_of_room = false; // nobody can come in before a descriptor is free
  };
  accepted accept();

private:
  listener(int socket, uint16_t port) : socket_(socket), port_(port) {}

  int socket_;
  uint16_t port_;
};

} // namespace fastptm::transport::sockets
