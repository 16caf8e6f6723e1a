// Connects to a node's published actor without ever blocking CAF's one middleman actor.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <caf/all.hpp>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::actors {

struct endpoint {
  std::string host; // an IPv4 or IPv6 address or a name
  uint16_t port = 0;
};

// Finds out where to connect, each time anew: the other side may have come back elsewhere. May read a file.
using endpoint_finder = std::function<core::result<endpoint>()>;

// Called once, on a foreign thread; the pointer is never null.
using connected = std::function<void(core::result<caf::strong_actor_ptr>)>;

// Starts one attempt on a thread of its own and returns at once. An attempt ends within `timeout_us` for the connection
// plus the same for the handshake (remote_actor() may take minutes for a host that is gone, and all other connects with
// it). `interface` lists the messages that the other side must understand,
// as system.message_types() has them: otherwise version_mismatch.
void connect_async(caf::actor_system& system, endpoint_finder find, std::set<std::string> interface,
                   core::duration_us timeout_us, connected done);

// Listens on one address (never all of them). `interface`: what is offered to those who connect.
// The port that was chosen, when 0 was asked for.
core::result<uint16_t> publish_at(caf::actor_system& system, const caf::strong_actor_ptr& what,
                                  std::set<std::string> interface, const endpoint& at);

} // namespace fastptm::actors
