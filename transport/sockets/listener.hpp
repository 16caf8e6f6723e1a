// A listening TCP socket that never blocks.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/descriptor.hpp"
#include "core/error.hpp"

namespace fastptm::transport::sockets {

class listener {
public:
  // Port 0: the system's choice. unavailable: the port is taken.
  static core::result<listener> open(const std::string& numeric_host, uint16_t port);

  int socket() const { return socket_.get(); }
  uint16_t port() const { return port_; }

  struct accepted {
    core::descriptor socket;  // non-blocking; none: nobody is there
    bool out_of_room = false; // nobody can come in before a descriptor is free
  };
  accepted accept();

private:
  listener(core::descriptor socket, uint16_t port) : socket_(std::move(socket)), port_(port) {}

  core::descriptor socket_;
  uint16_t port_;
};

} // namespace fastptm::transport::sockets
