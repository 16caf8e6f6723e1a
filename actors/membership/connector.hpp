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

// Called once, on any thread; the pointer is never null.
using connected = std::function<void(core::result<caf::strong_actor_ptr>)>;

// One attempt to reach the actor that nodes join by, which may be called again after it has ended.
using head_reacher = std::function<void(connected done)>;

// By a connection to where `find` says. One attempt runs on a thread of its own and ends within `timeout_us` for the
// connection, for TLS and for the handshake of CAF, each (remote_actor() may take minutes for a host that is gone, and
// all other connects with it). version_mismatch: what is there does not understand an entrance's first message. Both
// references outlive the calls.
head_reacher by_connection(caf::actor_system& system, control::tunnels& through, endpoint_finder find,
                           core::duration_us timeout_us);

} // namespace fastptm::actors
