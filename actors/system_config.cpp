// Chosen by measurement on CAF 0.17.6.
#include "actors/system_config.hpp"

#include "actors/interfaces.hpp"

namespace fastptm::actors {

system_config::system_config(size_t threads) {
  load<caf::io::middleman>();
  add_message_types<caf::id_block::fastptm>();
  // Stealing polls: it burns an idle core and wakes up ten times later.
  set("scheduler.policy", caf::atom("sharing"));
  set("scheduler.max-threads", threads);
  // Only a backstop: liveness is the lease. Without it a peer that hangs in a handshake is never noticed.
  set("middleman.heartbeat-interval", caf::timespan(std::chrono::milliseconds(500)));
  set("middleman.connection-timeout", caf::timespan(std::chrono::seconds(3)));
}

} // namespace fastptm::actors
