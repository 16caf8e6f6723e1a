// CAF's broker of connections between nodes, for connections that are made elsewhere.
#pragma once

#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/network/default_multiplexer.hpp>

namespace fastptm::actors {

inline caf::actor broker_of(caf::actor_system& system) {
  return system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
}

// What the broker reads and writes; takes the descriptor. Any thread.
inline caf::io::scribe_ptr scribe_of(caf::actor_system& system, int descriptor) {
  return static_cast<caf::io::network::default_multiplexer&>(system.middleman().backend()).new_scribe(descriptor);
}

} // namespace fastptm::actors
