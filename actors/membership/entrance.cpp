// Passes on to the directory what a node may say before it has joined.
#include "actors/membership/entrance.hpp"

#include <chrono>

#include <fmt/format.h>

#include "actors/actor_from_state.hpp"
#include "actors/membership/broker.hpp"
#include "core/log.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

// The broker's handshake and a hello are two round trips.
constexpr auto unused_after = std::chrono::seconds(10);

// CAF tells published actors apart by port. No socket has this one: each connection takes the place of the one before.
constexpr uint16_t no_port = 1;

} // namespace

entrance::entrance(interface::pointer self, entrance_options options) : self_(self), options_(std::move(options)) {}

entrance::interface::behavior_type entrance::make_behavior() {
  self_->set_down_handler([this](caf::down_msg&) { self_->quit(); });
  self_->monitor(options_.directory);
  self_->delayed_send(self_, unused_after, protocol::tick_atom_v);
  return {
      [this](protocol::hello_atom, uint32_t version, const std::string& node) { return on_hello(version, node); },
      [this](const protocol::join_request& request) { return on_join(request); },
      [this](protocol::tick_atom) { on_tick(); },
  };
}

caf::result<std::string> entrance::on_hello(uint32_t version, const std::string& node) {
  if (node != options_.node) {
    return protocol::to_caf(core::errc::permission_denied,
                            fmt::format("node '{}' may not join as '{}': start it under the name in its certificate",
                                        options_.node, core::printable(node, 40)));
  }
  if (!std::exchange(greeted_, true) && self_->current_sender()) self_->monitor(self_->current_sender());
  return self_->delegate(options_.directory, protocol::hello_atom_v, version, node, options_.admission);
}

caf::result<protocol::join_reply> entrance::on_join(const protocol::join_request& request) {
  return self_->delegate(options_.directory, request);
}

void entrance::on_tick() {
  if (!greeted_) self_->quit();
}

core::result<std::unique_ptr<control::door>> open_door(caf::actor_system& system, control::tunnels& through,
                                                       const core::network_address& at,
                                                       const std::vector<std::string>& nodes,
                                                       const protocol::directory_actor& directory,
                                                       const std::string& admission) {
  control::door_options options;
  options.at = at;
  options.nodes = {nodes.begin(), nodes.end()};
  options.admit = [&system, directory, admission](const std::string& node, int local) {
    const auto found = system.spawn<actor_from_state<entrance>>(entrance_options{node, directory, admission});
    caf::anon_send(broker_of(system), caf::publish_atom_v, scribe_of(system, local), no_port,
                   caf::actor_cast<caf::strong_actor_ptr>(found), system.message_types<protocol::entrance_actor>());
    caf::logger::set_current_actor_system(nullptr); // spawn() set it; the system's end would wait for this thread's
  };
  return through.open(std::move(options));
}

} // namespace fastptm::actors
