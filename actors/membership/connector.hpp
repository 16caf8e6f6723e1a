// Connects to the head without ever blocking CAF's one middleman actor.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include <caf/all.hpp>

#include "control/tunnels.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::actors {

struct endpoint {
  std::string host; // an IPv4 or IPv6 address or a name
  uint16_t port = 0;
  std::string node; // who must be there, by its certificate
};

// Finds out where to connect, each time anew: the other side may have come back elsewhere. May read a file.
using endpoint_finder = std::function<core::result<endpoint>()>;

// Called once, on a foreign thread; the pointer is never null.
using connected = std::function<void(core::result<caf::strong_actor_ptr>)>;

// Starts one attempt on a thread of its own and returns at once. An attempt ends within `timeout_us` for the connection,
// for TLS and for the handshake of CAF, each (remote_actor() may take minutes for a host that is gone, and all other
// connects with it). `interface` lists the messages that the other side must understand, as system.message_types() has
// them: otherwise version_mismatch.
void connect_async(caf::actor_system& system, control::tunnels& through, endpoint_finder find,
                   const std::set<std::string>& interface, core::duration_us timeout_us, connected done);

} // namespace fastptm::actors
