// ENTRANCE: what one proven connection finds at the head; lets its node say hello and join under its own name only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/tunnels.hpp"
#include "core/network_address.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::actors {

struct entrance_options {
  std::string node; // as the certificate says
  protocol::directory_actor directory;
  std::string admission; // what the directory knows its entrances by
};

// One per connection, spawned by the door; the head's own supervisor has one, too. Ends with the directory or with the
// supervisor that it has let in; by itself when nobody says hello.
class entrance {
public:
  using interface = protocol::entrance_actor::extend<protocol::takes<protocol::tick_atom>>;
  static constexpr const char* actor_name = "fastptm.entrance";

  entrance(interface::pointer self, entrance_options options);
  interface::behavior_type make_behavior();

private:
  caf::result<std::string> on_hello(uint32_t version, const std::string& node);
  caf::result<protocol::join_reply> on_join(const protocol::join_request& request);
  void on_tick();

  interface::pointer self_;
  const entrance_options options_;
  bool greeted_ = false;
};

// Listens for nodes: each that proves itself finds an entrance. `nodes` may come in, others are told that they may not.
core::result<std::unique_ptr<control::door>> open_door(caf::actor_system& system, control::tunnels& through,
                                                       const core::network_address& at,
                                                       const std::vector<std::string>& nodes,
                                                       const protocol::directory_actor& directory,
                                                       const std::string& admission);

} // namespace fastptm::actors
